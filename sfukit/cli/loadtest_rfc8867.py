"""``--rfc8867``: the options of a case, its lines in the text of a report."""

import textwrap
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sfukit import units
from sfukit.cli.output import LOADTEST_LABEL, labelled
from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.result.case import CaseReport
from sfukit.loadgen.rfc8867 import load

# A case sets the load, the layout and the network; what else is given completes it.
_SET_BY_CASE = (
    *("scenario", "clients", "rooms", "publishers", "subscribers", "audio_publishers", "layout"),
    *("speaker_switch", "churn", "stage", "ramp", "warmup", "quick", "find_max", "audio"),
    *("no_simulcast", "layers", "fps", "media", "bitrate", "net", "net_share", "phases", "shard"),
)
# Media are to arrive; how much of it is what the case measures.
GATES = ("joins == 100%", "tracks == 100%")
_WIDTH = 96


def refuse_contradictions(values: Mapping[str, Any], typed: Collection[str]) -> None:
    """Refuse the options that a case sets."""
    if values["rfc8867"] is None:
        return
    for name in _SET_BY_CASE:
        if name in typed:
            raise UsageError(
                f"--{name.replace('_', '-')} with --rfc8867: the case sets it",
                hint="it takes -d (another time line), --net-up and --net-down (keys of its paths)",
            )


def options(values: Mapping[str, Any], typed: Collection[str], seed: int) -> LoadOptions:
    """Return the load of a case."""
    duration_s = None
    if "duration" in typed:
        duration_s = units.duration_s(values["duration"], "--duration")
    return load.load(
        values["rfc8867"],
        seed,
        duration_s=duration_s,
        net_up=values["net_up"],
        net_down=values["net_down"],
    )


def lines(case: CaseReport | None) -> Iterator[str]:
    """Return what was expected of a case, and what was measured."""
    if case is None:
        return
    yield labelled("RFC 8867", f"{case.case} {case.title}")
    yield labelled("expected", case.expected)
    for place, sentence in enumerate(case.measured):
        wrapped = textwrap.wrap(sentence, _WIDTH - LOADTEST_LABEL, subsequent_indent="  ")
        for part, text in enumerate(wrapped):
            yield labelled("measured" if place == part == 0 else "", text)
