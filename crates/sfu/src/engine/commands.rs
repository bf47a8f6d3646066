//! Commands of the control plane: each to the room of the entity that it is about.

use wire::time::Time;

use super::Engine;
use crate::context::EntityId;
use crate::message::{Command, CommandError, CommandId, ErrorCode, Event, Request, RoomId};
use crate::room::Room;

impl Engine {
    /// Carry out a command; its completion is among the events.
    pub fn command(&mut self, now: Time, command: Command) {
        let Command { id, request } = command;
        match request {
            Request::OpenRoom { room } => self.open_room(id, room),
            Request::CloseRoom { room } => self.close_room(now, id, room),
            request => self.dispatch(now, id, request),
        }
    }

    fn open_room(&mut self, id: CommandId, room: RoomId) {
        let outcome = self.refuse_duplicate(EntityId::Room(room)).map(|()| {
            let key = self.rooms.insert(Room::new(room));
            self.directory.add_entity(EntityId::Room(room), key);
            None
        });
        self.done(id, outcome);
    }

    fn close_room(&mut self, now: Time, id: CommandId, room: RoomId) {
        let Some(key) = self.directory.room_of(EntityId::Room(room)) else {
            return self.done(id, Err(not_found(EntityId::Room(room))));
        };
        let closed = self.in_room(now, key, |room, context| room.close(context));
        // A room that panics while it closes is dropped as well, with its own event.
        if closed.is_some() {
            self.forget(key);
        }
        self.done(id, Ok(None));
    }

    /// Execute a request in the room that it is about.
    fn dispatch(&mut self, now: Time, id: CommandId, request: Request) {
        let target = target_entity(&request);
        let Some(key) = self.directory.room_of(target) else {
            return self.done(id, Err(not_found(target)));
        };
        if let Some(Err(error)) = created_entity(&request).map(|name| self.refuse_duplicate(name)) {
            return self.done(id, Err(error));
        }
        let outcome = self.in_room(now, key, |room, context| room.execute(context, request));
        let broken = || {
            let message = "the room broke and was dropped";
            Err(CommandError::new(ErrorCode::InternalError, message))
        };
        self.done(id, outcome.unwrap_or_else(broken));
    }

    fn refuse_duplicate(&self, name: EntityId) -> Result<(), CommandError> {
        match self.directory.room_of(name).is_some() {
            true => Err(CommandError::new(
                ErrorCode::Duplicate,
                format!("{name} exists"),
            )),
            false => Ok(()),
        }
    }

    fn done(&mut self, id: CommandId, outcome: Result<Option<serde_json::Value>, CommandError>) {
        let (error, result) = match outcome {
            Ok(result) => (None, result),
            Err(error) => (Some(error), None),
        };
        self.events.push(Event::Done { id, error, result });
    }
}

/// Return the existing entity that a request is about.
fn target_entity(request: &Request) -> EntityId {
    match request {
        Request::OpenRoom { room }
        | Request::CloseRoom { room }
        | Request::OpenTransport { room, .. }
        | Request::SendMessages { room, .. }
        | Request::RoomStats { room } => EntityId::Room(*room),
        Request::SetRemote { transport, .. }
        | Request::SetLastN { transport, .. }
        | Request::SetData { transport, .. }
        | Request::RestartIce { transport, .. }
        | Request::CloseTransport { transport } => EntityId::Transport(*transport),
        Request::Publish(publish) => EntityId::Transport(publish.transport),
        Request::Subscribe(subscribe) => EntityId::Transport(subscribe.transport),
        Request::Unpublish { publication } | Request::SetMuted { publication, .. } => {
            EntityId::Publication(*publication)
        }
        Request::SetTarget { subscription, .. }
        | Request::ReplaceSource { subscription, .. }
        | Request::Unsubscribe { subscription } => EntityId::Subscription(*subscription),
    }
}

/// Return the entity that a request creates.
fn created_entity(request: &Request) -> Option<EntityId> {
    match request {
        Request::OpenTransport { transport, .. } => Some(EntityId::Transport(*transport)),
        Request::Publish(publish) => Some(EntityId::Publication(publish.publication)),
        Request::Subscribe(subscribe) => Some(EntityId::Subscription(subscribe.subscription)),
        _ => None,
    }
}

fn not_found(name: EntityId) -> CommandError {
    CommandError::new(ErrorCode::NotFound, format!("{name} does not exist"))
}
