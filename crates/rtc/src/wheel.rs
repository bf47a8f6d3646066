//! Timers: a hashed timing wheel, with constant cost per timer set and fired.
//!
//! Timers are not cancelled. The owner of a timer checks, when it fires, whether it still applies;
//! that is cheaper than a search.

use std::time::Duration;

use wire::time::Time;

const TICK_NANOS: u64 = 500_000;
const SLOTS: usize = 4096;
const WORDS: usize = SLOTS / 64;

/// No timer: the end of a slot's list.
const NONE: u32 = u32::MAX;

/// Timers with a key each.
///
/// The timers of all slots are in one table that grows to the maximum number of timers: the slots
/// themselves never allocate.
#[derive(Debug)]
pub struct Wheel<K> {
    /// The newest timer of each slot.
    slots: Box<[u32]>,
    /// One bit for each slot that holds anything.
    occupied: [u64; WORDS],
    timers: Vec<Timer<K>>,
    /// The first of the table's free places.
    free: u32,
    len: usize,
    /// Every tick below has been fired.
    tick: u64,
}

#[derive(Clone, Copy, Debug)]
struct Timer<K> {
    at: Time,
    key: K,
    /// The next older timer of the slot, or the next free place.
    next: u32,
}

impl<K: Copy> Wheel<K> {
    /// Create a wheel that starts at `now`.
    #[must_use]
    pub fn new(now: Time) -> Self {
        Self {
            slots: vec![NONE; SLOTS].into_boxed_slice(),
            occupied: [0; WORDS],
            timers: Vec::new(),
            free: NONE,
            len: 0,
            tick: now.as_nanos() / TICK_NANOS,
        }
    }

    /// Fire `key` at `at`, up to one tick of half a millisecond later.
    pub fn set(&mut self, at: Time, key: K) {
        let tick = at.as_nanos().div_ceil(TICK_NANOS).max(self.tick);
        let slot = tick as usize % SLOTS;
        let next = self.slots[slot];
        self.slots[slot] = self.place(Timer { at, key, next });
        self.occupied[slot / 64] |= 1 << (slot % 64);
        self.len += 1;
    }

    /// Return the number of timers set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Return whether no timer is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
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
        let first_fired = fired.len();
        let (mut at, mut kept) = (std::mem::replace(&mut self.slots[slot], NONE), NONE);
        while at != NONE {
            let timer = self.timers[at as usize];
            if timer.at <= now {
                fired.push(timer.key);
                self.timers[at as usize].next = std::mem::replace(&mut self.free, at);
                self.len -= 1;
            } else {
                self.timers[at as usize].next = NONE;
                match kept {
                    NONE => self.slots[slot] = at,
                    kept => self.timers[kept as usize].next = at,
                }
                kept = at;
            }
            at = timer.next;
        }
        // The list has the newest first.
        fired[first_fired..].reverse();
        if kept == NONE {
            self.occupied[slot / 64] &= !(1 << (slot % 64));
        }
    }

    fn place(&mut self, timer: Timer<K>) -> u32 {
        let place = self.free;
        if let Some(free) = self.timers.get_mut(place as usize) {
            self.free = free.next;
            *free = timer;
            return place;
        }
        self.timers.push(timer);
        (self.timers.len() - 1) as u32
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
