"""The participants of a load, and their rooms."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from sfukit.loadgen.scenario.composition import Composition

Size = Literal["large", "small"]


@dataclass(frozen=True)
class Bot:
    """One synthetic participant: its index in the order of joins, its room, its tracks."""

    index: int
    room: int
    name: str
    video: bool
    audio: bool
    impaired: bool = False

    @property
    def sends(self) -> bool:
        """Whether the bot publishes a track."""
        return self.video or self.audio


class PlannedSubscription(NamedTuple):
    """One publisher that a bot subscribes to, and the size of its video."""

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


def bots(room: int, first: int, composition: Composition, *, audio: bool) -> Iterator[Bot]:
    names = [f"p{number + 1}" for number in range(composition.publishers)]
    names += [f"a{number + 1}" for number in range(composition.audio_publishers)]
    names += [f"s{number + 1}" for number in range(composition.subscribers)]
    sending = composition.publishers + composition.audio_publishers
    for place, name in enumerate(names):
        video = place < composition.publishers
        yield Bot(first + place, room, name, video, audio and place < sending)
