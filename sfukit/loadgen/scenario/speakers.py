"""The active speaker of each room, who changes at even times (``--speaker-switch 5s``). Pure."""

import itertools
import random
from collections.abc import Iterator, Sequence

from sfukit.loadgen.scenario.attendance import Attendance
from sfukit.loadgen.scenario.participants import Room


class Speakers:
    """The speakers; between two changes is an epoch. Without ``switch_s`` there is one."""

    def __init__(self, attendance: Attendance, switch_s: float | None, seed: int) -> None:
        self._attendance = attendance
        self._switch_s = switch_s
        self._seed = seed
        self._chosen: dict[tuple[int, int], int] = {}

    def epoch(self, room: Room, at_s: float) -> int:
        """Return the number of changes before a time."""
        if self._switch_s is None:
            return 0
        return max(0, int((at_s + self._phase_s(room)) / self._switch_s))

    def starts_s(self, room: Room, epoch: int) -> float:
        """Return the time of a change."""
        return epoch * self._switch_s - self._phase_s(room) if epoch and self._switch_s else 0.0

    def of(self, room: Room, epoch: int) -> int:
        """Return the slot of the speaker: the publishers of video that are there take turns."""
        key = room.index, epoch
        if key not in self._chosen:
            self._chosen[key] = self._choose(room, epoch)
        return self._chosen[key]

    def changes(self, rooms: Sequence[Room]) -> Iterator[tuple[float, Room]]:
        """Return all changes in the order of time, without end."""
        if self._switch_s is None:
            return
        ordered = sorted(rooms, key=self._phase_s, reverse=True)
        for epoch in itertools.count(1):
            for room in ordered:
                yield self.starts_s(room, epoch), room

    def _choose(self, room: Room, epoch: int) -> int:
        video = [bot.slot for bot in room.slots if bot.video]
        if not video or self._switch_s is None:
            return video[0] if video else room.slots[0].slot
        present = self._attendance.present(self.starts_s(room, epoch))
        order = random.Random(f"{self._seed} {room.index}").sample(video, len(video))
        there = [slot for slot in order if slot in present] or order
        return there[epoch % len(there)]

    def _phase_s(self, room: Room) -> float:
        """Return how much earlier than others a room changes: rooms do not change all at once."""
        return random.Random(f"phase {self._seed} {room.index}").random() * (self._switch_s or 0.0)
