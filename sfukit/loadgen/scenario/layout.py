"""Layouts: which publishers a subscriber sees, and at which size. Pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sfukit.loadgen.options import Layout
from sfukit.loadgen.scenario.participants import Bot, Size


class _Grid(NamedTuple):
    """The tiles of a grid, and the size of each."""

    tiles: int
    size: Size


_GRIDS: Mapping[Layout, _Grid] = {
    "grid3": _Grid(9, "medium"),
    "grid4": _Grid(16, "small"),
    "grid5": _Grid(25, "small"),
}


def arranged(
    layout: Layout, publishers: Sequence[Bot], subscriber: int, speaker: int
) -> dict[int, Size]:
    """Return the size of each publisher of video by its slot, ``hidden`` where it is not seen.

    ``subscriber`` and ``speaker`` are slots. The active speaker is always seen; to itself the next
    publisher is the speaker.
    """
    seen = [bot.slot for bot in publishers if bot.video and bot.slot != subscriber]
    if not seen:
        return {}
    first = seen.index(speaker) if speaker in seen else _next(seen, speaker)
    if layout == "all":
        return dict.fromkeys(seen, "large")
    if layout == "speaker":
        return {slot: "large" if place == first else "small" for place, slot in enumerate(seen)}
    grid = _GRIDS[layout]
    visible = {seen[first], *[slot for slot in seen if slot != seen[first]][: grid.tiles - 1]}
    return {slot: grid.size if slot in visible else "hidden" for slot in seen}


def _next(slots: Sequence[int], speaker: int) -> int:
    """Return the place of the first slot after the speaker, else of the first."""
    return next((place for place, slot in enumerate(slots) if slot > speaker), 0)
