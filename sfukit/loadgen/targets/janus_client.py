"""A client of the VideoRoom of Janus: JSON frames in, JSON frames out. No sockets.

One session with two handles: the first joins the room and publishes, the second subscribes with
one peer connection (multistream, Janus 1.0 and newer). A transaction is named by its request.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from sfukit.loadgen.scenario import Size
from sfukit.loadgen.targets.base import JoinRefusedError, Participant, PublishConnection
from sfukit.loadgen.targets.janus_messages import (
    INVALID_ELEMENT,
    MISSING_ELEMENT,
    NO_SUCH_ROOM,
    PLUGIN,
    ROOM_EXISTS,
    UNAUTHORIZED,
    Event,
    Incoming,
    RoomId,
    decode,
)
from sfukit.loadgen.targets.janus_room import Rooms
from sfukit.loadgen.targets.janus_subscriptions import Body, Subscriptions

Phase = Literal["joining", "joined", "ended"]

_MAX_TEXT = 200
_MAY_NOT_CREATE = "name a room of the server (?room=ID), or its admin_key in the query of the URL"


class Secrets(NamedTuple):
    """The token and the API secret that each request repeats."""

    token: str | None = None
    api_secret: str | None = None


class JanusClient:
    """The protocol of one participant."""

    def __init__(self, participant: Participant, rooms: Rooms, secrets: Secrets) -> None:
        self.phase: Phase = "joining"
        self.end_reason = ""
        self.has_left = False
        self._participant = participant
        self._rooms = rooms
        self._common = {
            name: value
            for name, value in (("token", secrets.token), ("apisecret", secrets.api_secret))
            if value
        }
        self._session = 0
        self._handle = 0
        self._subscriber: int | None = None
        self._is_attaching = False
        self._may_create_again = rooms.are_created
        self._publisher: PublishConnection | None = None
        self._subscriptions = Subscriptions(participant)

    def begin(self) -> bytes:
        """Return the request that creates the session."""
        return self._frame("create", "create")

    def keepalive(self) -> bytes:
        """Return the request that keeps the session from its timeout."""
        return self._frame("keepalive", "keepalive", session_id=self._session)

    def leave_request(self) -> bytes | None:
        """Return the request that leaves the room; None before the handle exists."""
        self.phase = "ended"
        return self._message("leave", {"request": "leave"}) if self._handle else None

    def list_request(self) -> bytes:
        """Return the request for the participants of the room, to destroy it if it is empty."""
        self.has_left = False
        return self._message("list", {"request": "listparticipants", "room": self._room})

    def destroy_request(self) -> bytes:
        """Return the request that ends the session with its handles."""
        self.has_left = False
        return self._frame("destroy", "destroy", session_id=self._session)

    def rearrange(self, sizes: Mapping[str, Size]) -> list[bytes]:
        """Return the requests that change the sizes of the subscribed videos."""
        self._subscriptions.resized(sizes)
        return self._subscribe()

    async def receive(self, frame: bytes) -> list[bytes]:
        """Process one frame; return the frames to send.

        Raises ``JoinRefusedError`` while joining, and ``msgspec.DecodeError``.
        """
        message = decode(frame)
        if message.janus == "ack":
            return []
        if self.phase == "ended":
            return self._leaving(message)
        if message.janus == "timeout":
            self.phase, self.end_reason = "ended", "the session timed out"
            return []
        if self._subscriber is not None and message.sender == self._subscriber:
            return await self._of_subscriber(message)
        if message.failure is not None:
            return await self._failed(message)
        if message.janus == "success":
            return await self._succeeded(message)
        if message.janus == "hangup":
            text = f"the target ended the publish connection: {message.reason[:_MAX_TEXT]}"
            self._participant.fault("target_hangup", text)
        if message.janus == "trickle" and message.candidate and self._publisher:
            await self._publisher.add_candidate(message.candidate.candidate)
        if message.janus == "event" and message.event is not None:
            return await self._event(message, message.event)
        return []

    @property
    def _room(self) -> RoomId:
        return self._rooms.id_of(self._participant.room)

    async def _succeeded(self, message: Incoming) -> list[bytes]:
        created = message.data.id if message.data else None
        match message.transaction:
            case "create" if created is not None and not self._session:
                self._session = created
                return [self._attach("attach")]
            case "attach" if created is not None and not self._handle:
                self._handle = created
                if not self._rooms.are_created:
                    return [await self._join()]
                return [self._message("room", self._rooms.creation(self._participant))]
            case "attach-subscriber" if created is not None:
                self._subscriber, self._is_attaching = created, False
                return self._subscribe()
            case "room":
                return [await self._join()]
        return []

    async def _failed(self, message: Incoming) -> list[bytes]:
        assert message.failure is not None
        code, text, number = message.failure
        if message.transaction == "room" and self._publisher is None:
            if number == ROOM_EXISTS:
                return [await self._join()]
            if number == INVALID_ELEMENT and not self._rooms.has_string_ids:
                self._rooms.has_string_ids = True
                return [self._message("room", self._rooms.creation(self._participant))]
        if message.transaction == "join" and number == NO_SUCH_ROOM and self._may_create_again:
            # the last participant of another process destroyed the room in between
            self._may_create_again, self._publisher = False, None
            return [self._message("room", self._rooms.creation(self._participant))]
        if message.transaction == "room" and number in (MISSING_ELEMENT, UNAUTHORIZED):
            raise JoinRefusedError("create_denied", f"{text}: {_MAY_NOT_CREATE}")
        if self.phase == "joining":
            raise JoinRefusedError(code, f"{message.transaction or 'join'}: {text}")
        self._participant.fault(code, text)
        return []

    async def _join(self) -> bytes:
        """Return the request that joins, and publishes where that is planned."""
        participant = self._participant
        body: Body = {"ptype": "publisher", "display": participant.name, **self._admission()}
        if not (participant.audio or participant.video):
            return self._message("join", {"request": "join", **body})
        self._publisher = participant.publisher(trickle=True)
        offer = await self._publisher.offer()
        return self._message("join", {"request": "joinandconfigure", **body}, offer=offer)

    def _admission(self) -> Body:
        admission: Body = {"room": self._room}
        return admission | ({} if self._rooms.pin is None else {"pin": self._rooms.pin})

    async def _event(self, message: Incoming, event: Event) -> list[bytes]:
        if event.videoroom == "joined" and self.phase == "joining":
            self._participant.accepted()
            if self._publisher is None:
                self.phase = "joined"
        if message.jsep is not None and message.jsep.type == "answer" and self._publisher:
            await self._publisher.answered(message.jsep.sdp)
            self.phase = "joined"
        if event.videoroom == "destroyed" or event.reason == "kicked":
            self.phase = "ended"
            self.end_reason = "kicked" if event.reason else "the room was destroyed"
            return []
        self._subscriptions.announced(event.publishers)
        for feed in (event.unpublished, event.leaving, event.kicked):
            if feed is not None:
                self._subscriptions.gone(feed)
        return self._subscribe()

    def _subscribe(self) -> list[bytes]:
        """Return the next request of the handle that subscribes; the first one attaches it."""
        if self._subscriber is None:
            if self._is_attaching or not self._subscriptions.is_wanted:
                return []
            self._is_attaching = True
            return [self._attach("attach-subscriber")]
        body = self._subscriptions.request(self._admission())
        return [] if body is None else [self._of_handle(self._subscriber, "subscriptions", body)]

    async def _of_subscriber(self, message: Incoming) -> list[bytes]:
        assert self._subscriber is not None
        if message.janus == "hangup":
            text = f"the target ended the subscribe connection: {message.reason[:_MAX_TEXT]}"
            self._participant.fault("target_hangup", text)
            return []
        start = await self._subscriptions.received(message)
        frames = []
        if start is not None:
            answer = str(start.pop("sdp"))
            frames.append(self._of_handle(self._subscriber, "start", start, answer=answer))
        return frames + self._subscribe()

    def _leaving(self, message: Incoming) -> list[bytes]:
        """Destroy the room where it is empty; other messages are ignored from now on."""
        if message.transaction not in ("leave", "list", "destroy-room", "destroy"):
            return []
        event = message.event
        if message.transaction == "list" and event is not None and event.shows_empty_room:
            return [self._message("destroy-room", {"request": "destroy", "room": self._room})]
        self.has_left = True
        return []

    def _attach(self, transaction: str) -> bytes:
        return self._frame("attach", transaction, session_id=self._session, plugin=PLUGIN)

    def _message(self, transaction: str, body: Body, offer: str | None = None) -> bytes:
        return self._of_handle(self._handle, transaction, body, offer=offer)

    def _of_handle(
        self,
        handle: int,
        transaction: str,
        body: Body,
        *,
        offer: str | None = None,
        answer: str | None = None,
    ) -> bytes:
        fields: Body = {"session_id": self._session, "handle_id": handle, "body": body}
        if offer is not None:  # Janus takes rids for ordered from the highest, unless told
            fields["jsep"] = {"type": "offer", "sdp": offer, "rid_order": "lmh"}
        elif answer is not None:
            fields["jsep"] = {"type": "answer", "sdp": answer}
        return self._frame("message", transaction, **fields)

    def _frame(self, janus: str, transaction: str, **fields: object) -> bytes:
        return msgspec.json.encode(
            {"janus": janus, "transaction": transaction, **self._common, **fields}
        )
