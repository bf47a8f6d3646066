"""Read getStats() of a browser: candidates, candidate pairs and the transport."""

import math
from collections.abc import Mapping
from typing import Any

from sfukit.probe.ice import unix_time
from sfukit.probe.ice.candidate import MAX_CANDIDATES, IceCandidate, kind_of, network_of
from sfukit.probe.ice.case import Case, Check, new_case

Stats = Mapping[str, Mapping[str, Any]]

_MAX_PAIRS = 1000
_LONGEST_NUMBER = 32
_BELOW = ("values", "members")
_TIMES = ("timestamp", "timestamp_us", "timestampUs")


def by_id(document: Any) -> dict[str, dict[str, Any]]:
    """Normalize the JSON shapes of a saved report to a table by id."""
    if isinstance(document, dict):
        document = {key: _flat(value) for key, value in document.items()}
        values = list(document.values())
        if not any(_is_stat(value) for value in values):
            nested = [value for value in values if isinstance(value, (dict, list))]
            return by_id(nested[0]) if len(nested) == 1 else {}
        return {str(key): value for key, value in document.items() if _is_stat(value)}
    if isinstance(document, list):
        pairs = [_flat(each[1] if _is_entry(each) else each) for each in document]
        return {str(value.get("id")): value for value in pairs if _is_stat(value)}
    return {}


def _flat(value: Any) -> Any:
    """Flatten a native statistic, whose members bindings of libwebrtc nest."""
    if not _is_stat(value):
        return value
    below = next((value[name] for name in _BELOW if isinstance(value.get(name), dict)), None)
    return value if below is None else {**below, **value}


def cases(document: Any) -> list[Case]:
    """Read a saved report as one connection."""
    case = new_case("getStats()")
    add_stats(case, by_id(document))
    return [case]


def add_stats(case: Case, stats: Stats) -> None:
    """Add the statistics of a connection."""
    _add_transport(case, stats)
    known: dict[str, IceCandidate] = {}
    for identifier, stat in stats.items():
        kind = str(stat.get("type", "")).replace("-", "")
        if kind in ("localcandidate", "remotecandidate") and len(known) < MAX_CANDIDATES:
            found = _candidate(stat)
            if found is None:
                continue
            known[identifier] = found
            side = case.local if kind == "localcandidate" else case.remote
            side.known = True
            if not _unspecific(found):
                side.add(found)
    chosen = _selected(stats)
    for identifier, stat in list(stats.items()):
        if str(stat.get("type", "")).replace("-", "") == "candidatepair":
            local = known.get(str(stat.get("localCandidateId")))
            remote = known.get(str(stat.get("remoteCandidateId")))
            if local and remote and len(case.checks) < _MAX_PAIRS:
                case.checks.append(_check(stat, local, remote, identifier in chosen))


def _add_transport(case: Case, stats: Stats) -> None:
    for stat in stats.values():
        for name in _TIMES:
            time_s = unix_time.seconds(_number(stat.get(name)))
            case.recorded_s = max(case.recorded_s or 0.0, time_s) if time_s else case.recorded_s
        if stat.get("type") == "transport":
            case.role = _word(stat.get("iceRole")) or case.role
            case.ice_state = case.ice_state or _word(stat.get("iceState"))
            case.dtls_state = _word(stat.get("dtlsState")) or case.dtls_state


def _selected(stats: Stats) -> set[str]:
    named = {
        str(stat["selectedCandidatePairId"])
        for stat in stats.values()
        if stat.get("type") == "transport" and stat.get("selectedCandidatePairId")
    }
    return named or {key for key, stat in stats.items() if _is_true(stat.get("selected"))}


def _candidate(stat: Mapping[str, Any]) -> IceCandidate | None:
    address = _word(stat.get("address")) or _word(stat.get("ip")) or _word(stat.get("ipAddress"))
    port = _count(stat.get("port", stat.get("portNumber")))
    if port is None or port > 65535:
        return None
    return IceCandidate(
        kind=kind_of(str(stat.get("candidateType", "unknown")))[:16],
        transport=str(stat.get("protocol", stat.get("transport", "udp"))).lower()[:8],
        # browsers omit the address where the page must not see it
        address=(address or "(hidden)").lower()[:255],
        port=port,
        priority=_priority(stat.get("priority")),
        foundation=(_word(stat.get("foundation")) or "")[:32],
        tcp_type=_word(stat.get("tcpType")),
        related_address=_word(stat.get("relatedAddress")),
        related_port=_count(stat.get("relatedPort")),
        ufrag=_word(stat.get("usernameFragment")),
        network=network_of(_word(stat.get("networkType"))),
        server=_word(stat.get("url")),
    )


def _check(
    stat: Mapping[str, Any], local: IceCandidate, remote: IceCandidate, selected: bool
) -> Check:
    rtt_s = _number(stat.get("currentRoundTripTime"))
    answered = _count(stat.get("responsesReceived"))
    return Check(
        local=local,
        remote=remote,
        state=str(stat.get("state", "unknown")).replace("inprogress", "in-progress")[:16],
        nominated=_is_true(stat.get("nominated")),
        selected=selected,
        rtt_ms=None if rtt_s is None or answered == 0 else round(rtt_s * 1000, 3),
        requests_sent=_count(stat.get("requestsSent")),
        responses_received=answered,
        requests_received=_count(stat.get("requestsReceived")),
        responses_sent=_count(stat.get("responsesSent")),
    )


def _unspecific(found: IceCandidate) -> bool:
    """Return whether a candidate of Chromium is of an unspecified address."""
    return found.address in ("0.0.0.0", "::")


def _is_stat(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("type"), str)


def _is_entry(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and _is_stat(value[1])


def _word(value: Any) -> str | None:
    return value[:255] if isinstance(value, str) and value else None


def _number(value: Any) -> float | int | None:
    """Read a number; some bindings write them as strings."""
    if isinstance(value, str) and len(value) < _LONGEST_NUMBER:
        try:
            value = float(value) if set(value) & set(".eE") else int(value)
        except ValueError:
            return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return value if is_number and math.isfinite(value) else None


def _is_true(value: Any) -> bool:
    return value is True or (isinstance(value, str) and value.lower() == "true")


def _count(value: Any) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 2**63 else None


def _priority(value: Any) -> int | None:
    number = _count(value)
    return number if number is not None and number < 2**32 else None
