//! Which room and transport a datagram, and which room a command is for.

use rtc::ice::{is_response, username_ufrag};
use rtc::path::PathId;
use rustc_hash::FxHashMap;
use wire::rtp::{Kind, demux};

use crate::context::{EntityId, Route};
use crate::keys::{RoomKey, TransportKey};

/// A transport, and its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransportRef {
    /// The room.
    pub room: RoomKey,
    /// The transport there.
    pub transport: TransportKey,
}

/// From identifiers, paths and username fragments to rooms and their transports.
#[derive(Debug, Default)]
pub struct Routes {
    entities: FxHashMap<EntityId, RoomKey>,
    paths: FxHashMap<PathId, TransportRef>,
    ufrags: FxHashMap<String, TransportRef>,
}

impl Routes {
    /// Return the room of an entity.
    #[must_use]
    pub fn room_of(&self, entity: EntityId) -> Option<RoomKey> {
        self.entities.get(&entity).copied()
    }

    /// Return the transport that a path belongs to.
    #[inline]
    #[must_use]
    pub fn by_path(&self, path: &PathId) -> Option<TransportRef> {
        self.paths.get(path).copied()
    }

    /// Return the transport of a datagram: by username for Binding requests, by path for all else.
    #[inline]
    #[must_use]
    pub fn find(&self, path: &PathId, datagram: &[u8]) -> Option<TransportRef> {
        if demux(datagram) != Kind::Stun || is_response(datagram) {
            return self.by_path(path);
        }
        let named = username_ufrag(datagram).and_then(|ufrag| self.ufrags.get(ufrag));
        named.copied()
    }

    /// Have commands about an entity passed to a room.
    pub fn add_entity(&mut self, entity: EntityId, room: RoomKey) {
        self.entities.insert(entity, room);
    }

    /// Change a route as a room requests; return the path and the transport that it was taken from.
    pub fn change(&mut self, room: RoomKey, route: Route) -> Option<(PathId, TransportRef)> {
        match route {
            Route::AddPath(path, transport) => {
                let found = TransportRef { room, transport };
                let before = self.paths.insert(path, found);
                return before.filter(|it| *it != found).map(|it| (path, it));
            }
            // The path may have moved to another transport meanwhile.
            Route::RemovePath(path, transport) => {
                if self.by_path(&path) == Some(TransportRef { room, transport }) {
                    self.paths.remove(&path);
                }
            }
            Route::AddUfrag(ufrag, transport) => {
                self.ufrags.insert(ufrag, TransportRef { room, transport });
            }
            Route::RemoveUfrag(ufrag) => {
                self.ufrags.remove(&ufrag);
            }
            Route::AddEntity(entity) => self.add_entity(entity, room),
            Route::RemoveEntity(entity) => {
                self.entities.remove(&entity);
            }
        }
        None
    }

    /// Remove all routes to a room.
    pub fn forget(&mut self, room: RoomKey) {
        self.entities.retain(|_, owner| *owner != room);
        self.paths.retain(|_, found| found.room != room);
        self.ufrags.retain(|_, found| found.room != room);
    }

    /// Return the number of routes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entities.len() + self.paths.len() + self.ufrags.len()
    }
}
