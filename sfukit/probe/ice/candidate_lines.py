"""Find candidate lines in any text; invalid ones are kept with the reason."""

import re
from collections.abc import Iterator

import msgspec

from sfukit.probe.ice import candidate
from sfukit.probe.ice.candidate import MAX_CANDIDATES, IceCandidate
from sfukit.probe.printable import printable

# from the name to the end of the line or of the JSON string that holds it, escapes included
_NAMED = re.compile(r"(?<![\w-])candidate:(?=\S)([^\r\n\"\\]*)", re.IGNORECASE)
_BARE = re.compile(r"^[ \t]*(\S+[ \t]+\d+[ \t]+\S+[ \t]+\d+[ \t]+\S+[ \t]+\d+[ \t]+typ[ \t].*)$")
_SHOWN = 120


class Unread(msgspec.Struct, frozen=True):
    """An invalid candidate line, and why."""

    line: str
    reason: str


def read(text: str) -> Iterator[IceCandidate | Unread]:
    """List candidates and invalid lines, each once, at most ``MAX_CANDIDATES``."""
    seen: set[IceCandidate | Unread] = set()
    for line in _lines(text):
        found: IceCandidate | Unread
        try:
            found = candidate.parse(line)
        except ValueError as error:
            found = Unread(printable(line, _SHOWN), str(error))
        if found not in seen:
            seen.add(found)
            yield found
        if len(seen) >= MAX_CANDIDATES:
            return


def _lines(text: str) -> Iterator[str]:
    for line in text.splitlines():
        named = [match[1].strip() for match in _NAMED.finditer(line)]
        if not named and (bare := _BARE.match(line[:_LONGEST])):
            named = [bare[1].partition("\\")[0].strip()]
        yield from named


_LONGEST = 1024  # longer than any candidate; the rest of a line is ignored
