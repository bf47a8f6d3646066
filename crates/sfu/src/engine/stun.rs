//! Basic STUN server on the media port (RFC 8489 section 12): unauthenticated Binding requests
//! are answered, which also proves that this very port can be reached.

use rtc::outbox::Outbox;
use rtc::path::PathId;
use wire::stun::{Builder, Class, Message, Method};
use wire::time::Time;

/// Responses per second to all unauthenticated peers together: a response is hardly longer than its
/// request, but the source address of a request may be spoofed.
const ANSWERS_PER_S: f64 = 500.0;
/// Unknown attributes that an error response lists.
const MAX_LISTED: usize = 8;

/// Answers Binding requests that belong to no ICE session.
#[derive(Debug)]
pub struct PlainStun {
    allowance: f64,
    at: Time,
    scratch: Vec<u8>,
}

impl PlainStun {
    /// Start with an allowance for one second.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            allowance: ANSWERS_PER_S,
            at: now,
            scratch: Vec::new(),
        }
    }

    /// Answer a Binding request without username; return whether there was one and it was answered.
    pub fn answer(&mut self, now: Time, path: PathId, datagram: &[u8], out: &mut Outbox) -> bool {
        let Ok(request) = Message::parse(datagram) else {
            return false;
        };
        let plain = request.class == Class::Request
            && request.method == Method::BINDING
            && request.username().is_none()
            && request.check_fingerprint() != Some(false);
        if !plain || !self.allow(now) {
            return false;
        }
        // RFC 8489 section 6.3.1: unknown comprehension-required attributes are listed.
        let unknown: Vec<u16> = request.not_understood().take(MAX_LISTED).collect();
        let class = match unknown.is_empty() {
            true => Class::Success,
            false => Class::Error,
        };
        let response = Builder::new(
            &mut self.scratch,
            class,
            Method::BINDING,
            request.transaction,
        );
        match unknown.is_empty() {
            true => response.xor_mapped_address(path.remote),
            false => response
                .error_code(420, "Unknown Attribute")
                .unknown_attributes(&unknown),
        }
        .fingerprint();
        out.push(path, &self.scratch);
        true
    }

    fn allow(&mut self, now: Time) -> bool {
        let earned = now.since(self.at).as_secs_f64() * ANSWERS_PER_S;
        self.at = self.at.max(now);
        self.allowance = (self.allowance + earned).min(ANSWERS_PER_S);
        let allowed = self.allowance >= 1.0;
        self.allowance -= f64::from(u8::from(allowed));
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::stun::TransactionId;

    const TRANSACTION: TransactionId = TransactionId([7; 12]);

    fn path() -> PathId {
        PathId::udp(0, [192, 0, 2, 1].into(), ([203, 0, 113, 9], 4242).into())
    }

    fn request(change: impl FnOnce(Builder<'_>)) -> Vec<u8> {
        let mut datagram = Vec::new();
        change(Builder::new(
            &mut datagram,
            Class::Request,
            Method::BINDING,
            TRANSACTION,
        ));
        datagram
    }

    fn answer(datagram: &[u8]) -> Option<Vec<u8>> {
        let (mut stun, mut out) = (PlainStun::new(Time::ZERO), Outbox::new());
        let answered = stun.answer(Time::ZERO, path(), datagram, &mut out);
        let sent = out.datagrams().next().map(|(_, bytes)| bytes.to_vec());
        assert_eq!(answered, sent.is_some());
        sent
    }

    #[test]
    fn an_unauthenticated_request_gets_its_mapped_address() {
        let sent = answer(&request(|_| ())).expect("an answer");
        let response = Message::parse(&sent).expect("a message");
        assert_eq!(response.class, Class::Success);
        assert_eq!(response.transaction, TRANSACTION);
        assert_eq!(response.xor_mapped_address(), Some(path().remote));
        assert!(sent.len() <= 48, "{}: no amplifier", sent.len());
    }

    #[test]
    fn unknown_required_attributes_are_listed() {
        const CHANGE_REQUEST: u16 = 0x0003;
        let datagram = request(|builder| {
            builder.attribute(CHANGE_REQUEST, &[0, 0, 0, 6]);
        });
        let sent = answer(&datagram).expect("an answer");
        let response = Message::parse(&sent).expect("a message");
        assert_eq!(response.error_code().map(|(code, _)| code), Some(420));
        assert!(response.unknown_attributes().eq([CHANGE_REQUEST]));
    }

    #[test]
    fn ice_checks_and_indications_are_not_answered() {
        let check = request(|builder| {
            builder.username("a:b");
        });
        assert_eq!(answer(&check), None);
        let mut indication = request(|_| ());
        indication[0] |= 0x01;
        assert_eq!(answer(&indication), None);
        assert_eq!(answer(b"\x00\x01\x00\x00garbage"), None);
    }

    #[test]
    fn responses_are_rate_limited() {
        let (mut stun, mut out) = (PlainStun::new(Time::ZERO), Outbox::new());
        let datagram = request(|_| ());
        let mut answered = 0;
        for nth in 0..10_000_u64 {
            let now = Time::from_micros(nth * 200);
            answered += u32::from(stun.answer(now, path(), &datagram, &mut out));
        }
        assert!((1_400..=1_501).contains(&answered), "{answered}");
    }
}
