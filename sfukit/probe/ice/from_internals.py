"""Read a dump of chrome://webrtc-internals: API calls, events and the last statistics."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from sfukit.probe.ice import candidate, from_sdp, from_stats, unix_time
from sfukit.probe.ice.case import Case, Event, IceServer, ServerError, new_case

_MAX_CONNECTIONS = 50
MAX_MOMENTS = 5000

# names of state changes in dumps, with or without "on"
_STATES: Mapping[str, str] = {
    "iceconnectionstatechange": "ice",
    "icegatheringstatechange": "gathering",
    "connectionstatechange": "connection",
    "signalingstatechange": "signaling",
}
_REFUSALS = ("addicecandidatefailed", "addicecandidateonfailure")
_URLS = re.compile(r"(?:stun|turn)s?:[^\s,\"'\]}]{1,255}")
_CODE = re.compile(r"error_?code\"?:\s*(\d{3})", re.IGNORECASE)
_TEXT = re.compile(r"error_?text\"?:\s*\"?([^\",\n]{1,200})", re.IGNORECASE)
_DESCRIPTION_TYPE = re.compile(r"type\"?:\s*\"?(offer|answer|pranswer)")


def cases(document: Mapping[str, Any]) -> list[Case]:
    """Read every connection of a dump, in its order."""
    connections = document.get("PeerConnections")
    if not isinstance(connections, dict):
        return []
    read = []
    for name, connection in list(connections.items())[:_MAX_CONNECTIONS]:
        if isinstance(connection, dict):
            read.append(_case(str(name)[:64], connection))
    return read


def _case(name: str, connection: Mapping[str, Any]) -> Case:
    url = str(connection.get("url", ""))[:120]
    case = new_case(f"connection {name} of {url}" if url else f"connection {name}")
    configure(case, connection.get("rtcConfiguration"))
    log = connection.get("updateLog")
    entries = [entry for entry in log if isinstance(entry, dict)] if isinstance(log, list) else []
    times = [_time_ms(entry) for entry in entries[:MAX_MOMENTS]]
    first = next((time for time in times if time is not None), None)
    for entry, time in zip(entries, times, strict=False):
        at_ms = None if time is None or first is None else round(time - first, 1)
        add_event(case, str(entry.get("type", "")), _text(entry.get("value")), at_ms)
    from_stats.add_stats(case, dict(_last_statistics(connection.get("stats"))))
    known = [time for time in times if time is not None]
    recorded_s = unix_time.seconds(known[-1]) if known else None
    if recorded_s is not None:
        case.recorded_s = max(case.recorded_s or 0.0, recorded_s)
    return case


def configure(case: Case, given: Any) -> None:
    """Read the configured servers; Chromium omits user names and passwords in dumps."""
    text = _text(given)
    case.servers = [IceServer(url) for url in dict.fromkeys(_URLS.findall(text))]
    case.relay_only = re.search(r"iceTransportPolicy\"?:\s*\"?relay", text) is not None


def add_event(case: Case, event: str, value: str, at_ms: float | None) -> None:
    """Add one event by its name, with its value as text and the time since the first."""
    event = event.removeprefix("on").lower() if event.startswith("on") else event.lower()
    if event in _STATES:
        case.events.append(Event(at_ms, _STATES[event], value.strip('" ')[:40]))
        if event == "iceconnectionstatechange":
            case.ice_state = value.strip('" ')[:40]
    elif event == "icecandidate":
        for found in case.local.read(value):
            case.local.add(_gathered(found, value, at_ms))
    elif event == "addicecandidate":
        for found in case.remote.read(value):
            case.remote.add(found)
    elif event in _REFUSALS:
        case.refused_remote = case.refused_remote or value.strip('" ')[:200]
    elif event == "icecandidateerror":
        _add_error(case, value, at_ms)
    elif "sdp" in value and event in (
        *("setlocaldescription", "setlocaldescriptiononsuccess", "setremotedescription"),
        "setremotedescriptiononsuccess",
    ):
        _add_description(case, event, value, at_ms)


def _gathered(
    found: candidate.IceCandidate, value: str, at_ms: float | None
) -> candidate.IceCandidate:
    urls = _URLS.findall(value)
    more = {"gathered_ms": at_ms, "server": urls[0] if urls else None}
    return msgspec.structs.replace(found, **more)


def _add_description(case: Case, event: str, value: str, at_ms: float | None) -> None:
    local = "local" in event
    side = case.local if local else case.remote
    sdp = _field(value, "sdp") or value.replace("\\r\\n", "\n")
    if (kind := _DESCRIPTION_TYPE.search(value)) and side.description is None:
        side.description = kind[1]
    from_sdp.describe(side, sdp)
    if not event.endswith("onsuccess"):
        case.events.append(Event(at_ms, "description", "local" if local else "remote"))


def _add_error(case: Case, value: str, at_ms: float | None) -> None:
    url, code, text = _URLS.search(value), _CODE.search(value), _TEXT.search(value)
    if url and code:
        error = ServerError(url[0], int(code[1]), text[1].strip() if text else "", at_ms)
        if not any((known.url, known.code) == (error.url, error.code) for known in case.errors):
            case.errors.append(error)
        case.events.append(Event(at_ms, "server error", f"{error.code} {error.url}"))


def _last_statistics(given: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Collect the last value of each series: ``ID-name`` becomes ``name`` of ``ID``."""
    table: dict[str, dict[str, Any]] = {}
    for name, series in given.items() if isinstance(given, dict) else ():
        identifier, dash, field = str(name).rpartition("-")
        if not dash or not isinstance(series, dict):
            continue
        values = _json(series.get("values"))
        if isinstance(values, list) and values:
            stat = table.setdefault(identifier, {"id": identifier})
            stat[field] = values[-1]
            stat.setdefault("type", str(series.get("statsType", "")))
    yield from table.items()


def _time_ms(entry: Mapping[str, Any]) -> float | None:
    """Read the time of an event: milliseconds since 1970, or an ISO time in older dumps."""
    given = entry.get("timestamp", entry.get("time"))
    if isinstance(given, str) and re.fullmatch(r"\d{10,19}(\.\d+)?", given):
        given = float(given)
    if (time_s := unix_time.seconds(given)) is not None:
        return time_s * 1000
    if isinstance(given, (int, float)) and 0 < given < 1e15:
        return float(given)
    try:
        return datetime.fromisoformat(str(given)).timestamp() * 1000
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _json(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


def _field(value: str, name: str) -> str | None:
    document = _json(value)
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, str) else None
