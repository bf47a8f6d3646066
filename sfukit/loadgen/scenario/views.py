"""Which bots subscribe to which, at which size, and which tracks should arrive. Pure."""

import math
from collections.abc import Container, Iterator, Sequence
from typing import NamedTuple

from sfukit.loadgen.options import Layout, LoadOptions
from sfukit.loadgen.scenario.attendance import Attendance, Window
from sfukit.loadgen.scenario.layout import arranged
from sfukit.loadgen.scenario.participants import Bot, PlannedSubscription, Room, Size
from sfukit.loadgen.scenario.speakers import Speakers

# A track that is planned for a shorter time, since a client leaves or a speaker changes, is not
# expected.
SHORTEST_TRACK_S = 5.0


def _sees(subscriber: Bot, publisher: Bot) -> bool:
    """Return whether the group of a publisher is among those that a subscriber sees."""
    sources = subscriber.group.sources if subscriber.group else None
    return sources is None or (publisher.group is not None and publisher.group.name in sources)


class PlannedTrack(NamedTuple):
    """A track that should arrive: the indices of subscriber and publisher, and its kind."""

    subscriber: int
    publisher: int
    kind: str


class Views:
    """The subscriptions of all bots over time; tracks are expected by those of ``own``."""

    def __init__(
        self,
        rooms: Sequence[Room],
        attendance: Attendance,
        options: LoadOptions,
        own: Container[int] | None = None,
    ) -> None:
        self._rooms = rooms
        self._own = own
        self._attendance = attendance
        self._shape = options.shape
        all_large = options.scenario == "broadcast" or options.shape == "pair"
        self.layout: Layout = options.layout or ("all" if all_large else "speaker")
        self._speakers = Speakers(attendance, options.speaker_switch_s, options.seed)
        self._sizes: dict[tuple[int, int], dict[int, Size]] = {}

    def sources(self, subscriber: Bot) -> Iterator[Bot]:
        """Return the publishers that a bot meets."""
        if self._shape == "publish" or (self._shape == "pair" and subscriber.sends):
            return
        if subscriber.group is not None and not subscriber.group.subscribes:
            return
        stay = self._attendance.visit(subscriber)
        for publisher in self._rooms[subscriber.room].publishers:
            if publisher.slot != subscriber.slot and _sees(subscriber, publisher):
                start_s, end_s = stay.overlap(self._attendance.visit(publisher))
                if start_s < end_s:
                    yield publisher

    def subscriptions(
        self, subscriber: Bot, at_s: float | None = None
    ) -> Iterator[PlannedSubscription]:
        """Return the subscriptions of a bot, with the sizes at one time, or at its join."""
        at_s = self._attendance.visit(subscriber).joins_s if at_s is None else at_s
        room = self._rooms[subscriber.room]
        sizes = self._sizes_of(subscriber, self._speakers.epoch(room, at_s))
        for publisher in self.sources(subscriber):
            yield PlannedSubscription(publisher, sizes.get(publisher.slot, "small"))

    def changes(self) -> Iterator[tuple[float, Room]]:
        """Return when the speaker of a room changes, in the order of time and without end."""
        return self._speakers.changes(self._rooms)

    def speaks(self, publisher: Bot, at_s: float | None = None) -> bool:
        """Return whether a bot is the speaker of its room at a time, or at its join."""
        at_s = self._attendance.visit(publisher).joins_s if at_s is None else at_s
        room = self._rooms[publisher.room]
        return self._speakers.of(room, self._speakers.epoch(room, at_s)) == publisher.slot

    def expected(self, windows: Sequence[Window] | None = None) -> set[PlannedTrack]:
        """Return the tracks that should arrive: in some windows, or in all."""
        windows = self._attendance.windows if windows is None else windows
        return {
            track
            for one in windows
            for visit in self._attendance.visits
            if visit.is_within(one) and (self._own is None or visit.bot.index in self._own)
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
        if self._layout_of(subscriber) in ("speaker", "all"):
            yield 0.0, math.inf
            return
        room, speakers = self._rooms[subscriber.room], self._speakers
        since_s: float | None = None
        for epoch in range(speakers.epoch(room, window.end_s) + 1):
            at_s = speakers.starts_s(room, epoch)
            if self._sizes_of(subscriber, epoch)[slot] != "hidden":
                since_s = at_s if since_s is None else since_s
            elif since_s is not None:
                yield since_s, at_s
                since_s = None
        if since_s is not None:
            yield since_s, math.inf

    def _layout_of(self, subscriber: Bot) -> Layout:
        group = subscriber.group
        return (group.layout if group is not None else None) or self.layout

    def _sizes_of(self, subscriber: Bot, epoch: int) -> dict[int, Size]:
        key = subscriber.slot, epoch
        if key not in self._sizes:
            room = self._rooms[subscriber.room]
            speaker = self._speakers.of(room, epoch)
            self._sizes[key] = arranged(
                self._layout_of(subscriber), room.slots, subscriber.slot, speaker
            )
        return self._sizes[key]


def _is_expected(start_s: float, end_s: float, window: Window) -> bool:
    """Return whether a track from ``start_s`` to ``end_s`` should arrive within a window."""
    cut = start_s > window.start_s or end_s < window.end_s
    shown_s = min(end_s, window.end_s) - start_s
    return end_s > window.start_s and shown_s > (SHORTEST_TRACK_S if cut else 0.0)
