"""Form, order and prune candidate pairs by RFC 8445, with the reason for each pruned one."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from sfukit.probe.ice import priority
from sfukit.probe.ice.candidate import IceCandidate
from sfukit.probe.ice.case import Case, Check

LIMIT = 100  # RFC 8445 section 6.1.2.5

_TCP_MEETS: Mapping[str, str] = {"active": "passive", "passive": "active", "so": "so"}


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """A pair in the check list, or pruned and why; ranks begin at 1, None is not ranked.

    ``rank`` is by RFC 8445, ``score_rank`` by the articles' score of both candidates.
    """

    local: str
    remote: str
    local_kind: str
    remote_kind: str
    priority: int | None
    rank: int | None
    score: float
    score_rank: int | None
    state: str
    pruned: str | None = None
    rtt_ms: float | None = None
    selected: bool = False
    nominated: bool = False
    requests_sent: int | None = None
    responses_received: int | None = None
    requests_received: int | None = None


class _Formed(msgspec.Struct):
    local: IceCandidate
    remote: IceCandidate
    number: int | None
    check: Check | None
    pruned: str | None


def form(case: Case) -> list[Pair]:
    """List all pairs: the check list in order, then pruned pairs."""
    formed = _with_checks(case)
    for each in formed:
        if each.check is None and each.pruned is None:
            each.pruned = _unpairable(each.local, each.remote)
    formed.sort(key=lambda each: (each.pruned is not None, -(each.number or 0)))
    _prune(formed)
    formed.sort(key=lambda each: each.pruned is not None)
    scores = [_score(each) for each in formed]
    listed = [index for index, each in enumerate(formed) if each.pruned is None]
    by_score = sorted(listed, key=lambda index: -scores[index])
    return [
        _pair(
            each,
            listed.index(index) + 1 if index in listed and each.number is not None else None,
            scores[index],
            by_score.index(index) + 1 if index in listed else None,
        )
        for index, each in enumerate(formed[: LIMIT * 4])
    ]


def _with_checks(case: Case) -> list[_Formed]:
    """Form all pairs; pairs that a browser checked are kept in any case."""
    checks = {(_place(c.local), _place(c.remote)): c for c in case.checks}
    formed = []
    for local in case.local.candidates[:LIMIT]:
        for remote in case.remote.candidates[:LIMIT]:
            check = checks.pop((_place(local), _place(remote)), None)
            formed.append(_formed(case, local, remote, check))
    formed += [_formed(case, check.local, check.remote, check) for check in checks.values()]
    return formed


def _formed(case: Case, local: IceCandidate, remote: IceCandidate, check: Check | None) -> _Formed:
    number = None
    if local.priority is not None and remote.priority is not None:
        controlling = case.role != "controlled"
        ours, theirs = local.priority, remote.priority
        number = priority.of_pair(ours, theirs) if controlling else priority.of_pair(theirs, ours)
    return _Formed(local, remote, number, check, None)


def _unpairable(local: IceCandidate, remote: IceCandidate) -> str | None:
    """Return why two candidates form no pair (RFC 8445 section 6.1.2.2, RFC 6544 section 6.2)."""
    if local.component != remote.component:
        return f"components {local.component} and {remote.component}"
    if local.transport != remote.transport:
        return f"{local.transport} and {remote.transport}"
    types = (local.tcp_type, remote.tcp_type)
    if local.transport == "tcp" and all(types) and _TCP_MEETS.get(types[0] or "") != types[1]:
        return f"tcp {types[0]} and {types[1]}"
    if local.ip and remote.ip:
        if local.ip.version != remote.ip.version:
            return f"IPv{local.ip.version} and IPv{remote.ip.version}"
        if local.ip.is_link_local != remote.ip.is_link_local:
            return "a link-local address and another"
        if local.ip.is_loopback != remote.ip.is_loopback:
            return "a loopback address and another"
    return None


def _prune(formed: Sequence[_Formed]) -> None:
    """Prune pairs with the same base and remote candidate (RFC 8445 section 6.1.2.4).

    The first is kept, unless the browser itself checked another one.
    """
    kept: dict[tuple[object, object], _Formed] = {}
    for each in formed:
        key = (_base(each.local), _place(each.remote))
        if each.pruned is None and (key not in kept or (each.check and not kept[key].check)):
            kept[key] = each
    for number, each in enumerate(each for each in formed if each.pruned is None):
        known = kept[_base(each.local), _place(each.remote)]
        if known is not each and each.check is None:
            each.pruned = f"the same base as the {known.local.kind} candidate"
        elif number >= LIMIT:
            each.pruned = f"beyond the limit of {LIMIT} pairs"


def _base(local: IceCandidate) -> tuple[str, str, int]:
    """Return the base of a candidate (RFC 8445 section 4)."""
    if local.kind in ("srflx", "prflx") and local.related_address and local.related_port:
        return local.transport, local.related_address, local.related_port
    return _place(local)


def _place(candidate: IceCandidate) -> tuple[str, str, int]:
    return candidate.transport, candidate.address, candidate.port


def _score(each: _Formed) -> float:
    rtt_ms = each.check.rtt_ms if each.check else None
    scores: Iterable[float] = (
        priority.score(candidate, rtt_ms) for candidate in (each.local, each.remote)
    )
    return round(sum(scores), 1)


def _pair(each: _Formed, rank: int | None, score: float, score_rank: int | None) -> Pair:
    check = each.check
    state = check.state if check else "pruned" if each.pruned else "not checked"
    return Pair(
        local=each.local.endpoint,
        remote=each.remote.endpoint,
        local_kind=_kind(each.local),
        remote_kind=_kind(each.remote),
        priority=each.number,
        rank=rank,
        score=score,
        score_rank=score_rank,
        state=state,
        pruned=each.pruned,
        rtt_ms=check.rtt_ms if check else None,
        selected=check.selected if check else False,
        nominated=check.nominated if check else False,
        requests_sent=check.requests_sent if check else None,
        responses_received=check.responses_received if check else None,
        requests_received=check.requests_received if check else None,
    )


def _kind(candidate: IceCandidate) -> str:
    over = candidate.transport
    return candidate.kind if over == "udp" else f"{candidate.kind} {over}"
