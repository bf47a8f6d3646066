"""The plan of a signaling load: rooms, calls, and every operation with its time. Pure.

A room has five clients. Three are its audience: they join once, without an offer. The other two
hold calls: both join with an offer, so that each receives the other's audio and video, and leave
again. A server ends a membership without media path after its negotiation timeout, so that a call
is shorter than that.
"""

import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sfukit.errors import UsageError

Kind = Literal["join", "leave", "message", "layer", "reoffer"]

ROOM_SIZE = 5
AUDIENCE = 3  # the first clients of a room
BLOCK: tuple[str, ...] = ("membership",) * 2 + ("message",) * 4 + ("layer",) * 3 + ("reoffer",)
MEMBERSHIP_SHARE = 0.2  # joins and leaves; the other shares are those of BLOCK as well
LONGEST_CALL_S = 20.0  # below the negotiation timeout of sfukit, 30 s
_SHORTEST_CALL_S = 5.0
_FEWEST_CLIENTS = 25  # four calls at a time
_LOWEST_PER_S = 4  # the same
_BUSY_CALLERS = 0.8  # of all callers: the others are between two calls
_SETTLE_S = 1.5  # after the second join of a call, before its first other operation
_GUARD_S = 1.0  # before a call ends, without further operations


class Operation(NamedTuple):
    """One request of one client, due ``due_s`` after the start of the operations.

    ``layer`` is the encoding that a layer request asks for.
    """

    number: int
    due_s: float
    kind: Kind
    client: int
    layer: int = 0


@dataclass(frozen=True)
class Load:
    """Clients and rate of a signaling load; refused where the rate needs more clients."""

    clients: int
    per_s: float
    warmup_s: float
    duration_s: float
    seed: int

    def __post_init__(self) -> None:
        """Refuse a rate at which calls would be too short to hold the other operations."""
        if self.clients < _FEWEST_CLIENTS:
            raise UsageError(
                f"{self.clients} clients are too few: the scenario signaling has rooms of "
                f"{ROOM_SIZE}, with several calls at a time",
                hint=f"give -c {_FEWEST_CLIENTS} or more",
            )
        if self.per_s < _LOWEST_PER_S:
            raise UsageError(
                f"--rate {self.per_s:g}/s is too low for calls of at most {LONGEST_CALL_S:g} s",
                hint=f"give --rate {_LOWEST_PER_S}/s or more",
            )
        if self.call_s < _SHORTEST_CALL_S:
            most = self.per_s * self.call_s / _SHORTEST_CALL_S
            needed = round(self.clients * _SHORTEST_CALL_S / self.call_s + ROOM_SIZE)
            raise UsageError(
                f"--rate {self.per_s:g}/s with {self.clients} clients: each would join and leave "
                f"more than once in {_SHORTEST_CALL_S:g} s",
                hint=f"give --rate {most:.3g}/s or less, or -c {needed} or more",
            )

    @property
    def rooms(self) -> int:
        """The rooms, of which the last may have fewer clients."""
        return -(-self.clients // ROOM_SIZE)

    @property
    def total_s(self) -> float:
        """The time of all operations, from the first of the warm-up."""
        return self.warmup_s + self.duration_s

    @property
    def callers_busy(self) -> int:
        """The clients that are in a call at a time, an even number."""
        joins_per_s = self.per_s * MEMBERSHIP_SHARE / 2
        callers = self.clients // ROOM_SIZE * (ROOM_SIZE - AUDIENCE)
        busy = min(LONGEST_CALL_S * joins_per_s, _BUSY_CALLERS * callers)
        return round(busy / 2) * 2

    @property
    def call_s(self) -> float:
        """The time that a client stays in a call."""
        return self.callers_busy / (self.per_s * MEMBERSHIP_SHARE / 2)

    def room(self, client: int) -> int:
        """Return the room of a client."""
        return client // ROOM_SIZE

    def is_audience(self, client: int) -> bool:
        """Return whether a client joins once, without an offer."""
        is_whole = self.room(client) < self.clients // ROOM_SIZE
        return client % ROOM_SIZE < AUDIENCE or not is_whole


@dataclass(slots=True)
class _Call:
    """The call of one room: when its second client joined, and how many have left."""

    room: int
    joined: int = 0
    complete_s: float = 0.0
    left: int = 0

    def caller(self, place: int) -> int:
        return self.room * ROOM_SIZE + AUDIENCE + place


def operations(load: Load) -> Iterator[Operation]:
    """Yield all operations in the order of their times, by the seed of the load."""
    return _Schedule(load).operations()


class _Schedule:
    """The calls in virtual time."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._random = random.Random(load.seed)
        rooms = list(range(load.clients // ROOM_SIZE))
        self._random.shuffle(rooms)
        self._free = deque(rooms)
        self._joining: _Call | None = None
        self._leaving: _Call | None = None
        self._settling: deque[_Call] = deque()
        self._settled: list[_Call] = []  # the oldest first
        self._in_call = 0
        calls_per_s = load.per_s * MEMBERSHIP_SHARE / 4  # a call is two joins and two leaves
        self._ending_soon = max(1, round(calls_per_s * _GUARD_S))

    def operations(self) -> Iterator[Operation]:
        number = 0
        while True:
            block = list(BLOCK)
            self._random.shuffle(block)
            for name in block:
                due_s = number / self._load.per_s
                if due_s >= self._load.total_s:
                    return
                yield self._operation(number, due_s, name)
                number += 1

    def _operation(self, number: int, due_s: float, name: str) -> Operation:
        while self._settling and self._settling[0].complete_s + _SETTLE_S <= due_s:
            self._settled.append(self._settling.popleft())
        usable = len(self._settled) - self._ending_soon
        if name == "membership":
            return self._membership(number, due_s)
        if usable <= 0:  # in the first seconds, before calls have settled
            room = self._random.randrange(self._load.clients // ROOM_SIZE)
            return Operation(number, due_s, "message", room * ROOM_SIZE)
        call = self._settled[self._ending_soon + self._random.randrange(usable)]
        caller = call.caller(self._random.randrange(ROOM_SIZE - AUDIENCE))
        if name == "message":
            sender = call.room * ROOM_SIZE + self._random.randrange(ROOM_SIZE)
            return Operation(number, due_s, "message", sender)
        if name == "layer":
            return Operation(number, due_s, "layer", caller, self._random.randrange(3))
        return Operation(number, due_s, "reoffer", caller)

    def _membership(self, number: int, due_s: float) -> Operation:
        if self._leaving is not None or (
            self._joining is None and self._in_call >= self._load.callers_busy
        ):
            return self._leave(number, due_s)
        return self._join(number, due_s)

    def _join(self, number: int, due_s: float) -> Operation:
        call = self._joining or _Call(self._free.popleft())
        client = call.caller(call.joined)
        call.joined += 1
        self._in_call += 1
        self._joining = call
        if call.joined == ROOM_SIZE - AUDIENCE:
            call.complete_s, self._joining = due_s, None
            self._settling.append(call)
        return Operation(number, due_s, "join", client)

    def _leave(self, number: int, due_s: float) -> Operation:
        call = self._leaving
        if call is None:
            call = self._settled.pop(0) if self._settled else self._settling.popleft()
        client = call.caller(call.left)
        call.left += 1
        self._in_call -= 1
        self._leaving = call
        if call.left == ROOM_SIZE - AUDIENCE:
            self._leaving = None
            self._free.append(call.room)
        return Operation(number, due_s, "leave", client)
