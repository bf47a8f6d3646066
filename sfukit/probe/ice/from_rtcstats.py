"""Read a dump of rtcstats: one event a line, ``[method, connection, value, time]``.

Times after the first are differences, and getStats() contains changes since the last.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from sfukit.errors import UsageError
from sfukit.probe.ice import from_internals, from_stats, unix_time
from sfukit.probe.ice.case import Case, new_case

MARK = "RTCStatsDump"

_MAX_CONNECTIONS = 50
_MAX_EVENTS = 50_000
_MAX_STATS = 5000
_LOOKED_AT = 5


@dataclass
class _Connection:
    case: Case
    stats: dict[str, dict[str, Any]] = field(default_factory=dict)
    first_ms: float | None = None
    events: int = 0


def looks_like(text: str) -> bool:
    """Return whether a text is such a dump, by its mark or its first lines."""
    if text.lstrip().startswith(MARK):
        return True
    first = [line for line in text.lstrip()[:100_000].splitlines()[:_LOOKED_AT] if line.strip()]
    return len(first) > 1 and all(_event(line) is not None for line in first[:-1])


def cases(text: str, where: str) -> list[Case]:
    """Read every connection of a dump; raise ``UsageError`` where no event is understood."""
    connections: dict[str, _Connection] = {}
    clock_ms: float | None = None
    for method, name, value, time in _events(text):
        clock_ms = _advanced(clock_ms, time)
        if name is None:  # of the page, not of a connection
            continue
        if name not in connections:
            if len(connections) >= _MAX_CONNECTIONS:
                continue
            connections[name] = _Connection(new_case(f"connection {name[:64]}"))
        _add_event(connections[name], method, value, clock_ms)
    read = [_ended(each, clock_ms) for each in connections.values()]
    if not read:
        raise UsageError(
            f"{where}: a dump of rtcstats without an event of a known form",
            hint="known are lines of [method, connection, value, time]; or give getStats() as JSON",
        )
    return read


def _add_event(connection: _Connection, method: str, value: Any, at_ms: float | None) -> None:
    case = connection.case
    if connection.first_ms is None:
        connection.first_ms = at_ms
    since = None if at_ms is None or connection.first_ms is None else at_ms - connection.first_ms
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    if method == "create":
        from_internals.configure(case, json.dumps(only))
    elif method == "getStats":
        _merge(connection.stats, only)
    elif connection.events < from_internals.MAX_MOMENTS:
        connection.events += 1
        shown = only if isinstance(only, str) else json.dumps(only)
        from_internals.add_event(case, method, shown, None if since is None else round(since, 1))


def _merge(known: dict[str, dict[str, Any]], changed: Any) -> None:
    """Merge a report, which omits unchanged statistics."""
    for identifier, stat in changed.items() if isinstance(changed, dict) else ():
        if isinstance(stat, dict) and (identifier in known or len(known) < _MAX_STATS):
            known.setdefault(identifier, {}).update(stat)


def _ended(connection: _Connection, clock_ms: float | None) -> Case:
    case = connection.case
    from_stats.add_stats(case, from_stats.by_id(connection.stats))
    recorded_s = unix_time.seconds(clock_ms)
    if recorded_s is not None:
        case.recorded_s = max(case.recorded_s or 0.0, recorded_s)
    return case


def _advanced(clock_ms: float | None, time: Any) -> float | None:
    if isinstance(time, bool) or not isinstance(time, int | float):
        return clock_ms
    if unix_time.seconds(time) is not None:
        return float(time)
    return None if clock_ms is None else clock_ms + float(time)


def _events(text: str) -> Iterator[tuple[str, str | None, Any, Any]]:
    for number, line in enumerate(text.splitlines()):
        if number > _MAX_EVENTS:
            return
        event = _event(line)
        if event is not None:
            yield event


def _event(line: str) -> tuple[str, str | None, Any, Any] | None:
    if not line.lstrip().startswith("["):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, list) or len(found) < 3 or not isinstance(found[0], str):
        return None
    method, name, *rest = found
    if not (name is None or isinstance(name, str)):
        return None
    value, time = (rest[0], rest[-1]) if len(rest) > 1 else (None, rest[0])
    return method, name, value, time
