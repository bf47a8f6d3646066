"""The bottlenecks that impaired bots share (``shared=N``), numbered over both directions. Pure."""

from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Literal

from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario.impaired import network_of
from sfukit.loadgen.scenario.participants import Bot

Direction = Literal["up", "down"]

_DIRECTIONS: tuple[Direction, Direction] = ("up", "down")
_ALL = 1_000_000_000


def bottlenecks(slots: Iterable[Bot], options: LoadOptions) -> Mapping[tuple[int, Direction], int]:
    """Return the shared bottleneck of each impaired bot, by its slot and direction.

    The bots of one group share, in the order in which they join, ``N`` to a bottleneck; groups of
    one named bottleneck share it all together.
    """
    found: dict[tuple[int, Direction], int] = {}
    impaired = sorted((bot for bot in slots if bot.impaired), key=_sharers)
    last = 0
    for _, members in groupby(impaired, key=_sharers):
        bots = list(members)
        for direction in _DIRECTIONS:
            place = 0
            for bot in bots:
                shared = _shared(bot, direction, options)
                if shared is not None:
                    last += place % shared == 0
                    place += 1
                    found[bot.slot, direction] = last
    return found


def _shared(bot: Bot, direction: Direction, options: LoadOptions) -> int | None:
    """Return the number of bots at the bottleneck of a bot; None where it has its own."""
    network = network_of(bot, options)[_DIRECTIONS.index(direction)]
    if network is None or network.rate_bps is None:
        return None
    if bot.group is not None and bot.group.bottleneck is not None:
        return _ALL
    return network.shared


def _sharers(bot: Bot) -> tuple[str, str]:
    """Return what bots have in common that may share a bottleneck."""
    if bot.group is None:
        return "", ""
    return (bot.group.bottleneck, "") if bot.group.bottleneck else ("", bot.group.name)
