//! Inter-group delay variation: how much longer one group of packets took than the one before.
//!
//! draft-ietf-rmcat-gcc-02 section 4.2 and libwebrtc's `InterArrivalDelta`. A round of sending has
//! one send time and is one group; libwebrtc's test (more than 5 ms apart) would merge rounds that
//! follow each other after 5 ms.

/// Packets whose send times are further apart than this belong to different groups.
const GROUP_US: u64 = 4_000;
/// Groups that arrive within this, faster than they were sent, were held up together on the way and
/// are one group: a burst.
const BURST_GAP_US: i64 = 5_000;
/// Longest burst.
const BURST_US: i64 = 100_000;
/// Receiver's and our own clock do not drift apart like this: the receiver's clock was set.
const CLOCK_JUMP_US: i64 = 3_000_000;

/// Delay of one group beside the group before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Variation {
    /// Between the send times, ms.
    pub sent_ms: f64,
    /// Between the arrivals, ms; negative after reordering.
    pub arrived_ms: f64,
    /// Arrival of the last group by the receiver's clock, ms.
    pub at_ms: f64,
}

#[derive(Clone, Copy, Debug)]
struct Group {
    first_sent_us: u64,
    last_sent_us: u64,
    first_arrived_us: i64,
    last_arrived_us: i64,
}

/// The last two groups of a transport.
#[derive(Debug, Default)]
pub struct Groups {
    complete: Option<Group>,
    open: Option<Group>,
}

impl Groups {
    /// Add a received packet; the first packet of a group completes the group before.
    pub fn add(&mut self, sent_us: u64, arrived_us: i64) -> Option<Variation> {
        let Some(open) = self.open.as_mut() else {
            self.open = Some(Group::new(sent_us, arrived_us));
            return None;
        };
        if sent_us < open.first_sent_us {
            return None;
        }
        if open.takes(sent_us, arrived_us) {
            open.last_sent_us = open.last_sent_us.max(sent_us);
            open.last_arrived_us = open.last_arrived_us.max(arrived_us);
            return None;
        }
        let open = *open;
        let complete = self.complete.replace(open);
        self.open = Some(Group::new(sent_us, arrived_us));
        let variation = Variation::between(complete?, open);
        if variation.is_none() {
            *self = Self::default();
        }
        variation
    }
}

impl Group {
    fn new(sent_us: u64, arrived_us: i64) -> Self {
        Self {
            first_sent_us: sent_us,
            last_sent_us: sent_us,
            first_arrived_us: arrived_us,
            last_arrived_us: arrived_us,
        }
    }

    fn takes(&self, sent_us: u64, arrived_us: i64) -> bool {
        if sent_us - self.first_sent_us <= GROUP_US {
            return true;
        }
        let arrived_after = arrived_us.saturating_sub(self.last_arrived_us);
        let sent_after = sent_us.saturating_sub(self.last_sent_us) as i64;
        arrived_after < sent_after
            && (0..=BURST_GAP_US).contains(&arrived_after)
            && arrived_us.saturating_sub(self.first_arrived_us) < BURST_US
    }
}

impl Variation {
    /// Compare two groups; `None` where the receiver's clock was set between them.
    fn between(before: Group, after: Group) -> Option<Self> {
        let sent_us = after.last_sent_us.saturating_sub(before.last_sent_us) as i64;
        let arrived_us = after.last_arrived_us.checked_sub(before.last_arrived_us)?;
        if arrived_us.checked_sub(sent_us)?.checked_abs()? >= CLOCK_JUMP_US {
            return None;
        }
        Some(Self {
            sent_ms: sent_us as f64 / 1_000.0,
            arrived_ms: arrived_us as f64 / 1_000.0,
            at_ms: after.last_arrived_us as f64 / 1_000.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variations(packets: &[(u64, i64)]) -> Vec<(f64, f64)> {
        let mut groups = Groups::default();
        let ms = |(sent, arrived): &(u64, i64)| groups.add(sent * 1_000, arrived * 1_000);
        let found = packets.iter().filter_map(ms);
        found.map(|it| (it.sent_ms, it.arrived_ms)).collect()
    }

    #[test]
    fn rounds_5_ms_apart_are_groups() {
        let packets = [(0, 100), (0, 102), (5, 107), (10, 115), (15, 125)];
        assert_eq!(variations(&packets), [(5.0, 5.0), (5.0, 8.0)]);
    }

    #[test]
    fn a_burst_of_arrivals_is_one_group() {
        // The link stood still for 60 ms and then delivered four rounds at once.
        let packets = [
            (0, 100),
            (20, 180),
            (40, 181),
            (60, 182),
            (80, 183),
            (100, 200),
            (120, 220),
        ];
        assert_eq!(variations(&packets), [(80.0, 83.0), (20.0, 17.0)]);
    }

    #[test]
    fn a_clock_that_jumps_starts_again() {
        let packets = [
            (0, 100),
            (20, 120),
            (40, 90_000),
            (60, 90_020),
            (80, 90_040),
            (100, 90_060),
        ];
        assert_eq!(variations(&packets), [(20.0, 20.0)]);
        let absurd = [
            (0, i64::MIN / 1_000),
            (20, i64::MAX / 1_000),
            (40, 0),
            (60, 0),
            (80, 5),
        ];
        assert!(variations(&absurd).len() < 3);
    }

    #[test]
    fn an_old_packet_is_ignored() {
        assert_eq!(
            variations(&[(20, 100), (0, 300), (40, 120), (60, 140)]),
            [(20.0, 20.0)]
        );
    }
}
