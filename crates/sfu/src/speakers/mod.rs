//! Active speakers of a room, from the audio levels of its participants (RFC 6464). Pure, on
//! virtual time.
//!
//! 1. [`level`]: the levels of each participant are smoothed, with an attack of 200 ms and a
//!    release of one second.
//! 2. A participant speaks once two updates in a row had a level above a threshold, and until one
//!    second after the last one: a click starts nothing, and pauses between words end nothing.
//! 3. The list of active speakers has the dominant one first, then the others in the order in which
//!    they began. Another participant becomes the dominant speaker where it is louder by a margin.
//!    The list changes no sooner than 500 ms after its last change.
//! 4. Participants are ranked by when they were last in the list (last-N).

pub mod level;

use std::collections::hash_map::Entry;
use std::hash::Hash;
use std::time::Duration;

use rustc_hash::FxHashMap;
use wire::time::Time;

use level::{Heard, Smoothed};

/// A level above this is speech, dB above silence: -50 dBov.
const SPEECH_DB: f32 = 77.0;
/// Updates in which a level is above that until it counts.
const UPDATES_UNTIL_SPEECH: u8 = 2;
/// A speaker whose level is below it for this long has ended.
const RELEASE: Duration = Duration::from_secs(1);
/// Shortest time between two changes of the list.
pub const MIN_CHANGE_INTERVAL: Duration = Duration::from_millis(500);
/// How much louder another speaker has to be to become the dominant one.
const MARGIN_DB: f32 = 6.0;
/// Most active speakers.
pub const MOST_ACTIVE: usize = 8;
/// Most participants that are ranked; all others rank below, as if they had never spoken.
pub const MOST_RANKED: usize = 64;

/// A participant whose levels arrive.
#[derive(Clone, Copy, Debug)]
struct Talker {
    level: Smoothed,
    /// Updates in a row in which the level was that of speech.
    loud_updates: u8,
    /// When it was so last, once that has lasted.
    spoke: Option<Time>,
    /// Number of the update in which it was heard last.
    updated: u64,
    /// Counts participants, so that equal levels have an order.
    number: u64,
}

/// The active speakers of a room, and who spoke before them.
#[derive(Clone, Debug)]
pub struct Speakers<K> {
    talkers: FxHashMap<K, Talker>,
    /// The active speakers, the dominant one first.
    active: Vec<K>,
    /// All who have spoken, the latest first.
    recent: Vec<K>,
    /// The list that is due, kept for its memory.
    next: Vec<K>,
    changed: Option<Time>,
    updates: u64,
    numbers: u64,
}

impl<K> Default for Speakers<K> {
    fn default() -> Self {
        Self {
            talkers: FxHashMap::default(),
            active: Vec::new(),
            recent: Vec::new(),
            next: Vec::new(),
            changed: None,
            updates: 0,
            numbers: 0,
        }
    }
}

impl<K: Copy + Eq + Hash> Speakers<K> {
    /// Take the loudest level of each participant since the last update; return whether the list
    /// has changed. Participants that are missing have left.
    pub fn update(&mut self, now: Time, heard: impl IntoIterator<Item = (K, Heard)>) -> bool {
        self.updates += 1;
        for (key, heard) in heard {
            self.hear(now, key, heard);
        }
        let updates = self.updates;
        self.talkers.retain(|_, it| it.updated == updates);
        let talkers = &self.talkers;
        self.recent.retain(|key| talkers.contains_key(key));
        self.select(now);
        let is_early = |changed| now.since(changed) < MIN_CHANGE_INTERVAL;
        if self.next == self.active || self.changed.is_some_and(is_early) {
            return false;
        }
        std::mem::swap(&mut self.active, &mut self.next);
        self.changed = Some(now);
        self.rank();
        true
    }

    /// Return the active speakers, the dominant one first.
    #[must_use]
    pub fn active(&self) -> &[K] {
        &self.active
    }

    /// Return the smoothed level of a participant, dBov: 0 is the loudest, -127 silence.
    #[must_use]
    pub fn level_dbov(&self, key: &K) -> Option<i8> {
        self.talkers.get(key).map(|it| it.level.dbov())
    }

    /// Return the rank of a participant by when it spoke last: 0 the dominant speaker or the last
    /// one; `None`: it has not spoken.
    #[must_use]
    pub fn rank_of(&self, key: &K) -> Option<usize> {
        self.recent.iter().position(|other| other == key)
    }

    /// Return whether levels of participants are known.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.talkers.is_empty() && self.active.is_empty()
    }

    fn hear(&mut self, now: Time, key: K, heard: Heard) {
        let talker = match self.talkers.entry(key) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                self.numbers += 1;
                entry.insert(Talker {
                    level: Smoothed::silent(now),
                    loud_updates: 0,
                    spoke: None,
                    updated: 0,
                    number: self.numbers,
                })
            }
        };
        talker.updated = self.updates;
        if talker.level.update(now, heard) < SPEECH_DB {
            talker.loud_updates = 0;
            return;
        }
        talker.loud_updates = talker.loud_updates.saturating_add(1);
        if talker.loud_updates >= UPDATES_UNTIL_SPEECH {
            talker.spoke = Some(now);
        }
    }

    /// Write the list that is due into `next`.
    fn select(&mut self, now: Time) {
        let Self {
            talkers,
            active,
            next,
            ..
        } = self;
        let speaks = |key: &K| {
            let spoke = talkers.get(key).and_then(|it| it.spoke);
            spoke.is_some_and(|spoke| now.since(spoke) <= RELEASE)
        };
        let loudness = |key: &K| talkers.get(key).map_or(0.0, |it| it.level.db());
        let dominant = active.first().copied();
        let score = |key: &K| match Some(*key) == dominant {
            true => loudness(key) + MARGIN_DB,
            false => loudness(key),
        };
        next.clear();
        next.extend(active.iter().copied().filter(speaks));
        let present = next.len();
        let fresh = talkers.keys().filter(|key| !active.contains(key));
        next.extend(fresh.copied().filter(speaks));
        let number = |key: &K| talkers.get(key).map(|it| it.number);
        next[present..].sort_by_key(number);
        // The dominant one first; the others keep their order.
        let louder = |one: &K, other: &K| score(one).total_cmp(&score(other));
        let loudest = (0..next.len()).rev();
        if let Some(at) = loudest.max_by(|one, other| louder(&next[*one], &next[*other])) {
            next[..=at].rotate_right(1);
        }
        next.truncate(MOST_ACTIVE);
    }

    /// Move the active speakers to the front of the ranking.
    fn rank(&mut self) {
        let Self { active, recent, .. } = self;
        recent.retain(|key| !active.contains(key));
        recent.splice(0..0, active.iter().copied());
        recent.truncate(MOST_RANKED);
    }
}

#[cfg(test)]
mod tests;
