//! Interarrival jitter (RFC 3550 section 6.4.1 and appendix A.8).

use core::time::Duration;
use wire::time::Time;

/// A transit that differs by more is a new timeline, not jitter.
const MAX_DIFFERENCE: Duration = Duration::from_secs(5);

/// Jitter estimate of one stream.
#[derive(Clone, Copy, Debug)]
pub struct Jitter {
    clock_rate: u32,
    /// Arrival minus RTP timestamp of the last packet, RTP units.
    transit: Option<u32>,
    /// Sixteen times the estimate, RTP units.
    scaled: u32,
}

impl Jitter {
    /// Start without an estimate; `clock_rate` is in Hz.
    pub fn new(clock_rate: u32) -> Jitter {
        Jitter {
            clock_rate,
            transit: None,
            scaled: 0,
        }
    }

    /// Update with one packet, in order of arrival.
    pub fn receive(&mut self, timestamp: u32, arrival: Time) {
        let transit = self.rtp_units(arrival).wrapping_sub(timestamp);
        let Some(last) = self.transit.replace(transit) else {
            return;
        };
        let difference = (transit.wrapping_sub(last) as i32).unsigned_abs();
        if u64::from(difference) > MAX_DIFFERENCE.as_secs() * u64::from(self.clock_rate) {
            return;
        }
        self.scaled = self.scaled + difference - ((self.scaled + 8) >> 4);
    }

    /// Return the estimate, RTP units.
    pub fn rtp(&self) -> u32 {
        self.scaled >> 4
    }

    /// Return the estimate as a duration.
    pub fn span(&self) -> Duration {
        let nanos = u64::from(self.rtp()) * 1_000_000_000;
        Duration::from_nanos(nanos / u64::from(self.clock_rate.max(1)))
    }

    fn rtp_units(&self, arrival: Time) -> u32 {
        let nanos = u128::from(arrival.as_nanos()) * u128::from(self.clock_rate);
        (nanos / 1_000_000_000) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets 20 ms apart on the sender's side, `late_ms` later on ours.
    fn after(late_ms: &[u64]) -> Jitter {
        let mut jitter = Jitter::new(48_000);
        for (nth, late) in (0_u32..).zip(late_ms) {
            let arrival = Time::from_millis(1000 + u64::from(nth) * 20 + late);
            jitter.receive(nth * 960, arrival);
        }
        jitter
    }

    #[test]
    fn an_even_stream_has_none() {
        assert_eq!(after(&[3; 50]).rtp(), 0);
    }

    #[test]
    fn one_late_packet_counts_a_sixteenth() {
        // 8 ms are 384 units, a sixteenth of them 24.
        assert_eq!(after(&[0, 8]).rtp(), 24);
        assert_eq!(after(&[0, 8]).span(), Duration::from_micros(500));
    }

    #[test]
    fn alternating_delay_converges_to_its_size() {
        let late: Vec<u64> = (0..400).map(|nth| nth % 2 * 10).collect();
        assert!(after(&late).rtp().abs_diff(480) <= 8);
    }

    #[test]
    fn a_new_timeline_is_no_jitter() {
        let mut jitter = after(&[0; 4]);
        jitter.receive(3_000_000_000, Time::from_millis(1080));
        jitter.receive(3_000_000_960, Time::from_millis(1100));
        assert_eq!(jitter.rtp(), 0);
    }
}
