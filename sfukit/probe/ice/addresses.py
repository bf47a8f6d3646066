"""Findings about the candidates: mDNS names, transports, private addresses, symmetric NAT."""

from collections import defaultdict
from collections.abc import Iterator

from sfukit.probe.finding import Finding
from sfukit.probe.ice.candidate import address_scope
from sfukit.probe.ice.case import Case, Side
from sfukit.probe.ice.outcome import Outcome
from sfukit.probe.ice.pairs import Pair


def unreachable_server(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    """A remote or ICE-lite side that offers only private addresses."""
    if outcome in ("connected", "lost"):
        return
    alone = not case.remote.known and case.local.description == "answer"
    sides = []
    if case.local.candidates and not _same_network(case):
        sides.append(("the remote side", case.remote))
    if case.local.ice_lite or alone:
        sides.append(("the server" if case.local.ice_lite else "the answer", case.local))
    for name, side in sides:
        found = side.candidates
        if not found or not all(c.kind == "host" and c.private for c in found):
            continue
        address = found[0].ip
        where = address_scope(address) if address else "a private network"
        yield Finding(
            name="sfu_private_host_candidate",
            state="warning" if name == "the answer" else "bad",
            text=f"{name} offers only {found[0].address}, an address of {where}",
            fix="let the server advertise the address that clients reach it at "
            "(sfukit serve --advertise)",
        )


def mdns_only(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    """A side whose candidates are all mDNS names."""
    for name, side in (("the local side", case.local), ("the remote side", case.remote)):
        if side.candidates and all(candidate.is_mdns for candidate in side.candidates):
            yield Finding(
                name="mdns_only",
                state="bad" if outcome == "failed" else "warning",
                text=f"{name} offers only mDNS names, which resolve only in its own network",
                fix="a server with a public address uses peer-reflexive candidates instead; "
                "two browsers need a STUN server, or camera permission",
            )


def tcp_only(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    """A side without any UDP candidate."""
    for name, side in (("the local side", case.local), ("the remote side", case.remote)):
        if side.candidates and all(_over_tcp(side)):
            yield Finding(
                name="tcp_only",
                state="warning",
                text=f"{name} has no UDP candidate: media wait for TCP retransmissions",
                fix="allow UDP; TCP is the fallback of networks that block UDP",
            )


def symmetric(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    """One base with different server-reflexive ports: endpoint-dependent mapping."""
    for name, side in (("the local side", case.local), ("the remote side", case.remote)):
        seen: dict[tuple[str, int], set[str]] = defaultdict(set)
        for found in side.candidates:
            if found.kind == "srflx" and found.related_address and found.related_port:
                seen[found.related_address, found.related_port].add(found.endpoint)
        mapped = max(seen.values(), key=len, default=set())
        if len(mapped) > 1:
            yield Finding(
                name="symmetric_nat",
                state="warning",
                text=f"{name} is behind a symmetric NAT: one socket is mapped to "
                f"{' and '.join(sorted(mapped)[:3])}",
                fix="a relay is needed towards every peer with APDF filtering",
            )


def _over_tcp(side: Side) -> Iterator[bool]:
    return (candidate.transport != "udp" for candidate in side.candidates)


def _same_network(case: Case) -> bool:
    """Whether a host candidate here shares /24 or /64 with one there, so that it may be reached."""
    ours, theirs = (
        {_network(c.address) for c in side.candidates} for side in (case.local, case.remote)
    )
    return bool((ours & theirs) - {""})


def _network(address: str) -> str:
    if ":" in address:
        return ":".join(address.split(":")[:4])
    return address.rpartition(".")[0] if address[-1:].isdigit() else ""
