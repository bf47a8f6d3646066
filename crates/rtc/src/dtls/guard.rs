use super::role::Role;
use core::time::Duration;
use wire::time::Time;

const RECORD_HEADER_LEN: usize = 13;
const FRAGMENT_HEADER_LEN: usize = 12;
/// 16 bits of epoch, zero here, and 48 of record number.
const EPOCH_AND_NUMBER_AT: usize = 3;
const VERSION_MAJOR: u8 = 0xfe;
/// Longest handshake message taken from a stranger, in bytes. The library allocates what the first
/// fragment claims; no certificate chain of a WebRTC peer comes near this.
const MAX_MESSAGE_LEN: usize = 16_384;

/// A peer that is alive answers a flight that was sent again within this.
const BELIEVE_ALERT_AFTER: Duration = Duration::from_secs(1);

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

const CLIENT_HELLO: u8 = 1;
/// ClientHello, Certificate, CertificateVerify, ClientKeyExchange.
const FROM_CLIENT: [u8; 4] = [CLIENT_HELLO, 11, 15, 16];
/// ServerHello, HelloVerifyRequest, NewSessionTicket, Certificate, ServerKeyExchange,
/// CertificateRequest, ServerHelloDone, CertificateStatus.
const FROM_SERVER: [u8; 8] = [2, 3, 4, 11, 12, 13, 14, 22];

/// Offset and length of the random in a ClientHello: behind the version (RFC 5246 section 7.4.1.2).
const RANDOM_AT: usize = 2;
const RANDOM_LEN: usize = 32;

/// Holds back what anyone could have sent and what would end the handshake.
///
/// Until keys are agreed on, records carry no proof of origin. RFC 6347 section 4.1.2.7 lets an
/// endpoint drop an invalid one silently; the library, as most do, ends the session instead. So
/// whatever it would choke on stays out: garbage, misplaced types, alerts, data. Record numbers in
/// the clear are replaced by a count: one forged high number would make the library take all that
/// follows for old, and repeated messages are told by their own numbers.
#[derive(Default)]
pub(super) struct Guard {
    hello: Option<[u8; RANDOM_LEN]>,
    client_answered: bool,
    alert: Option<Alert>,
    records_passed: u64,
}

#[derive(Clone, Copy)]
struct Alert {
    description: u8,
    at: Time,
}

/// What a datagram means for the handshake so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Screened {
    /// Go on with what was let through.
    Continue,
    /// It is about another handshake: start over with what was let through.
    NewHello,
}

impl Guard {
    /// Append the harmless records of `datagram` to `passed`.
    pub(super) fn screen(
        &mut self,
        now: Time,
        role: Role,
        handshaking: bool,
        datagram: &[u8],
        passed: &mut Vec<u8>,
    ) -> Screened {
        let mut verdict = Screened::Continue;
        for record in Records(datagram) {
            if record.epoch != 0 {
                passed.extend_from_slice(record.bytes);
                continue;
            }
            if !handshaking {
                continue;
            }
            match record.kind {
                HANDSHAKE if is_sound(role, record.body) => match self.place(role, record.body) {
                    Some(Screened::Continue) => self.pass(&record, passed),
                    Some(Screened::NewHello) => {
                        verdict = Screened::NewHello;
                        passed.clear();
                        self.pass(&record, passed);
                    }
                    None => {}
                },
                CHANGE_CIPHER_SPEC if record.body == [1] => self.pass(&record, passed),
                ALERT => self.note_alert(now, record.body),
                _ => {}
            }
        }
        verdict
    }

    /// Return the alert that the peer sent in the clear, once it was silent for long after.
    pub(super) fn alert(&self, now: Time) -> Option<u8> {
        let alert = self.alert?;
        (now.since(alert.at) >= BELIEVE_ALERT_AFTER).then_some(alert.description)
    }

    fn pass(&mut self, record: &Record<'_>, passed: &mut Vec<u8>) {
        let start = passed.len();
        passed.extend_from_slice(record.bytes);
        passed[start + EPOCH_AND_NUMBER_AT..][..8]
            .copy_from_slice(&self.records_passed.to_be_bytes());
        self.records_passed += 1;
    }

