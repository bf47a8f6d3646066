//! The bounded table of validated paths, and the one that is sent to.

use std::collections::VecDeque;

use wire::time::Time;

use super::{CONSENT_EXPIRY, IceEvent};
use crate::path::PathId;

/// A peer roams over a few addresses; a table without bound would be memory given away.
const MAX_PATHS: usize = 8;

#[derive(Debug)]
struct Entry {
    path: PathId,
    last_seen: Time,
}

/// Keep the validated paths of one association.
#[derive(Debug, Default)]
pub(super) struct Paths {
    entries: Vec<Entry>,
    selected: Option<PathId>,
    /// Index of the last hit: nearly every packet comes from the same path.
    recent: usize,
    events: VecDeque<IceEvent>,
}

impl Paths {
    /// Trust a path from now on; where the table is full the one silent for longest makes room.
    pub fn validate(&mut self, now: Time, path: PathId) {
        if let Some(entry) = self.entries.iter_mut().find(|entry| entry.path == path) {
            entry.last_seen = now;
            return;
        }
        if self.entries.len() == MAX_PATHS {
            self.retire_most_silent();
        }
        self.entries.push(Entry {
            path,
            last_seen: now,
        });
        self.events.push_back(IceEvent::PathValidated(path));
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn contains(&self, path: &PathId) -> bool {
        let recent = self.entries.get(self.recent);
        recent.is_some_and(|entry| entry.path == *path) || self.position(path).is_some()
    }

    /// Note an authenticated packet from a path.
    pub fn touch(&mut self, now: Time, path: &PathId) {
        let hit = self.entries.get(self.recent);
        if hit.is_none_or(|entry| entry.path != *path) {
            let Some(position) = self.position(path) else {
                return;
            };
            self.recent = position;
        }
        if let Some(entry) = self.entries.get_mut(self.recent) {
            entry.last_seen = now;
        }
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
    ///
    /// Where the selected one is among them, the one heard last takes its place: the peer talks to
    /// us there and nowhere else.
    pub fn expire(&mut self, now: Time) {
        self.retire_where(|entry| now.since(entry.last_seen) >= CONSENT_EXPIRY);
        if self.selected.is_none()
            && let Some(heard_last) = self.entries.iter().max_by_key(|entry| entry.last_seen)
        {
            self.select(heard_last.path);
        }
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

    fn retire_where(&mut self, given_up: impl Fn(&Entry) -> bool) {
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
