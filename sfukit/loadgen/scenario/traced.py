"""The impaired links whose queue is traced: the first that have a limited rate. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice

from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.result.paths import MOST_LINKS
from sfukit.loadgen.scenario.bottlenecks import Direction
from sfukit.loadgen.scenario.impaired import networks_of
from sfukit.loadgen.scenario.participants import Bot


def traced(slots: Iterable[Bot], options: LoadOptions) -> frozenset[tuple[int, Direction]]:
    """Return the traced links by slot and direction: downlinks first, viewers before publishers."""
    return frozenset(islice(_limited(list(slots), options), MOST_LINKS))


def _limited(slots: list[Bot], options: LoadOptions) -> Iterator[tuple[int, Direction]]:
    directions: tuple[tuple[Direction, int], ...] = (("down", 1), ("up", 0))
    for direction, place in directions:
        for bot in sorted(slots, key=lambda bot: bot.sends):
            networks = networks_of(bot, options) if bot.impaired else []
            each = (network[place] for network in networks)
            if any(one is not None and one.rate_bps is not None for one in each):
                yield bot.slot, direction
