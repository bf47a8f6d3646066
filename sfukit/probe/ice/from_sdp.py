"""Read session descriptions leniently: ICE attributes of complete or partial ones."""

import itertools
import re

from sfukit.probe.ice.case import Case, Side, new_case

_BEGIN = re.compile(r"^v=0[ \t]*$", re.MULTILINE)
_MAX_DESCRIPTIONS = 4
_MAX_UFRAGS = 50  # one for each ICE restart


def describe(side: Side, text: str) -> None:
    """Add the ICE attributes of a description to a side."""
    side.known = True
    for line in text.splitlines():
        line = line.strip()
        name, _, value = line.removeprefix("a=").partition(":")
        match name:
            case "ice-lite":
                side.ice_lite = True
            case "ice-ufrag" if value and len(side.ufrags) < _MAX_UFRAGS:
                if value[:256] not in side.ufrags:
                    side.ufrags.append(value[:256])
            case "setup":
                side.setup = value
            case "end-of-candidates":
                side.end_of_candidates = True
    if side.description is None and side.setup:
        side.description = "offer" if side.setup == "actpass" else "answer"
    for found in side.read(text):
        side.add(found)


def split(text: str) -> list[str]:
    """Split text into its session descriptions, in order, at most ``_MAX_DESCRIPTIONS``."""
    begins = [match.start() for match in _BEGIN.finditer(text.replace("\r", "\n"))]
    cut = [text[begin:end] for begin, end in itertools.pairwise([*begins, len(text)])]
    return cut[:_MAX_DESCRIPTIONS]


def cases(text: str) -> list[Case]:
    """Read one description as the local side, or a pair of them as both."""
    case = new_case("session description")
    ours, *theirs = split(text)
    describe(case.local, ours)
    if theirs:
        describe(case.remote, theirs[0])
    return [case]
