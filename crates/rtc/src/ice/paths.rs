//! The bounded table of validated paths, and the selected path.

use std::collections::VecDeque;

use wire::time::Time;

use super::{CONSENT_EXPIRY, IceEvent};
use crate::path::PathId;

/// Validated paths of one association: a peer roams over a few addresses only.
const MAX_PATHS: usize = 8;

/// A validated path, with further state of the agent.
#[derive(Debug)]
pub(super) struct Entry<K> {
    pub path: PathId,
    pub last_seen: Time,
    pub state: K,
}

/// The validated paths of one association.
#[derive(Debug)]
pub(super) struct Paths<K = ()> {
    entries: Vec<Entry<K>>,
    selected: Option<PathId>,
    /// Index of the last hit: nearly every packet comes from the same path.
    last_hit: usize,
    events: VecDeque<IceEvent>,
}

impl<K> Default for Paths<K> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            selected: None,
            last_hit: 0,
            events: VecDeque::new(),
        }
    }
}

impl<K: Default> Paths<K> {
    /// Add a validated path; a full table drops the path without packets for longest.
    pub fn validate(&mut self, now: Time, path: PathId) -> &mut K {
        let position = self.position(&path).unwrap_or_else(|| {
            if self.entries.len() == MAX_PATHS {
                self.retire_least_recent();
            }
            // Most associations have only one path.
            self.entries.reserve_exact(1);
            self.entries.push(Entry {
                path,
                last_seen: now,
                state: K::default(),
            });
            self.events.push_back(IceEvent::PathValidated(path));
            self.entries.len() - 1
        });
        let entry = &mut self.entries[position];
        entry.last_seen = now;
        &mut entry.state
    }
}

impl<K> Paths<K> {
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn contains(&self, path: &PathId) -> bool {
        let last_hit = self.entries.get(self.last_hit);
        last_hit.is_some_and(|entry| entry.path == *path) || self.position(path).is_some()
    }

    pub fn get(&self, path: &PathId) -> Option<&Entry<K>> {
        self.entries.iter().find(|entry| entry.path == *path)
    }

    pub fn get_mut(&mut self, path: &PathId) -> Option<&mut K> {
        let position = self.position(path)?;
        Some(&mut self.entries[position].state)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Entry<K>> {
        self.entries.iter()
    }

    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Entry<K>> {
        self.entries.iter_mut()
    }

    /// Record an authenticated packet from a path; return its state.
    #[inline]
    pub fn touch(&mut self, now: Time, path: &PathId) -> Option<&mut K> {
        let hit = self.entries.get(self.last_hit);
        if hit.is_none_or(|entry| entry.path != *path) {
            self.last_hit = self.position(path)?;
        }
        let entry = self.entries.get_mut(self.last_hit)?;
        entry.last_seen = now;
        Some(&mut entry.state)
    }

    /// Return the path to send to.
    pub fn selected(&self) -> Option<PathId> {
        self.selected
    }

    /// Select a validated path.
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

    /// Retire the paths without a packet for [`CONSENT_EXPIRY`].
    pub fn expire(&mut self, now: Time) {
        self.retire_where(|entry| now.since(entry.last_seen) >= CONSENT_EXPIRY);
    }

    /// Return when the next path expires, without further packets.
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

    fn retire_least_recent(&mut self) {
        let selected = self.selected;
        let others = self
            .entries
            .iter()
            .filter(|entry| Some(entry.path) != selected);
        if let Some(path) = others.min_by_key(|entry| entry.last_seen).map(|e| e.path) {
            self.retire(&path);
        }
    }

    fn retire_where(&mut self, is_retired: impl Fn(&Entry<K>) -> bool) {
        let Self {
            entries,
            selected,
            events,
            ..
        } = self;
        entries.retain(|entry| {
            let is_retired = is_retired(entry);
            if is_retired {
                events.push_back(IceEvent::PathRetired(entry.path));
                selected.take_if(|path| *path == entry.path);
            }
            !is_retired
        });
    }
}