    /// Decide by the random which handshake the messages in `body` belong to. A client that went
    /// on with the present handshake is not disturbed by another hello (CVE-2023-51275).
    fn place(&mut self, role: Role, body: &[u8]) -> Option<Screened> {
        self.alert = None;
        if role == Role::Client {
            return Some(Screened::Continue);
        }
        let mut verdict = Screened::Continue;
        for fragment in Fragments(body).flatten() {
            if fragment.kind != CLIENT_HELLO {
                self.client_answered = true;
                continue;
            }
            let Some(random) = fragment.hello_random() else {
                continue;
            };
            if self.hello.is_some_and(|known| known != random) {
                if self.client_answered {
                    return None;
                }
                verdict = Screened::NewHello;
            }
            self.hello = Some(random);
        }
        Some(verdict)
    }

    fn note_alert(&mut self, now: Time, body: &[u8]) {
        const FATAL: u8 = 2;
        const CLOSE_NOTIFY: u8 = 0;
        if let &[level, description] = body
            && (level == FATAL || description == CLOSE_NOTIFY)
        {
            self.alert = Some(Alert {
                description,
                at: now,
            });
        }
    }
}

/// Say whether every fragment in `body` is one that `role` may receive in the clear.
fn is_sound(role: Role, body: &[u8]) -> bool {
    !body.is_empty()
        && Fragments(body).all(|fragment| match (fragment, role) {
            (None, _) => false,
            (Some(fragment), Role::Client) => FROM_SERVER.contains(&fragment.kind),
            // The library wants no cookie, so a hello is the first message and nothing else is.
            (Some(fragment), Role::Server) => {
                FROM_CLIENT.contains(&fragment.kind)
                    && (fragment.kind == CLIENT_HELLO) == (fragment.sequence == 0)
            }
        })
}

/// A record with all its bytes there (RFC 6347 section 4.1).
struct Record<'a> {
    kind: u8,
    epoch: u16,
    bytes: &'a [u8],
    body: &'a [u8],
}

/// The records of a datagram, up to the first broken one.
struct Records<'a>(&'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Record<'a>> {
        let &[kind, major, _, e0, e1, _, _, _, _, _, _, l0, l1] =
            self.0.first_chunk::<RECORD_HEADER_LEN>()?;
        let len = RECORD_HEADER_LEN + usize::from(u16::from_be_bytes([l0, l1]));
        let (bytes, rest) = self.0.split_at_checked(len)?;
        if major != VERSION_MAJOR {
            return None;
        }
        self.0 = rest;
        Some(Record {
            kind,
            epoch: u16::from_be_bytes([e0, e1]),
            bytes,
            body: &bytes[RECORD_HEADER_LEN..],
        })
    }
}

/// A piece of a handshake message (RFC 6347 section 4.2.2).
struct Fragment<'a> {
    kind: u8,
    sequence: u16,
    offset: usize,
    body: &'a [u8],
}

impl Fragment<'_> {
    fn hello_random(&self) -> Option<[u8; RANDOM_LEN]> {
        if self.offset != 0 {
            return None;
        }
        self.body.get(RANDOM_AT..)?.first_chunk().copied()
    }
}

/// The fragments of a record; `None` and the end at the first broken one.
struct Fragments<'a>(&'a [u8]);

impl<'a> Iterator for Fragments<'a> {
    type Item = Option<Fragment<'a>>;

    fn next(&mut self) -> Option<Option<Fragment<'a>>> {
        if self.0.is_empty() {
            return None;
        }
        let fragment = split_fragment(self.0);
        self.0 = fragment.as_ref().map_or(&[], |&(_, rest)| rest);
        Some(fragment.map(|(fragment, _)| fragment))
    }
}

fn split_fragment(bytes: &[u8]) -> Option<(Fragment<'_>, &[u8])> {
    let (header, rest) = bytes.split_first_chunk::<FRAGMENT_HEADER_LEN>()?;
    let &[kind, m0, m1, m2, s0, s1, o0, o1, o2, l0, l1, l2] = header;
    let (message_len, offset, len) = (u24(m0, m1, m2), u24(o0, o1, o2), u24(l0, l1, l2));
    if message_len > MAX_MESSAGE_LEN || offset + len > message_len {
        return None;
    }
    let (body, rest) = rest.split_at_checked(len)?;
    let fragment = Fragment {
        kind,
        sequence: u16::from_be_bytes([s0, s1]),
        offset,
        body,
    };
    Some((fragment, rest))
}

