"""All rooms of a server: creation, admission, capacity, closing of idle rooms."""

import asyncio
import itertools
from collections.abc import Iterator

import structlog

from sfukit.server.access import Rights, Role
from sfukit.server.core import Core
from sfukit.server.ids import guest_name
from sfukit.server.member import Member, Viewer
from sfukit.server.native_messages import (
    ActiveSpeakersChanged,
    CloseRoom,
    DataWanted,
    OpenRoom,
    RoomClosed,
    WorkerEnded,
)
from sfukit.server.participant import Participant, SignalingChannel
from sfukit.server.room import Room, RoomState
from sfukit.server.speakers import on_active_speakers
from sfukit.signaling.candidates import Address
from sfukit.signaling.names import participant_name, room_name
from sfukit.signaling.refusal import Refusal

log = structlog.get_logger()
_RETRY_AFTER_S = 5
_MAX_IDLE = 1_000  # empty rooms; above, the longest empty one is closed


class Rooms:
    """The rooms by name; creates and closes rooms within the limits."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._by_name: dict[str, Room] = {}
        self._by_number: dict[int, Room] = {}
        self._idle: dict[int, asyncio.TimerHandle] = {}
        self._numbers = itertools.count(1)
        self.draining = False
        self.egress_bps = 0.0
        core.rooms = self
        core.metrics.rooms.set_function(lambda: len(self._by_name))
        core.metrics.participants.set_function(lambda: self.population)

    def __iter__(self) -> Iterator[Room]:
        return iter(list(self._by_name.values()))

    @property
    def any(self) -> bool:
        """Whether the server has a room."""
        return bool(self._by_name)

    @property
    def population(self) -> int:
        """The number of participants and viewers of all rooms."""
        return sum(len(room.participants) + len(room.viewers) for room in self._by_name.values())

    def find(self, name: str) -> Room | None:
        """Return an open room, None if there is none of this name."""
        return self._by_name.get(room_name(name))

    def join(
        self,
        name: str,
        rights: Rights,
        *,
        protocol: str,
        uid: str | None = None,
        display_name: str = "",
        role: Role | None = None,
        channel: SignalingChannel | None = None,
        trace_id: str = "",
        local_address: Address | None = None,
    ) -> tuple[Participant, Member | None]:
        """Add a participant to a room, which is created if need be; raise ``Refusal``.

        Returns the participant and the one of the same uid that it replaces, which
        ``Participant.joining`` ends.
        """
        identity = _identity(rights, uid, protocol)
        self.require_capacity()
        room = self._find_or_open(name, rights)
        participant = Participant(
            self._core,
            room,
            identity,
            rights,
            number=next(self._numbers),
            protocol=protocol,
            name=display_name,
            role=_lower_role(rights, role),
            channel=channel,
            trace_id=trace_id,
            local_address=local_address,
        )
        replaced = room.add(participant)
        self._cancel_idle_timeout(room)
        participant.log.info("participant_joined", protocol=protocol, role=participant.role)
        return participant, replaced

    def admit_viewer(self, room: Room, viewer: Viewer) -> None:
        """Add a viewer to an open room."""
        room.add_viewer(viewer)
        self._cancel_idle_timeout(room)

    def require_capacity(self) -> None:
        """Raise ``Refusal`` if one more participant or viewer would exceed a limit."""
        self._core.require_engine()
        limits = self._core.settings.limits
        most = limits.max_participants
        if most is not None and self.population >= most:
            raise _capacity_refusal(
                "max_participants", f"the server has {most} participants, its maximum"
            )
        if limits.max_egress_bps is not None and self.egress_bps >= limits.max_egress_bps:
            raise _capacity_refusal(
                "max_egress", f"the server sends {self.egress_bps / 1e6:.0f} Mb/s, its maximum"
            )

    def close(self, room: Room, reason: str) -> None:
        """Close a room here and in the engine; idempotent."""
        if room.state is RoomState.CLOSED:
            return
        self._remove(room, reason)
        self._core.engine.send(room.worker, [CloseRoom(room=room.number)])

    def close_all(self, reason: str) -> None:
        """Close every room."""
        for room in list(self._by_name.values()):
            self._core.guard("room_closed", self.close, room, reason)

    def on_active_speakers(self, event: ActiveSpeakersChanged) -> None:
        """Notify the participants of a room of its active speakers."""
        if (room := self._by_number.get(event.room)) is not None:
            on_active_speakers(event, room)

    def on_data_wanted(self, event: DataWanted) -> None:
        """Have the participants of a room offered data channels."""
        if (room := self._by_number.get(event.room)) is not None:
            room.on_data_wanted()

    def on_room_closed(self, event: RoomClosed) -> None:
        """Remove a room that the engine closed."""
        room = self._by_number.get(event.room)
        if room is not None:
            self._remove(room, event.reason or "internal_error")

    def on_worker_ended(self, event: WorkerEnded) -> None:
        """Remove the rooms of a worker that ended."""
        for room in self:
            if room.worker == event.worker:
                self._core.guard("room_closed", self._remove, room, "internal_error")

    def on_room_empty(self, room: Room) -> None:
        """Start the idle timeout of an empty room."""
        self._cancel_idle_timeout(room)
        wait_s = self._core.settings.timing.room_idle_s
        self._idle[room.number] = self._core.loop.call_later(wait_s, self._close_idle, room)
        if len(self._idle) > _MAX_IDLE:
            self._close_idle(self._by_number[next(iter(self._idle))])

    def _find_or_open(self, name: str, rights: Rights) -> Room:
        room = self.find(name)
        if room is not None:
            return room
        if self.draining:
            raise _capacity_refusal("draining", "the server is draining and accepts no new rooms")
        if not rights.create:
            raise Refusal(
                "create_denied",
                f"the room {name!r} is not open, and the token lacks the grant roomCreate",
            )
        most = self._core.settings.limits.max_rooms
        if most is not None and len(self._by_name) >= most:
            raise _capacity_refusal("max_rooms", f"the server has {most} rooms, its maximum")
        return self._open(name)

    def _open(self, name: str) -> Room:
        worker = self._least_loaded()
        room = Room(self._core, self, self._core.ids.room(), name, worker)
        self._by_name[name] = room
        self._by_number[room.number] = room
        self._core.engine.send(worker, [OpenRoom(room=room.number)])
        self.on_room_empty(room)  # until its first participant is added
        log.info("room_opened", room=name, worker=worker)
        return room

    def _close_idle(self, room: Room) -> None:
        self._cancel_idle_timeout(room)
        if room.is_empty:
            self.close(room, "room_idle")

    def _least_loaded(self) -> int:
        engine = self._core.engine
        load = {worker: 0 for worker in range(engine.workers) if worker not in engine.ended_workers}
        if not load:
            raise _capacity_refusal("overloaded", "no media worker is running")
        if len(load) > 1:
            for room in self._by_name.values():
                load[room.worker] += 1 + len(room.participants) + len(room.viewers)
        return min(load, key=load.__getitem__)

    def _cancel_idle_timeout(self, room: Room) -> None:
        if (timer := self._idle.pop(room.number, None)) is not None:
            timer.cancel()

    def _remove(self, room: Room, reason: str) -> None:
        if room.state is RoomState.CLOSED:
            return
        self._cancel_idle_timeout(room)
        del self._by_name[room.name]
        del self._by_number[room.number]
        room.close(reason)
        log.info("room_closed", room=room.name, reason=reason)


def _identity(rights: Rights, uid: str | None, protocol: str) -> str:
    if rights.identity is None:
        return participant_name(uid) if uid else guest_name(protocol)
    if uid and uid != rights.identity:
        raise Refusal("identity_denied", f"the token is for {rights.identity!r}")
    return rights.identity


def _lower_role(rights: Rights, requested: Role | None) -> Role:
    """Return the requested role, or the highest one that the grants allow."""
    order = [Role.AUDIENCE, Role.SPEAKER, Role.HOST]
    highest = Role.HOST if rights.admin else rights.role
    if requested is None:
        return rights.role
    return requested if order.index(requested) <= order.index(highest) else highest


def _capacity_refusal(reason: str, detail: str) -> Refusal:
    return Refusal(reason, detail, retry_after_s=_RETRY_AFTER_S)
