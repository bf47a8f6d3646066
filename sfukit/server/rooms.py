"""All rooms of a server: who may make one, who may still come in, when one is closed."""

import asyncio
import itertools
from collections.abc import Iterator

import structlog

from sfukit.server.access import Rights, Role
from sfukit.server.core import Core
from sfukit.server.ids import guest_name
from sfukit.server.member import Member, Viewer
from sfukit.server.native_messages import CloseRoom, OpenRoom, RoomClosed, WorkerEnded
from sfukit.server.participant import Participant, SignalingChannel
from sfukit.server.room import Room, RoomState
from sfukit.signaling.candidates import Address
from sfukit.signaling.names import participant_name, room_name
from sfukit.signaling.refusal import Refusal

log = structlog.get_logger()
_RETRY_AFTER_S = 5
_MAX_IDLE = 1_000  # empty rooms that are kept; beyond, the one that was left first is closed


class Rooms:
    """Make, find and close rooms, within the limits."""

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
        """Whether there is a room at all."""
        return bool(self._by_name)

    @property
    def population(self) -> int:
        """How many participants and viewers there are."""
        return sum(len(room.participants) + len(room.viewers) for room in self._by_name.values())

    def find(self, name: str) -> Room | None:
        """Find a room that is there."""
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
        """Let a participant into a room, made for it if need be; raise ``Refusal``.

        Also returns the one whose place it takes: ``Participant.entering`` ends that one.
        """
        identity = _identity(rights, uid, protocol)
        self.require_capacity()
        room = self._find_or_make(name, rights)
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
        before = room.add(participant)
        self._stay(room)
        participant.log.info("participant_joined", protocol=protocol, role=participant.role)
        return participant, before

    def admit_viewer(self, room: Room, viewer: Viewer) -> None:
        """Let a viewer into a room that is there."""
        room.add_viewer(viewer)
        self._stay(room)

    def require_capacity(self) -> None:
        """Refuse whoever would exceed a limit."""
        self._core.require_engine()
        limits = self._core.settings.limits
        most = limits.max_participants
        if most is not None and self.population >= most:
            raise _full("max_participants", f"{most} participants are here")
        if limits.max_egress_bps is not None and self.egress_bps >= limits.max_egress_bps:
            raise _full("max_egress", f"{self.egress_bps / 1e6:.0f} Mb/s are being sent")

    def close(self, room: Room, reason: str) -> None:
        """Close a room here and in the engine; a second time does nothing."""
        if room.state is RoomState.CLOSED:
            return
        self._forget(room, reason)
        self._core.engine.send(room.worker, [CloseRoom(room=room.number)])

    def close_all(self, reason: str) -> None:
        """Close every room."""
        for room in list(self._by_name.values()):
            self._core.guard("room_closed", self.close, room, reason)

    def on_room_closed(self, event: RoomClosed) -> None:
        """The engine dropped a room: so do we."""
        room = self._by_number.get(event.room)
        if room is not None:
            self._forget(room, event.reason or "internal_error")

    def on_worker_ended(self, event: WorkerEnded) -> None:
        """A worker is gone with its rooms: so are ours."""
        for room in self:
            if room.worker == event.worker:
                self._core.guard("room_closed", self._forget, room, "internal_error")

    def on_room_empty(self, room: Room) -> None:
        """Keep an empty room for a while: people come back."""
        self._stay(room)
        wait_s = self._core.settings.timing.room_idle_s
        self._idle[room.number] = self._core.loop.call_later(wait_s, self._close_idle, room)
        if len(self._idle) > _MAX_IDLE:
            self._close_idle(self._by_number[next(iter(self._idle))])

    def _find_or_make(self, name: str, rights: Rights) -> Room:
        room = self.find(name)
        if room is not None:
            return room
        if self.draining:
            raise _full("draining", "this server takes no new rooms: it is about to stop")
        if not rights.create:
            raise Refusal("create_denied", f"there is no room {name!r}, and this token makes none")
        most = self._core.settings.limits.max_rooms
        if most is not None and len(self._by_name) >= most:
            raise _full("max_rooms", f"{most} rooms are open")
        return self._make(name)

    def _make(self, name: str) -> Room:
        worker = self._least_loaded()
        room = Room(self._core, self, self._core.ids.room(), name, worker)
        self._by_name[name] = room
        self._by_number[room.number] = room
        self._core.engine.send(worker, [OpenRoom(room=room.number)])
        self.on_room_empty(room)  # until the one it is made for is in
        log.info("room_opened", room=name, worker=worker)
        return room

    def _close_idle(self, room: Room) -> None:
        self._stay(room)
        if room.is_empty:
            self.close(room, "room_idle")

    def _least_loaded(self) -> int:
        engine = self._core.engine
        load = {worker: 0 for worker in range(engine.workers) if worker not in engine.ended_workers}
        if not load:
            raise _full("overloaded", "no media worker is left")
        if len(load) > 1:
            for room in self._by_name.values():
                load[room.worker] += 1 + len(room.participants) + len(room.viewers)
        return min(load, key=load.__getitem__)

    def _stay(self, room: Room) -> None:
        if (timer := self._idle.pop(room.number, None)) is not None:
            timer.cancel()

    def _forget(self, room: Room, reason: str) -> None:
        if room.state is RoomState.CLOSED:
            return
        self._stay(room)
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


def _lower_role(rights: Rights, wanted: Role | None) -> Role:
    """Grant the wanted role where the rights reach as far."""
    reach = [Role.AUDIENCE, Role.SPEAKER, Role.HOST]
    highest = Role.HOST if rights.admin else rights.role
    if wanted is None:
        return rights.role
    return wanted if reach.index(wanted) <= reach.index(highest) else highest


def _full(reason: str, detail: str) -> Refusal:
    return Refusal(reason, detail, retry_after_s=_RETRY_AFTER_S)