fn u24(high: u8, middle: u8, low: u8) -> usize {
    usize::from(high) << 16 | usize::from(middle) << 8 | usize::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let header = [
            kind,
            0xfe,
            0xfd,
            0,
            epoch,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
            body.len() as u8,
        ];
        [&header, body].concat()
    }

    fn hello(random: u8) -> Vec<u8> {
        let mut body = vec![CLIENT_HELLO, 0, 0, 60, 0, 0, 0, 0, 0, 0, 0, 34, 0xfe, 0xfd];
        body.extend([random; RANDOM_LEN]);
        record(HANDSHAKE, 0, &body)
    }

    fn key_exchange() -> Vec<u8> {
        record(HANDSHAKE, 0, &[16, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1, 9])
    }

    fn numbered(mut record: Vec<u8>, number: u8) -> Vec<u8> {
        record[10] = number;
        record
    }

    #[test]
    fn records_in_the_clear_are_counted_anew() {
        let mut guard = Guard::default();
        let mut forged = hello(1);
        forged[5..11].copy_from_slice(&[0xff; 6]);
        assert_eq!(screen(&mut guard, &forged).1, hello(1));
        assert_eq!(screen(&mut guard, &hello(1)).1, numbered(hello(1), 1));
    }

    fn screen(guard: &mut Guard, datagram: &[u8]) -> (Screened, Vec<u8>) {
        let mut passed = Vec::new();
        let verdict = guard.screen(Time::ZERO, Role::Server, true, datagram, &mut passed);
        (verdict, passed)
    }

    #[test]
    fn alerts_data_and_misplaced_messages_stay_out() {
        let mut guard = Guard::default();
        let alert = record(ALERT, 0, &[2, 40]);
        let data = record(23, 0, b"data");
        let finished = record(HANDSHAKE, 0, &[20, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0]);
        let mixed = [alert, data, finished, hello(1), key_exchange()].concat();
        let (verdict, passed) = screen(&mut guard, &mixed);
        assert_eq!(verdict, Screened::Continue);
        assert_eq!(passed, [hello(1), numbered(key_exchange(), 1)].concat());
    }

    #[test]
    fn an_alert_counts_until_the_peer_goes_on() {
        let mut guard = Guard::default();
        screen(&mut guard, &record(ALERT, 0, &[2, 40]));
        assert_eq!(guard.alert(Time::from_millis(999)), None);
        assert_eq!(guard.alert(Time::from_secs(1)), Some(40));
        screen(&mut guard, &hello(1));
        assert_eq!(guard.alert(Time::from_secs(1)), None);
    }

    #[test]
    fn another_hello_starts_over_until_the_client_went_on() {
        let mut guard = Guard::default();
        assert_eq!(screen(&mut guard, &hello(1)).0, Screened::Continue);
        assert_eq!(screen(&mut guard, &hello(1)).0, Screened::Continue);
        assert_eq!(
            screen(&mut guard, &hello(2)),
            (Screened::NewHello, numbered(hello(2), 2))
        );
        screen(&mut guard, &key_exchange());
        assert_eq!(screen(&mut guard, &hello(3)), (Screened::Continue, vec![]));
    }

    #[test]
    fn in_the_clear_nothing_passes_after_the_handshake() {
        let mut passed = Vec::new();
        let protected = record(23, 1, b"sealed");
        let datagram = [hello(1), protected.clone()].concat();
        Guard::default().screen(Time::ZERO, Role::Server, false, &datagram, &mut passed);
        assert_eq!(passed, protected);
    }

    #[test]
    fn a_claim_of_a_huge_message_is_dropped() {
        let mut huge = hello(1);
        huge[RECORD_HEADER_LEN + 1] = 1;
        assert!(screen(&mut Guard::default(), &huge).1.is_empty());
    }

    proptest! {
        #[test]
        fn any_bytes_are_screened(datagram in prop::collection::vec(any::<u8>(), 0..200), role: bool) {
            let role = if role { Role::Server } else { Role::Client };
            let mut passed = Vec::new();
            Guard::default().screen(Time::ZERO, role, true, &datagram, &mut passed);
            prop_assert!(passed.len() <= datagram.len());
        }
    }
}
