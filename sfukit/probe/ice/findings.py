"""The findings about a connection, the likeliest cause first."""

from collections.abc import Callable, Iterator

from sfukit.probe.finding import Finding
from sfukit.probe.ice import addresses, servers
from sfukit.probe.ice.case import Case, Side
from sfukit.probe.ice.outcome import Outcome
from sfukit.probe.ice.pairs import Pair

Rule = Callable[[Case, Outcome, list[Pair]], Iterator[Finding]]


def find(case: Case, outcome: Outcome, pairs: list[Pair], now_s: float) -> list[Finding]:
    """Apply every rule; ``now_s`` is the Unix time for undated input. Bad ones first."""
    found = list(servers.credentials(case, now_s))
    for rule in _RULES:
        found += rule(case, outcome, pairs)
    order = ("bad", "warning", "unknown", "note", "ok")
    return sorted(found, key=lambda each: order.index(each.state))


def _role_conflict(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    local, remote = case.local, case.remote
    if local.ice_lite and remote.ice_lite:
        reason = "both sides are ICE-lite: no side sends connectivity checks"
    elif case.role and case.role == case.remote_role:
        reason = f"both sides are {case.role}"
    elif local.description == remote.description == "offer":
        reason = "both descriptions are offers: both sides are controlling"
    elif case.conflict_logged:
        reason = "the browser logged a role conflict"
    else:
        return
    yield Finding(
        name="role_conflict",
        state="bad" if outcome != "connected" else "warning",
        text=f"{reason} (RFC 8445 section 7.3.1.1)",
        fix="one side has to offer, the other to answer; on glare one rolls back",
    )


def _nothing_from_far(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    if not case.events or not case.local.known or case.remote.candidates:
        return
    if not case.remote.known:
        text = "no remote description was set: no answer was received"
        yield Finding(
            name="no_remote_description",
            state="bad",
            text=text,
            fix="check the signaling: was the offer received, was an answer sent?",
        )
        return
    yield Finding(
        name="no_remote_candidates",
        state="bad" if outcome != "connected" else "note",
        text="the remote side sent no candidate, neither in its description nor by trickle",
        fix="check the signaling of candidates (trickle), and the remote side's firewall",
    )


def _no_local(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    done = any(m.type == "gathering" and m.value == "complete" for m in case.events)
    if case.local.candidates or not done:
        return
    text = "the local side gathered no candidate"
    if case.relay_only:
        text += ": iceTransportPolicy is relay, and no TURN server allocated one"
    yield Finding(
        name="no_local_candidates",
        state="bad",
        text=text,
        fix="see the errors of the servers" if case.errors else "is there a network?",
    )


def _wrong_ufrag(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    for name, side in (("local", case.local), ("remote", case.remote)):
        if not side.ufrags:
            continue
        strange = [c for c in side.candidates if c.ufrag and c.ufrag not in side.ufrags]
        if strange:
            yield Finding(
                name="ufrag_mismatch",
                state="bad" if outcome != "connected" else "warning",
                text=f"{len(strange)} {name} candidates belong to another description "
                f"(ufrag {strange[0].ufrag}, described {', '.join(side.ufrags)})",
                fix="candidates and description of an ICE restart must have the same ufrag",
            )


def _checks(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    """Judge by connectivity checks sent, received and answered."""
    sent = sum(check.requests_sent or 0 for check in case.checks)
    asked = sum(check.requests_received or 0 for check in case.checks)
    answered = sum(check.responses_received or 0 for check in case.checks)
    if outcome in ("connected", "lost") or answered or not (sent or asked):
        return
    evidence = [f"{sent} checks sent, {answered} answered, {asked} received from the remote side"]
    if asked:
        yield Finding(
            name="one_way_firewall",
            state="bad",
            text="checks of the remote side are received, and no local check is answered: "
            "outbound packets are dropped on the path",
            fix="allow outbound UDP here, or inbound at the remote side; or use a TURN server",
            evidence=evidence,
        )
    elif case.remote_requests_received:
        yield Finding(
            name="one_way_firewall",
            state="bad",
            text=f"the remote side received {case.remote_requests_received} local checks, and none "
            "of its packets is received here",
            fix="allow outbound UDP there, or inbound here; or use a TURN server",
            evidence=evidence,
        )
    elif _servers_silent(case):
        yield Finding(
            name="udp_blocked",
            state="bad",
            text="neither a server nor the remote side answered over UDP: UDP is blocked here",
            fix="allow outbound UDP, or offer TURN over TCP or TLS on port 443",
            evidence=evidence,
        )
    else:
        yield Finding(
            name="no_answer_from_peer",
            state="bad",
            text=f"no check reached the remote side, or no response arrived ({evidence[0]})",
            fix="add the remote side's record (--remote): did any check arrive there?",
            evidence=evidence,
        )


def _servers_silent(case: Case) -> bool:
    """Whether no server answered; one of several may be silent, for example without IPv6."""
    silent = [
        error
        for error in case.errors
        if error.code == servers.NO_ANSWER and not servers.is_lookup(error)
    ]
    return bool(silent) and not servers.udp_answered(case)


def _lost(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    if outcome == "lost":
        yield Finding(
            name="consent_lost",
            state="bad",
            text="the pair worked, then consent expired without responses (RFC 7675)",
            fix="the remote side ended or changed its network, or a NAT mapping expired; "
            "an ICE restart finds a new path",
        )


def _dtls(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    failed = case.dtls_state == "failed" or any(
        event.type == "connection" and event.value == "failed" for event in case.events
    )
    if outcome == "connected" and failed:
        yield Finding(
            name="dtls_failed",
            state="bad",
            text="ICE connected, and DTLS failed on the selected pair",
            fix="compare the fingerprints; if they match, large packets may be lost (MTU)",
        )


def _no_pair(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    both = case.local.candidates and case.remote.candidates
    if both and pairs and all(pair.pruned for pair in pairs):
        reasons = sorted({pair.pruned or "" for pair in pairs})
        yield Finding(
            name="no_pair",
            state="bad",
            text=f"no local and remote candidate form a pair: {'; '.join(reasons[:3])}",
            fix="both sides need a common transport and address family",
        )


def _no_relay(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    def relays(side: Side) -> bool:
        return any(candidate.kind == "relay" for candidate in side.candidates)

    both_known = case.local.candidates and case.remote.candidates
    if outcome == "failed" and both_known and not (relays(case.local) or relays(case.remote)):
        yield Finding(
            name="no_relay",
            state="warning",
            text="no side had a relay candidate",
            fix="give the clients a TURN server, with TCP or TLS on port 443 too",
        )


def _relayed(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    chosen = case.selected
    if outcome != "connected" or chosen is None:
        return
    if "relay" in (chosen.local.kind, chosen.remote.kind):
        direct = [p for p in pairs if not p.pruned and "relay" not in (p.local_kind, p.remote_kind)]
        failed = sum(pair.state == "failed" for pair in direct)
        yield Finding(
            name="relayed",
            state="note",
            text=f"media are relayed: of {len(direct)} direct pairs {failed} failed",
            fix="sfukit nat-probe shows the NAT behaviour",
        )


def _not_understood(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    for name, side in (("local", case.local), ("remote", case.remote)):
        if side.unread_count:
            reasons = list(dict.fromkeys(each.reason for each in side.unread))
            yield Finding(
                name="candidates_not_understood",
                state="warning",
                text=f"{side.unread_count} {name} candidate lines are invalid: "
                f"{'; '.join(reasons[:3])}",
                fix="browsers reject them as well: correct them where they are generated",
                evidence=[each.line for each in side.unread[:5]],
            )


def _refused_remote(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    if case.refused_remote is not None:
        yield Finding(
            name="remote_candidate_refused",
            state="warning" if outcome != "connected" else "note",
            text=f"the browser rejected a remote candidate: {case.refused_remote}",
            fix="was it added before the description, for another m-line, or is it malformed?",
        )


_RULES: tuple[Rule, ...] = (
    *(_role_conflict, servers.no_srflx, _nothing_from_far, addresses.unreachable_server, _no_local),
    *(addresses.mdns_only, addresses.tcp_only, _wrong_ufrag, _checks, _lost, _dtls, _no_pair),
    *(addresses.symmetric, _no_relay, _relayed, servers.lookups, _not_understood),
    *(_refused_remote,),
)
