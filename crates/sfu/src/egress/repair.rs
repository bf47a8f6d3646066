//! The retransmission stream of a subscription and its limits: a NACK of a hundred bytes may
//! request half a megabyte.

use std::time::Duration;

use rtc::srtp::SealStream;
use wire::id::Ssrc;
use wire::time::Time;

use super::template::Template;

/// The retransmission stream of a subscription (RFC 4588).
#[derive(Debug)]
pub struct Repair {
    /// Header of its packets.
    pub template: Template,
    /// SSRC of its packets.
    pub ssrc: Ssrc,
    /// SRTP state, once the transport has keys.
    pub stream: Option<SealStream>,
    /// Index of the next retransmission.
    pub next_index: u64,
    /// When packets were resent last.
    pub resent: Resent,
    /// Bytes that may be resent.
    pub allowance: Allowance,
}

/// When each of the last packets was resent.
#[derive(Debug, Default)]
pub struct Resent {
    /// By index modulo length: outgoing index and instant. Grows to its full length with the first
    /// NACK.
    last: Vec<(u64, Time)>,
}

impl Resent {
    /// The full packets that a history holds by default; not less than may wait to be resent.
    pub const REMEMBERED: usize = 512;

    /// Return whether a packet may be resent now: not less than `spacing` after the last time.
    pub fn allows(&mut self, now: Time, index: u64, spacing: Duration) -> bool {
        if self.last.is_empty() {
            self.last.resize(Self::REMEMBERED, (u64::MAX, Time::ZERO));
        }
        let last = &mut self.last[index as usize % Self::REMEMBERED];
        let allowed = last.0 != index || now.since(last.1) >= spacing;
        if allowed {
            *last = (index, now);
        }
        allowed
    }
}

/// Bytes that may be resent: in the long run as many as the media itself has, with a burst that
/// covers a short outage.
#[derive(Debug, Default)]
pub struct Allowance {
    bytes: u64,
    filled: Time,
}

impl Allowance {
    /// Media of a lower rate is repaired as if it had this one, bit/s.
    const MIN_BPS: u64 = 500_000;
    /// The longest outage that is repaired as a whole.
    const OUTAGE: Duration = Duration::from_secs(1);

    /// Return whether `len` bytes may be resent beside media of `media_bps`; they then count.
    pub fn take(&mut self, now: Time, media_bps: u64, len: usize) -> bool {
        let bytes_in = |span: Duration| {
            let nanos = u128::from(media_bps.max(Self::MIN_BPS)) * span.as_nanos();
            (nanos / 8_000_000_000) as u64
        };
        let elapsed = now.since(self.filled).min(Self::OUTAGE);
        self.filled = now;
        self.bytes = (self.bytes + bytes_in(elapsed)).min(bytes_in(Self::OUTAGE));
        let left = self.bytes.checked_sub(len as u64);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_resent_once_in_a_round_trip() {
        let (mut resent, spacing) = (Resent::default(), Duration::from_millis(40));
        let at = |ms: u64| Time::from_millis(1_000 + ms);
        assert!(resent.allows(at(0), 7, spacing));
        for other in 8..7 + Resent::REMEMBERED as u64 {
            assert!(resent.allows(at(1), other, spacing));
        }
        assert!(!resent.allows(at(39), 7, spacing));
        assert!(resent.allows(at(40), 7, spacing));
    }

    #[test]
    fn the_rate_is_that_of_the_media_with_a_burst_of_one_outage() {
        let mut allowance = Allowance::default();
        let mut taken = |ms: u64| {
            let at = Time::from_millis(10_000 + ms);
            (0..1_000)
                .filter(|_| allowance.take(at, 1_600_000, 1_000))
                .count()
        };
        assert_eq!(taken(0), 200);
        assert_eq!(taken(100), 20);
        assert_eq!(taken(5_000), 200);
    }
}
