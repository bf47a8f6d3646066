"""The bottlenecks that impaired bots share (``shared=N``), numbered over both directions. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Literal

from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario.impaired import network_of
from sfukit.loadgen.scenario.participants import Bot

Direction = Literal["up", "down"]


def bottlenecks(slots: Iterable[Bot], options: LoadOptions) -> Mapping[tuple[int, Direction], int]:
    """Return the shared bottleneck of each impaired bot, by its slot and direction.

    The bots of one group share, in the order in which they join, ``N`` to a bottleneck.
    """
    found: dict[tuple[int, Direction], int] = {}
    impaired = sorted((bot for bot in slots if bot.impaired), key=_group)
    last = 0
    for _, members in groupby(impaired, key=_group):
        bots = list(members)
        for direction, shared in _shared(bots[0], options):
            for place, bot in enumerate(bots):
                last += place % shared == 0
                found[bot.slot, direction] = last
    return found


def _shared(bot: Bot, options: LoadOptions) -> Iterator[tuple[Direction, int]]:
    up, down = network_of(bot, options)
    if up is not None and up.shared is not None:
        yield "up", up.shared
    if down is not None and down.shared is not None:
        yield "down", down.shared


def _group(bot: Bot) -> str:
    return bot.group.name if bot.group else ""
