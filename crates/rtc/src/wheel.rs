//! Timers: a hashed wheel, so that setting and firing cost the same however many there are.
//!
//! There is no cancelling. Whoever set a timer checks, when it fires, whether it still means
//! anything; that is cheaper than finding it again.

use std::time::Duration;

use wire::time::Time;

const TICK_NANOS: u64 = 500_000;
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;

/// Timers that name something by a key.
#[derive(Debug)]
pub struct Wheel<K> {
    slots: Vec<Vec<(Time, K)>>,
    /// One bit for each slot that holds anything.
    occupied: [u64; WORDS],
    /// Every tick below has been fired.
    tick: u64,
}

impl<K: Copy> Wheel<K> {
    /// Make a wheel that stands at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            slots: (0..SLOTS).map(|_| Vec::new()).collect(),
            occupied: [0; WORDS],
            tick: now.as_nanos() / TICK_NANOS,
        }
    }

    /// Fire `key` at `at`, up to one tick of half a millisecond later.
    pub fn set(&mut self, at: Time, key: K) {
        let tick = at.as_nanos().div_ceil(TICK_NANOS).max(self.tick);
        let slot = tick as usize % SLOTS;
        self.slots[slot].push((at, key));
        self.occupied[slot / 64] |= 1 << (slot % 64);
    }

    /// Count the timers that are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.iter().map(Vec::len).sum()
    }

    /// Say whether no timer is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.occupied == [0; WORDS]
    }

    /// Append the keys that are due to `fired`.
    pub fn fire(&mut self, now: Time, fired: &mut Vec<K>) {
        let last = now.as_nanos() / TICK_NANOS;
        let laps_over = last.saturating_sub(self.tick) >= SLOTS as u64;
        let steps = if laps_over {
            SLOTS as u64
        } else {
            (last + 1).saturating_sub(self.tick)
        };
        for step in 0..steps {
            let slot = (self.tick + step) as usize % SLOTS;
            if self.occupied[slot / 64] & (1 << (slot % 64)) != 0 {
                self.fire_slot(slot, now, fired);
            }
        }
        self.tick = self.tick.max(last + 1);
    }

    /// Return when the next timer may be due; never later than it is.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        let first = self.tick as usize % SLOTS;
        let mut ahead = 0;
        while ahead < SLOTS {
            let slot = (first + ahead) % SLOTS;
            let rest = self.occupied[slot / 64] >> (slot % 64);
            if rest == 0 {
                ahead += 64 - slot % 64;
                continue;
            }
            let tick = self.tick + (ahead + rest.trailing_zeros() as usize) as u64;
            return Some(Time::from_nanos(tick * TICK_NANOS));
        }
        None
    }

    /// Timers of later laps share the slot and stay.
    fn fire_slot(&mut self, slot: usize, now: Time, fired: &mut Vec<K>) {
        let timers = &mut self.slots[slot];
        timers.retain(|(at, key)| {
            let due = *at <= now;
            if due {
                fired.push(*key);
            }
            !due
        });
        if timers.is_empty() {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }
}

/// Longest time that a caller should sleep even where no timer is set.
pub const LONGEST_SLEEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fires_in_time_over_several_laps() {
        let mut wheel = Wheel::new(Time::ZERO);
        wheel.set(Time::from_millis(5_000), 'b');
        wheel.set(Time::from_millis(10), 'a');
        let mut fired = Vec::new();
        wheel.fire(Time::from_millis(9), &mut fired);
        assert!(fired.is_empty());
        wheel.fire(Time::from_millis(11), &mut fired);
        assert_eq!(fired, ['a']);
        wheel.fire(Time::from_millis(4_999), &mut fired);
        assert_eq!(fired, ['a']);
        wheel.fire(Time::from_millis(5_001), &mut fired);
        assert_eq!(fired, ['a', 'b']);
        assert_eq!(wheel.next(), None);
    }

    proptest! {
        #[test]
        fn loses_none_and_fires_none_early(
            timers in prop::collection::vec(0u64..20_000, 1..100),
            steps in prop::collection::vec(1u64..3_000, 1..40),
        ) {
            let mut wheel = Wheel::new(Time::ZERO);
            for at in &timers {
                wheel.set(Time::from_millis(*at), *at);
            }
            let (mut now, mut all) = (0, Vec::new());
            for step in steps {
                if let Some(next) = wheel.next() {
                    let earliest = timers.iter().filter(|at| !all.contains(*at)).min();
                    prop_assert!(next <= Time::from_millis(earliest.copied().unwrap_or(u64::MAX / 2_000_000)) + Duration::from_millis(1));
                }
                now += step;
                let mut fired = Vec::new();
                wheel.fire(Time::from_millis(now), &mut fired);
                prop_assert!(fired.iter().all(|at| *at <= now));
                all.extend(fired);
                let missed = timers.iter().filter(|at| **at < now && !all.contains(*at)).count();
                prop_assert_eq!(missed, 0);
            }
        }
    }
}
