"""The text of ``sfukit ice-explain``: lines with a style each."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from sfukit.probe.finding import Finding
from sfukit.probe.ice.case import Event
from sfukit.probe.ice.explain import CandidateEntry, ConnectionReport, IceExplainReport, UnreadLine
from sfukit.probe.ice.pairs import Pair

Line = tuple[str, str | None]

_MARKS = {"ok": "ok", "note": "note", "warning": "weak", "bad": "BAD", "unknown": "?"}
_STYLES = {"bad": "bold red", "warning": "yellow", "unknown": "yellow"}
_ENDS: Mapping[str, str | None] = {
    "connected": "green",
    "failed": "bold red",
    "lost": "bold red",
    "checking": "yellow",
    "unknown": None,
}
_MOST_PAIRS = 12
_MOST_CANDIDATES = 20
_MOST_UNREAD = 8
_KIND = 11


def render(result: IceExplainReport) -> Iterator[Line]:
    """Return the lines of each connection: tables first, findings last."""
    for index, connection in enumerate(result.connections):
        if index:
            yield "", None
        yield from _connection(connection, result.input)
    if len(result.connections) > 1:
        yield "", None
        yield _summary(result.connections)


def _summary(connections: Sequence[ConnectionReport]) -> Line:
    """Return the last line of a dump of several connections."""
    faults = [each.cause for each in connections if each.cause]
    if not faults:
        return f"OK      {len(connections)} connections, nothing bad found", "green"
    causes = ", ".join(dict.fromkeys(faults))
    return f"FAIL    {len(faults)} of {len(connections)} connections: {causes}", "bold red"


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    result = msgspec.json.decode(saved, type=IceExplainReport)
    return [text for text, _ in render(result)]


def _connection(explained: ConnectionReport, kind: str) -> Iterator[Line]:
    role = f", {explained.role}" if explained.role else ""
    read = "" if explained.name == kind else f" (from {kind})"
    yield f"{explained.name}{role}{read}", "bold"
    yield from _candidates(explained.candidates)
    yield from _unread(explained.unread)
    yield from _pairs(explained.pairs)
    yield from _states(explained.events)
    yield "", None
    for finding in explained.findings:
        yield from _finding(finding)
    bad = explained.cause is not None and explained.outcome not in ("failed", "lost")
    label = {"connected": "OK", "failed": "FAIL", "lost": "FAIL"}.get(explained.outcome, "")
    label = "FAIL" if bad else label or "?"
    yield f"{label:<8}{explained.summary}", "bold red" if bad else _ENDS[explained.outcome]


def _candidates(listed: Sequence[CandidateEntry]) -> Iterator[Line]:
    yield "", None
    width = _widest([each.candidate.endpoint for each in listed])
    kinds = max(_KIND, _widest([_kind(each) for each in listed]) + 1)
    if listed:
        yield (
            f"{'':<7}{'kind':<{kinds}}{'address':<{width}}{'type/local/comp':>17}{'score':>7}",
            "dim",
        )
    for each in listed[:_MOST_CANDIDATES]:
        yield _candidate(each, width, kinds), None
    if len(listed) > _MOST_CANDIDATES:
        yield f"       and {len(listed) - _MOST_CANDIDATES} more (--json has all)", "dim"
    if not listed:
        yield "no candidates", "yellow"


def _unread(unread: Sequence[UnreadLine]) -> Iterator[Line]:
    for each in unread[:_MOST_UNREAD]:
        yield f"{each.side:<7}not understood: {each.reason}: {each.line}", "yellow"
    if len(unread) > _MOST_UNREAD:
        yield f"       and {len(unread) - _MOST_UNREAD} more (--json has them)", "yellow"


def _candidate(each: CandidateEntry, width: int, kinds: int) -> str:
    found = each.candidate
    parts = each.priority
    numbers = (
        f"{parts.type_preference}/{parts.local_preference}/{parts.component}" if parts else "-"
    )
    head = f"{each.side:<7}{_kind(each):<{kinds}}{found.endpoint:<{width}}"
    return f"{head}{numbers:>17}{each.score:>7g}  {', '.join(_remarks(each))}".rstrip()


def _kind(each: CandidateEntry) -> str:
    found = each.candidate
    return found.kind if found.transport == "udp" else f"{found.kind} {found.transport}"


def _remarks(each: CandidateEntry) -> Iterator[str]:
    found = each.candidate
    if found.component != 1:
        yield f"component {found.component} (RTCP: unused with rtcp-mux)"
    if found.related_address and found.related_address not in ("0.0.0.0", "::"):
        yield f"of {found.related_address}:{found.related_port}"
    if found.tcp_type:
        yield found.tcp_type
    if found.network:
        yield found.network
    if found.server:
        yield f"by {found.server}"
    if found.gathered_ms is not None:
        yield f"at {found.gathered_ms:.0f} ms"
    if each.usual_priority is False:
        yield "unusual type preference"


def _pairs(pairs: Sequence[Pair]) -> Iterator[Line]:
    if not pairs:
        return
    yield "", None
    names = [_name(pair) for pair in pairs]
    width = _widest(names[:_MOST_PAIRS])
    yield f"{'RFC':>4}{'score':>6}  {'pair':<{width}}{'RTT':>9}  state", "dim"
    for pair, name in list(zip(pairs, names, strict=True))[:_MOST_PAIRS]:
        yield _pair(pair, name, width), _pair_style(pair)
    if len(pairs) > _MOST_PAIRS:
        yield f"      and {len(pairs) - _MOST_PAIRS} more (--json has all)", "dim"


def _pair(pair: Pair, name: str, width: int) -> str:
    rtt = "" if pair.rtt_ms is None else f"{pair.rtt_ms:g} ms" if pair.rtt_ms else "<1 ms"
    rank = pair.rank or "-"
    return f"{rank:>4}{pair.score_rank or '-':>6}  {name:<{width}}{rtt:>9}  {_state(pair)}"


def _state(pair: Pair) -> str:
    if pair.pruned:
        return f"no pair: {pair.pruned}"
    words = ["selected" if pair.selected else pair.state]
    if pair.requests_sent:
        words.append(f"{pair.responses_received or 0} of {pair.requests_sent} answered")
    if pair.requests_received:
        words.append(f"{pair.requests_received} received")
    return ", ".join(words)


def _pair_style(pair: Pair) -> str | None:
    if pair.selected:
        return "green"
    if pair.pruned:
        return "dim"
    return "red" if pair.state == "failed" else None


def _name(pair: Pair) -> str:
    return f"{pair.local_kind} {pair.local} > {pair.remote_kind} {pair.remote}"


def _states(events: Sequence[Event]) -> Iterator[Line]:
    """Return a line for each state machine, with the times of its transitions."""
    tracks: dict[str, list[str]] = {}
    for event in events:
        if event.type in ("gathering", "ice", "connection", "server error"):
            at = "" if event.at_ms is None else f" {_time(event.at_ms)}"
            tracks.setdefault(event.type, []).append(f"{event.value}{at}")
    if tracks:
        yield "", None
    for what, steps in tracks.items():
        shown = steps if len(steps) <= 8 else [*steps[:4], "...", *steps[-3:]]
        yield f"{what:<12} {' > '.join(shown)}", None


def _time(milliseconds: float) -> str:
    return f"{milliseconds:.0f} ms" if milliseconds < 10_000 else f"{milliseconds / 1000:.1f} s"


def _finding(finding: Finding) -> Iterator[Line]:
    yield f"{_MARKS[finding.state]:<8}{finding.name}: {finding.text}", _STYLES.get(finding.state)
    if finding.fix:
        yield f"        {finding.fix}", None


def _widest(texts: Sequence[str]) -> int:
    return max((len(text) for text in texts), default=0)
