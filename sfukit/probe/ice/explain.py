"""The report of ``sfukit ice-explain``: outcome, cause and findings of each connection."""

from collections.abc import Sequence

import msgspec

from sfukit import report
from sfukit.errors import ExitCode
from sfukit.probe.finding import Finding
from sfukit.probe.ice import findings, outcome, pairs
from sfukit.probe.ice.candidate import IceCandidate
from sfukit.probe.ice.case import Case, Event, ServerError, Side
from sfukit.probe.ice.outcome import Outcome
from sfukit.probe.ice.pairs import Pair
from sfukit.probe.ice.priority import Priority, score

_MOST_PAIRS = 200
_MOST_MOMENTS = 200


class CandidateEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate with the parts of its priority; ``score`` without RTT."""

    side: str
    candidate: IceCandidate
    priority: Priority | None
    usual_priority: bool | None
    score: float


class UnreadLine(msgspec.Struct, frozen=True, kw_only=True):
    """An invalid candidate line, and why."""

    side: str
    line: str
    reason: str


class ConnectionReport(msgspec.Struct, frozen=True, kw_only=True):
    """One connection; ``cause`` is the name of the likeliest finding that explains its outcome.

    ``unread`` are the first invalid candidate lines, ``unread_count`` counts all.
    """

    name: str
    outcome: Outcome
    cause: str | None
    summary: str
    role: str | None
    candidates: list[CandidateEntry]
    unread: list[UnreadLine]
    unread_count: int
    pairs: list[Pair]
    events: list[Event]
    server_errors: list[ServerError]
    findings: list[Finding]


class IceExplainReport(report.Envelope, kw_only=True, frozen=True):
    """The JSON of ``sfukit ice-explain``; ``input`` is the kind of input."""

    input: str
    connections: list[ConnectionReport]


def conclude(kind: str, cases: Sequence[Case], now_s: float) -> IceExplainReport:
    """Explain every connection; one that failed, or a bad finding, fails the whole."""
    explained = [explain(case, now_s) for case in cases]
    bad = any(
        each.outcome in ("failed", "lost") or any(f.state == "bad" for f in each.findings)
        for each in explained
    )
    return IceExplainReport(
        schema=report.schema_id("ice-explain"),
        command="ice-explain",
        verdict="fail" if bad else "pass",
        exit_code=ExitCode.FAILED if bad else ExitCode.OK,
        input=kind,
        connections=explained,
    )


def explain(case: Case, now_s: float) -> ConnectionReport:
    """Explain one connection."""
    ended = outcome.judge(case)
    formed = pairs.form(case)
    found = findings.find(case, ended, formed, now_s)
    cause = _cause(ended, found)
    return ConnectionReport(
        name=case.name,
        outcome=ended,
        cause=cause.name if cause else None,
        summary=_summary(case, ended, formed, cause),
        role=case.role,
        candidates=[*_listed("local", case.local), *_listed("remote", case.remote)],
        unread=[*_unread("local", case.local), *_unread("remote", case.remote)],
        unread_count=case.local.unread_count + case.remote.unread_count,
        pairs=formed[:_MOST_PAIRS],
        events=case.events[:_MOST_MOMENTS],
        server_errors=case.errors,
        findings=found,
    )


def _cause(ended: Outcome, found: Sequence[Finding]) -> Finding | None:
    """Return the first bad finding; where ICE failed without one, the first warning."""
    wanted = ("bad", "warning") if ended in ("failed", "lost") else ("bad",)
    return next((finding for finding in found if finding.state in wanted), None)


def _listed(name: str, side: Side) -> list[CandidateEntry]:
    return [
        CandidateEntry(
            side=name,
            candidate=candidate,
            priority=(parts := Priority.of(candidate.priority) if candidate.priority else None),
            usual_priority=parts.usual_for(candidate.kind, candidate.transport) if parts else None,
            score=score(candidate, None),
        )
        for candidate in side.candidates
    ]


def _unread(name: str, side: Side) -> list[UnreadLine]:
    return [UnreadLine(side=name, line=each.line, reason=each.reason) for each in side.unread]


def _summary(case: Case, ended: Outcome, formed: Sequence[Pair], cause: Finding | None) -> str:
    """Describe the outcome and its cause."""
    because = f": {cause.text}" if cause else ""
    match ended:
        case "connected":
            return f"connected over {_chosen(case, formed)}{because}"
        case "failed":
            tried = _listed_pairs(formed)
            none = f"no pair of {tried} worked" if tried else "and the record contains no pair"
            return f"failed, {none}{because}"
        case "lost":
            return f"connected at first over {_chosen(case, formed)}, then lost{because}"
        case "checking":
            return f"still checking at the end of the record{because}"
    return f"the input does not contain the outcome{because}"


def _chosen(case: Case, formed: Sequence[Pair]) -> str:
    chosen = next((pair for pair in formed if pair.selected), None)
    if chosen is None:
        return "a pair that the input does not contain"
    rtt = "" if chosen.rtt_ms is None else f", RTT {chosen.rtt_ms:g} ms"
    rank = f", first of {_listed_pairs(formed)} by RFC 8445" if chosen.rank == 1 else ""
    if chosen.rank and chosen.rank > 1:
        better = [pair for pair in formed if pair.rank and pair.rank < chosen.rank]
        states = ", ".join(sorted({pair.state for pair in better}))
        rank = f", number {chosen.rank} by RFC 8445: the better ones are {states}"
    return f"{chosen.local_kind} {chosen.local} to {chosen.remote_kind} {chosen.remote}{rtt}{rank}"


def _listed_pairs(formed: Sequence[Pair]) -> int:
    return sum(1 for pair in formed if pair.pruned is None)
