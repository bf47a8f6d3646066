"""The participants of a load, and their rooms."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from sfukit.loadgen.options import Group
from sfukit.loadgen.scenario.composition import Composition

Size = Literal["large", "medium", "small", "hidden"]


@dataclass(frozen=True)
class Bot:
    """One synthetic participant: its index, its room, its tracks.

    ``replaces`` is the index of the bot whose place it takes after that one has left.
    """

    index: int
    room: int
    name: str
    video: bool
    audio: bool
    impaired: bool = False
    replaces: int | None = None
    group: Group | None = None

    @property
    def slot(self) -> int:
        """The place in the plan: the index of the bot that had it first."""
        return self.index if self.replaces is None else self.replaces

    @property
    def sends(self) -> bool:
        """Whether the bot publishes a track."""
        return self.video or self.audio


class PlannedSubscription(NamedTuple):
    """One publisher that a bot subscribes to, and the size of its video; hidden: audio alone."""

    publisher: Bot
    size: Size


@dataclass(frozen=True)
class Room:
    """One room and its bots, publishers first."""

    index: int
    name: str
    bots: tuple[Bot, ...]

    @property
    def label(self) -> str:
        """The name in reports, counted from 1."""
        return f"room-{self.index + 1}"

    @cached_property
    def publishers(self) -> tuple[Bot, ...]:
        """The bots that publish."""
        return tuple(bot for bot in self.bots if bot.sends)

    @cached_property
    def slots(self) -> tuple[Bot, ...]:
        """The bots without those that replace others."""
        return tuple(bot for bot in self.bots if bot.replaces is None)


def bots(room: int, first: int, composition: Composition, *, audio: bool) -> Iterator[Bot]:
    """Return the bots of a room, numbered from ``first`` on."""
    names = [f"p{number + 1}" for number in range(composition.publishers)]
    names += [f"a{number + 1}" for number in range(composition.audio_publishers)]
    names += [f"s{number + 1}" for number in range(composition.subscribers)]
    sending = composition.publishers + composition.audio_publishers
    for place, name in enumerate(names):
        video = place < composition.publishers
        yield Bot(first + place, room, name, video, audio and place < sending)


def group_bots(room: int, first: int, groups: Sequence[Group], *, audio: bool) -> Iterator[Bot]:
    """Return the bots of a room of groups, in the order of the groups."""
    index = first
    for group in groups:
        for number in range(1, group.clients + 1):
            name = f"{group.name}-{number}"
            yield Bot(index, room, name, group.video, group.audio and audio, group=group)
            index += 1
