//! The bounded table of validated paths, and the one that is sent to.

use std::collections::VecDeque;

use wire::time::Time;

use super::{CONSENT_EXPIRY, IceEvent};
use crate::path::PathId;

/// A peer roams over a few addresses; a table without bound would be memory given away.
const MAX_PATHS: usize = 8;

/// A validated path, with what an agent knows of it beyond that.
#[derive(Debug)]
pub(super) struct Entry<K> {
    pub path: PathId,
    pub last_seen: Time,
    pub known: K,
}

/// Keep the validated paths of one association.
#[derive(Debug)]
pub(super) struct Paths<K = ()> {
    entries: Vec<Entry<K>>,
    selected: Option<PathId>,
    /// Index of the last hit: nearly every packet comes from the same path.
    recent: usize,
    events: VecDeque<IceEvent>,
}

impl<K> Default for Paths<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            selected: None,
            recent: 0,
            events: VecDeque::new(),
        }
    }
}

impl<K: Default> Paths<K> {
    /// Trust a path from now on; where the table is full the one silent for longest makes room.
    pub fn validate(&mut self, now: Time, path: PathId) -> &mut K {
        let position = self.position(&path).unwrap_or_else(|| {
            if self.entries.len() == MAX_PATHS {
                self.retire_most_silent();
            }
            // Most associations have one path for life.
            self.entries.reserve_exact(1);
            self.entries.push(Entry {
                path,
                last_seen: now,
                known: K::default(),
            });
            self.events.push_back(IceEvent::PathValidated(path));
            self.entries.len() - 1
        });
        let entry = &mut self.entries[position];
        entry.last_seen = now;
        &mut entry.known
    }
}

impl<K> Paths<K> {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn contains(&self, path: &PathId) -> bool {
        let recent = self.entries.get(self.recent);
        recent.is_some_and(|entry| entry.path == *path) || self.position(path).is_some()
    }

    pub fn get(&self, path: &PathId) -> Option<&Entry<K>> {
        self.entries.iter().find(|entry| entry.path == *path)
    }

    pub fn get_mut(&mut self, path: &PathId) -> Option<&mut K> {
        let position = self.position(path)?;
        Some(&mut self.entries[position].known)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry<K>> {
        self.entries.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<K>> {
        self.entries.iter_mut()
    }

    /// Note an authenticated packet from a path; return what is known of it.
    #[inline]
    pub fn touch(&mut self, now: Time, path: &PathId) -> Option<&mut K> {
        let hit = self.entries.get(self.recent);
        if hit.is_none_or(|entry| entry.path != *path) {
            self.recent = self.position(path)?;
        }
        let entry = self.entries.get_mut(self.recent)?;
        entry.last_seen = now;
        Some(&mut entry.known)
    }

    /// The path to send to.
    pub fn selected(&self) -> Option<PathId> {
        self.selected
    }

    /// Send to a validated path from now on.
    pub fn select(&mut self, path: PathId) {
        if self.selected != Some(path) {
            self.selected = Some(path);
            self.events.push_back(IceEvent::PathSelected(path));
        }
    }

    pub fn retire(&mut self, path: &PathId) {
        self.retire_where(|entry| entry.path == *path);
    }

    pub fn retire_all(&mut self) {
        self.retire_where(|_| true);
    }

    /// Retire the paths that were silent for [`CONSENT_EXPIRY`].
    pub fn expire(&mut self, now: Time) {
        self.retire_where(|entry| now.since(entry.last_seen) >= CONSENT_EXPIRY);
    }

    /// When the next path expires, if it stays silent.
    pub fn next_expiry(&self) -> Option<Time> {
        let oldest = self.entries.iter().map(|entry| entry.last_seen).min()?;
        Some(oldest + CONSENT_EXPIRY)
    }

    pub fn report(&mut self, event: IceEvent) {
        self.events.push_back(event);
    }

    pub fn poll_event(&mut self) -> Option<IceEvent> {
        self.events.pop_front()
    }

    fn position(&self, path: &PathId) -> Option<usize> {
        self.entries.iter().position(|entry| entry.path == *path)
    }

    fn retire_most_silent(&mut self) {
        let selected = self.selected;
        let others = self
            .entries
            .iter()
            .filter(|entry| Some(entry.path) != selected);
        if let Some(path) = others.min_by_key(|entry| entry.last_seen).map(|e| e.path) {
            self.retire(&path);
        }
    }

    fn retire_where(&mut self, given_up: impl Fn(&Entry<K>) -> bool) {
        let Self {
            entries,
            selected,
            events,
            ..
        } = self;
        entries.retain(|entry| {
            let given_up = given_up(entry);
            if given_up {
                events.push_back(IceEvent::PathRetired(entry.path));
                selected.take_if(|path| *path == entry.path);
            }
            !given_up
        });
    }
}
