"""The name and the tags of a run in its reports (``--name``, ``--tag K=V``)."""

import re
from collections.abc import Iterable

from sfukit.errors import UsageError

_LONGEST = 200
_MOST_TAGS = 32
_KEY = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def name(text: str | None) -> str:
    """Return the name of a run, empty where none is given."""
    return _bounded(text or "", "--name")


def tags(texts: Iterable[str]) -> dict[str, str]:
    """Read tags; raise ``UsageError`` where one is no ``K=V``."""
    found: dict[str, str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        if not equals or not _KEY.fullmatch(key):
            raise UsageError(
                f"--tag {text}: not K=V", hint="such as --tag commit=1a2b3c; K: A-Z a-z 0-9 _ . -"
            )
        if key in found:
            raise UsageError(f"--tag {text}: {key} is given twice", hint="give each tag once")
        found[key] = _bounded(value, f"--tag {key}")
    if len(found) > _MOST_TAGS:
        raise UsageError(f"{len(found)} tags", hint=f"give {_MOST_TAGS} at most")
    return found


def _bounded(text: str, where: str) -> str:
    if len(text) > _LONGEST:
        raise UsageError(f"{where}: {len(text)} characters", hint=f"give {_LONGEST} at most")
    return text
