"""Subscriptions of each participant, their sizes, and the tracks that should arrive. Pure."""

import math
import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from sfukit.loadgen.options import Layout, LoadOptions
from sfukit.loadgen.scenario.attendance import Attendance, Window
from sfukit.loadgen.scenario.layout import arranged
from sfukit.loadgen.scenario.participants import Bot, PlannedSubscription, Room, Size

# A track that is planned for a shorter time, since a client leaves or a speaker changes, is not
# expected.
SHORTEST_TRACK_S = 5.0


class PlannedTrack(NamedTuple):
    """A track that should arrive: the indices of subscriber and publisher, and its kind."""

    subscriber: int
    publisher: int
    kind: str


class Views:
    """The subscriptions of all bots over time."""

    def __init__(self, rooms: Sequence[Room], attendance: Attendance, options: LoadOptions) -> None:
        self._rooms = rooms
        self._attendance = attendance
        self._shape = options.shape
        self._switch_s = options.speaker_switch_s
        self._seed = options.seed
        all_large = options.scenario == "broadcast" or options.shape == "pair"
        self.layout: Layout = options.layout or ("all" if all_large else "speaker")
        self._speakers: dict[tuple[int, int], int] = {}
        self._sizes: dict[tuple[int, int], dict[int, Size]] = {}

    def sources(self, subscriber: Bot) -> Iterator[Bot]:
        """Return the publishers that a bot meets."""
        if self._shape == "publish" or (self._shape == "pair" and subscriber.sends):
            return
        stay = self._attendance.visit(subscriber)
        for publisher in self._rooms[subscriber.room].publishers:
            if publisher.slot != subscriber.slot:
                start_s, end_s = stay.overlap(self._attendance.visit(publisher))
                if start_s < end_s:
                    yield publisher

    def subscriptions(self, subscriber: Bot) -> Iterator[PlannedSubscription]:
        """Return the subscriptions of a bot, with the sizes at its join."""
        sizes = self.sizes(subscriber, self._attendance.visit(subscriber).joins_s)
        for publisher in self.sources(subscriber):
            yield PlannedSubscription(publisher, sizes.get(publisher.slot, "small"))

    def sizes(self, subscriber: Bot, at_s: float) -> dict[int, Size]:
        """Return the size of each publisher of video by its slot, at one time."""
        return self._sizes_of(subscriber, self._epoch(at_s))

    def expected(self, windows: Sequence[Window] | None = None) -> set[PlannedTrack]:
        """Return the tracks that should arrive: in some windows, or in all."""
        windows = self._attendance.windows if windows is None else windows
        return {
            track
            for one in windows
            for visit in self._attendance.visits
            if visit.is_within(one)
            for track in self._expected_of(visit.bot, one)
        }

    def _expected_of(self, subscriber: Bot, window: Window) -> Iterator[PlannedTrack]:
        stay = self._attendance.visit(subscriber)
        for publisher in self.sources(subscriber):
            start_s, end_s = stay.overlap(self._attendance.visit(publisher))
            if publisher.audio and _is_expected(start_s, end_s, window):
                yield PlannedTrack(subscriber.index, publisher.index, "audio")
            if publisher.video and any(
                _is_expected(max(start_s, seen_s), min(end_s, until_s), window)
                for seen_s, until_s in self._seen(subscriber, publisher.slot, window)
            ):
                yield PlannedTrack(subscriber.index, publisher.index, "video")

    def _seen(self, subscriber: Bot, slot: int, window: Window) -> Iterator[tuple[float, float]]:
        """Return from when to when a publisher is seen, up to the end of a window."""
        if self.layout in ("speaker", "all"):
            yield 0.0, math.inf
            return
        since_s: float | None = None
        for epoch in range(self._epoch(window.end_s) + 1):
            at_s = epoch * (self._switch_s or 0.0)
            if self._sizes_of(subscriber, epoch)[slot] != "hidden":
                since_s = at_s if since_s is None else since_s
            elif since_s is not None:
                yield since_s, at_s
                since_s = None
        if since_s is not None:
            yield since_s, math.inf

    def _sizes_of(self, subscriber: Bot, epoch: int) -> dict[int, Size]:
        key = subscriber.slot, epoch
        if key not in self._sizes:
            room = self._rooms[subscriber.room]
            speaker = self._speaker(room, epoch)
            self._sizes[key] = arranged(self.layout, room.slots, subscriber.slot, speaker)
        return self._sizes[key]

    def _epoch(self, at_s: float) -> int:
        """Return the number of speaker changes before a time."""
        return int(at_s / self._switch_s) if self._switch_s else 0

    def _speaker(self, room: Room, epoch: int) -> int:
        """Return the slot of the active speaker: one publisher of video after the other."""
        key = room.index, epoch
        if key not in self._speakers:
            self._speakers[key] = self._chosen(room, epoch)
        return self._speakers[key]

    def _chosen(self, room: Room, epoch: int) -> int:
        video = [bot.slot for bot in room.slots if bot.video]
        if not video or self._switch_s is None:
            return video[0] if video else room.slots[0].slot
        present = self._present(epoch * self._switch_s)
        order = random.Random(f"{self._seed} {room.index}").sample(video, len(video))
        there = [slot for slot in order if slot in present] or order
        return there[epoch % len(there)]

    def _present(self, at_s: float) -> frozenset[int]:
        """Return the slots that are taken at one time."""
        return frozenset(
            visit.bot.slot
            for visit in self._attendance.visits
            if visit.joins_s <= at_s < visit.leaves_s
        )


def _is_expected(start_s: float, end_s: float, window: Window) -> bool:
    """Return whether a track from ``start_s`` to ``end_s`` should arrive within a window."""
    cut = start_s > window.start_s or end_s < window.end_s
    shown_s = min(end_s, window.end_s) - start_s
    return end_s > window.start_s and shown_s > (SHORTEST_TRACK_S if cut else 0.0)
