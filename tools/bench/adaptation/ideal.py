"""The encoding that a capacity allows, and how far a stream kept to it. Pure."""

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from sfukit.loadgen.rfc8867.cases import Case as RfcCase
from sfukit.loadgen.rfc8867.cases import boundaries, share_at
from sfukit.loadgen.scenario.media import AUDIO_BPS, AUDIO_PACKETS_PER_S, LADDER, Encoding

Steps = Sequence[tuple[float, float]]  # seconds, and a value from then on
Names = Sequence[tuple[float, str]]  # seconds, and the name of an encoding from then on

USABLE = 0.85  # of a capacity
# IPv4, UDP, RTP with header extensions, payload descriptor, tag of AES-GCM
_VIDEO_HEADER_BYTES = 28 + 12 + 12 + 4 + 16
_AUDIO_HEADER_BYTES = 28 + 12 + 8 + 16


class Stay(NamedTuple):
    """How far a stream kept to the ideal encodings from a time on.

    ``rises_s`` and ``drops_s`` are the times from each change of the ideal to its first receipt;
    a stream that did not get there until the next change has the whole time.
    """

    share: float
    rises_s: list[float]
    drops_s: list[float]


def wire_bps(encoding: Encoding, *, audio: bool) -> float:
    """Return the rate of an encoding on the wire, headers included."""
    video = encoding.bitrate_bps + encoding.packets_per_s * _VIDEO_HEADER_BYTES * 8
    speech = AUDIO_BPS + AUDIO_PACKETS_PER_S * _AUDIO_HEADER_BYTES * 8
    return video + (speech if audio else 0.0)


def ideal(capacity_bps: float, *, audio: bool) -> str:
    """Return the largest encoding that fits 85 % of a capacity, else the lowest."""
    fits = [one for one in LADDER if wire_bps(one, audio=audio) <= USABLE * capacity_bps]
    return (fits[-1] if fits else LADDER[0]).clip.name


def fair_shares(case: RfcCase) -> Steps:
    """Return the capacity over the number of active flows, from each change on."""
    times = boundaries(case)[:-1]
    return [
        (at_s, case.capacity_bps * share_at(case.forward, at_s) / _active(case, at_s))
        for at_s in times
    ]


def ideals(capacities: Steps, *, audio: bool) -> Names:
    """Return the ideal encoding over time; equal ones in a row are one."""
    found: list[tuple[float, str]] = []
    for at_s, capacity_bps in capacities:
        name = ideal(capacity_bps, audio=audio)
        if not found or found[-1][1] != name:
            found.append((at_s, name))
    return found


def stay(received: Names, wanted: Names, start_s: float, end_s: float) -> Stay:
    """Compare what a stream was with what it should have been, between two times."""
    cuts = {at_s for at_s, _ in (*received, *wanted) if start_s < at_s < end_s}
    spans = list(pairwise(sorted({start_s, end_s} | cuts)))
    kept_s = sum(b - a for a, b in spans if at(received, a) == at(wanted, a))
    changes = [one for one in wanted if start_s < one[0] < end_s]
    ends = [at_s for at_s, _ in changes[1:]] + [end_s]
    rises: list[float] = []
    drops: list[float] = []
    for (at_s, name), until_s in zip(changes, ends, strict=False):
        waited_s = settled_s(received, name, at_s, until_s)
        before = at(wanted, at_s - 1e-6)
        (rises if before is None or order(name) > order(before) else drops).append(waited_s)
    return Stay(kept_s / (end_s - start_s) if end_s > start_s else 0.0, rises, drops)


def settled_s(received: Names, name: str, start_s: float, end_s: float) -> float:
    """Return the time until an encoding was received first, at most until the end."""
    if at(received, start_s) == name:
        return 0.0
    found = (at_s - start_s for at_s, one in received if one == name and start_s <= at_s < end_s)
    return next(found, end_s - start_s)


def share_of(received: Names, least: str, start_s: float, end_s: float) -> float:
    """Return the share of a time in which an encoding or a higher one was received."""
    cuts = {at_s for at_s, _ in received if start_s < at_s < end_s}
    spans = pairwise(sorted({start_s, end_s} | cuts))
    names = ((at(received, a), b - a) for a, b in spans)
    kept_s = sum(time for name, time in names if name is not None and order(name) >= order(least))
    return kept_s / (end_s - start_s) if end_s > start_s else 0.0


def at(names: Names, at_s: float) -> str | None:
    """Return the encoding at a time; None before the first."""
    place = bisect_right([one for one, _ in names], at_s) - 1
    return names[place][1] if place >= 0 else None


def order(name: str) -> int:
    """Return the place of an encoding from the lowest; -1 for one that is not in the ladder."""
    names = [one.clip.name for one in LADDER]
    return names.index(name) if name in names else -1


def _active(case: RfcCase, at_s: float) -> int:
    def is_active(start_s: float, paused_s: tuple[float, float] | None) -> bool:
        return start_s <= at_s and not (paused_s and paused_s[0] <= at_s < paused_s[1])

    return max(1, sum(is_active(one.start_s, one.paused_s) for one in case.flows))
