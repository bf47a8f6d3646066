"""``python tools/words.py [PATH...]``: find words that no RFC, W3C or libwebrtc text uses.

An engineer searches for the terms of the field, so each word below has the term that replaces it.
Identifiers are split at underscores and capitals, so that ``SoundTrack`` is found as well.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPLACEMENTS = {
    "anew": "again, or new",
    "anybody": "a noun with any: any participant",
    "anyone": "a noun with any: any participant",
    "door": "protocol, or endpoint",
    "doors": "protocols, or endpoints",
    "everybody": "a noun with all: all participants",
    "everyone": "a noun with all: all participants",
    "house": "server context",
    "knock": "request",
    "knocks": "requests, or request limiter",
    "leg": "send transport",
    "legs": "send transports",
    "nobody": "a noun with no: no subscriber, no peer",
    "picture": "video, or frame",
    "pictures": "videos, or frames",
    "rested": "inactive",
    "resting": "inactive",
    "rests": "is inactive",
    "somebody": "a noun: a participant, a peer",
    "someone": "a noun: a participant, a peer",
    "sound": "audio",
    "sounds": "audio",
    "stranger": "unauthenticated peer, or unassociated source",
    "strangers": "unauthenticated peers, or unassociated sources",
    "whoever": "a noun: the participant, the peer",
    "whom": "a noun: the participant, the peer",
}

# Where the word is the field's own: RFC 4585 and 5104 (PLI), RFC 7741 and 9628 (VP8, VP9),
# H.264's parameter set, an HTML element and a CSS value, a type of PyAV.
ALLOWED = re.compile(
    r"picture[ _-]?(loss|id|ids|parameter|number|order|header|in[ -]picture)\b"
    r"|start of (a |the )?picture|temporal picture|\bPictureType\b",
    re.IGNORECASE,
)

_SUFFIXES = {".py", ".pyi", ".rs", ".js", ".html", ".css", ".md", ".toml", ".json", ".go", ".yml"}
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SKIPPED = (
    "tools/words.py",
    "tests/unit/test_words.py",
    "docs/glossary.md",
    "CHANGELOG.md",
    "tests/fixtures/",
    "sfukit/htmlreport/assets/uPlot",
)


class Found(NamedTuple):
    """A word at a place."""

    path: str
    line: int
    word: str


def main(paths: list[str]) -> int:
    """Print each word with its place and its replacement; return the exit code."""
    found = [entry for path in tracked(paths) for entry in words_in(path)]
    for path, line, word in found:
        print(f"{path}:{line}: {word!r}: say {REPLACEMENTS[word]}")
    return 1 if found else 0


def tracked(paths: list[str]) -> Iterator[Path]:
    """List the text files of the repository below ``paths``, all of it by default."""
    command = ["git", "ls-files", "-z", "--", *paths]
    listed = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    for name in filter(None, listed.split("\0")):
        if Path(name).suffix in _SUFFIXES and not name.startswith(_SKIPPED):
            yield Path(name)


def words_in(path: Path) -> Iterator[Found]:
    """Find the words of the table in the name of a file (line 0) and in its text."""
    lines = [str(path), *path.read_text(encoding="utf-8").splitlines()]
    for number, line in enumerate(lines):
        for part in _PARTS.findall(ALLOWED.sub("", line)):
            if part.lower() in REPLACEMENTS:
                yield Found(str(path), number, part.lower())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
