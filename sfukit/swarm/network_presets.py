"""Networks by name (``--net``). What each stands for, and where its figures come from, is in
docs/impairment.md.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from sfukit.errors import UsageError
from sfukit.swarm import impairment
from sfukit.swarm.impairment import Impairment


class Preset(NamedTuple):
    """Both directions of a network, as for ``--net-up`` and ``--net-down``."""

    up: str
    down: str


PRESETS: Mapping[str, Preset] = {
    "wifi-lossy": Preset(
        up="rate=10M,queue=200ms,delay=3ms,jitter=15ms,loss=2%,burst=4",
        down="rate=20M,queue=200ms,delay=3ms,jitter=15ms,loss=2%,burst=4",
    ),
    "lte": Preset(
        up="rate=5M,queue=300ms,delay=35ms,jitter=15ms,loss=0.1%,burst=2",
        down="rate=12M,queue=300ms,delay=35ms,jitter=15ms,loss=0.1%,burst=2",
    ),
    "3g": Preset(
        up="rate=768k,queue=500ms,delay=75ms,jitter=30ms,loss=0.5%,burst=2",
        down="rate=1.6M,queue=500ms,delay=75ms,jitter=30ms,loss=0.5%,burst=2",
    ),
    "satellite": Preset(
        up="rate=3M,queue=300ms,delay=270ms,jitter=10ms,loss=0.5%,burst=3",
        down="rate=25M,queue=300ms,delay=270ms,jitter=10ms,loss=0.5%,burst=3",
    ),
    "congested-office": Preset(
        up="rate=1M,queue=300ms,delay=15ms,jitter=30ms,loss=0.5%,burst=3",
        down="rate=2M,queue=300ms,delay=15ms,jitter=30ms,loss=0.5%,burst=3",
    ),
}


def parse(name: str, where: str) -> Preset:
    """Return a preset; raise ``UsageError`` that lists them otherwise."""
    preset = PRESETS.get(name)
    if preset is not None:
        return preset
    nearest = difflib.get_close_matches(name, PRESETS, n=1)
    meant = f"did you mean {nearest[0]}? " if nearest else ""
    raise UsageError(
        f"{where}: no network is called {name!r}", hint=f"{meant}there is: {', '.join(PRESETS)}"
    )


def directions(
    net: str | None,
    up: str | None,
    down: str | None,
    where: Sequence[str],
    base: tuple[Impairment | None, Impairment | None] = (None, None),
) -> tuple[Impairment | None, Impairment | None]:
    """Return up and down of a preset, else of ``base``, with the keys that are given in each.

    ``where`` names the three values in errors.
    """
    if net is not None:
        preset = parse(net, where[0])
        base = impairment.parse(preset.up, where[0]), impairment.parse(preset.down, where[0])
    return (
        base[0] if up is None else impairment.parse(up, where[1], base[0]),
        base[1] if down is None else impairment.parse(down, where[2], base[1]),
    )
