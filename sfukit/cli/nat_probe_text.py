"""The text of ``sfukit nat-probe``: labels with sentences."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sfukit.probe.nat.report import NatReport, PortResult

if TYPE_CHECKING:
    from sfukit.probe.nat.options import Options

_MAPPING = {
    "EIM": "endpoint-independent mapping",
    "ADM": "address-dependent mapping",
    "APDM": "address-and-port-dependent mapping",
}
_PEERS = {
    "open": "open peers",
    "full_cone": "full cone peers",
    "address_restricted": "address-restricted peers",
    "port_restricted": "port-restricted peers",
    "symmetric": "symmetric peers",
}
_GATE_STYLE = {True: "green", False: "bold red", None: "yellow"}
_VERDICT_STYLE = {"pass": "green", "fail": "bold red", "inconclusive": "yellow"}


class Line(NamedTuple):
    """One line: label, sentence, style."""

    label: str
    text: str
    style: str | None = None

    def __str__(self) -> str:
        return f"{self.label:<8} {self.text}"


def opening_line(options: "Options") -> str:
    """Return the line with the public servers and the tests that they support."""
    names = " and ".join(server.host for server in options.servers)
    return f"Servers  {names}: two networks; they support mapping tests, not filtering tests"


def lines(report: NatReport, changed: Sequence[str] = ()) -> Iterator[Line]:
    """Return the lines of a result; the environment is first, since the rest depends on it."""
    if changed:
        yield Line("Changed", "; ".join(changed), "bold yellow")
    for finding in report.environment:
        text = f"{finding.text}; {finding.fix}" if finding.fix else finding.text
        yield Line("Network", text, "yellow" if finding.state in ("warning", "bad") else None)
    if report.works.udp == "blocked":
        yield Line("UDP", f"blocked: {report.reason}", "bold red")
    elif report.reason is not None:
        yield Line("Server", report.reason, "bold yellow")
        yield from _silent_servers(report)
    if report.nat.present is not None:
        yield Line("NAT", _nat(report), "bold")
        yield Line("Public", _public(report))
    yield from _details(report)
    if report.nat.present is not None or report.works.udp == "blocked":
        yield Line("P2P", _p2p(report))
        yield Line("SFU", _sfu(report))
        yield Line("TURN", _turn(report))
    for advice in report.works.advice:
        yield Line("Do", advice)
    for warning in report.warnings:
        yield Line("Note", warning, "yellow")
    for gate in report.gates:
        mark = {True: "ok", False: "FAILED", None: "unknown"}[gate.ok]
        value = "unknown" if gate.value is None else gate.value
        yield Line("Expect", f"{gate.gate}: {mark} (it is {value})", _GATE_STYLE[gate.ok])
    if report.nat.present is not None:
        text = f"{report.confidence} ({report.confidence_reason})"
        yield Line("Confidence", text, _VERDICT_STYLE[report.verdict])


def _silent_servers(report: NatReport) -> Iterator[Line]:
    for server in report.servers:
        if not server.answered and (server.reason or "") not in (report.reason or ""):
            yield Line("", f"{server.name}: {server.reason}")


def _nat(report: NatReport) -> str:
    nat = report.nat
    if nat.present is False:
        filtering = {
            "EIF": "inbound packets are not filtered (EIF)",
            "ADF": "a firewall filters by address (ADF)",
            "APDF": "a firewall filters by address and port (APDF)",
        }.get(nat.filtering, f"filtering unknown: {nat.reason.get('filtering', '')}")
        return f"none: servers see this machine's own address; {filtering}"
    if nat.filtering == "unknown":
        other = "symmetric" if nat.endpoint_dependent else "mapping unknown"
        head = _MAPPING.get(nat.mapping, other)
        reason = nat.reason.get("mapping")
        head += f" ({reason})" if reason else ""
        return f"{head}; filtering unknown: {nat.reason.get('filtering', '')}{_ports_kept(report)}"
    if nat.mapping == "unknown":
        return f"mapping unknown: {nat.reason.get('mapping', '')}; filtering {nat.filtering}"
    return f"{nat.classic} ({nat.mapping} / {nat.filtering}){_ports_kept(report)}"


def _ports_kept(report: NatReport) -> str:
    allocation = report.nat.allocation
    match allocation.kind:
        case "port_preservation":
            return ", preserves ports"
        case "sequential":
            return f", ports count by {allocation.delta:+d}"
        case "block":
            return f", ports from a block of {allocation.span} or more"
        case "random":
            return ", random ports"
        case _:
            return ""


def _public(report: NatReport) -> str:
    ips = list(dict.fromkeys(mapped.address.rpartition(":")[0] for mapped in report.mapped))
    shown = ", ".join(ip.strip("[]") for ip in ips)
    if report.nat.present is False:
        return f"{shown} (this machine's own)   IPv6: {_ipv6(report)}"
    path = report.path
    cgnat = {"yes": "behind CGNAT", "no": "no CGNAT"}.get(path.cgnat, "CGNAT unknown")
    reason = path.evidence[0] if path.evidence and path.cgnat != "unknown" else path.reason
    return f"{shown} ({cgnat}{f': {reason}' if reason else ''})   IPv6: {_ipv6(report)}"


def _ipv6(report: NatReport) -> str:
    ipv6 = report.ipv6
    texts = {
        "none": "none",
        "route_only": "a route, not tested: no server with IPv6",
        "works": f"works ({ipv6.address or 'the server reports no address'})",
        "silent": "a route, but no response",
        "not_checked": "not checked",
    }
    return texts[ipv6.state] + (f", NAT64 {ipv6.nat64_prefix}" if ipv6.nat64_prefix else "")


def _details(report: NatReport) -> Iterator[Line]:
    if report.path.double_nat == "yes" and report.path.cgnat != "yes":
        yield Line("Double", f"two NATs in a row: {'; '.join(report.path.evidence)}")
    if report.nat.hairpin not in ("not_checked", "not_applicable"):
        yield Line("Hairpin", _HAIRPIN.get(report.nat.hairpin, report.nat.hairpin))
    if report.nat.pooling == "arbitrary":
        yield Line("Pooling", "arbitrary: sockets get different mapped addresses", "yellow")
    if report.lifetime is not None:
        yield Line("Lifetime", _lifetime(report))
    if report.mtu is not None:
        yield Line("MTU", _mtu(report))
    if report.fragments is not None:
        yield Line("Fragments", f"pass up: {report.fragments.up}, down: {report.fragments.down}")
    if report.tcp is not None:
        yield Line("TCP", _tcp(report))


_HAIRPIN = {
    "yes": "works, with the mapped address as source",
    "internal_source": "works, but with the internal address as source: responses get lost",
    "not_observed": "not observed between two sockets of this machine",
    "unknown": "unknown: no response",
}


def _lifetime(report: NatReport) -> str:
    life = report.lifetime
    assert life is not None
    if life.reason is not None:
        return f"unknown: {life.reason}"
    parts = []
    for name, bounds in (("one-shot", life.oneshot), ("stream", life.warm)):
        if bounds is None:
            continue
        low = f">={bounds.at_least_s:g}s" if bounds.at_least_s is not None else ""
        high = f"<{bounds.below_s:g}s" if bounds.below_s is not None else ""
        parts.append(f"{name} {' '.join(filter(None, (low, high))) or 'unknown'}")
    keep = report.works.keepalive_s
    if keep is not None:
        parts.append(f"keepalive {keep} s (WebRTC media keeps itself alive)")
    return ", ".join(parts)


def _mtu(report: NatReport) -> str:
    mtu = report.mtu
    assert mtu is not None
    if mtu.reason is not None:
        return mtu.reason
    text = f"{mtu.up or 'unknown'} bytes up, {mtu.down or 'unknown'} down"
    if mtu.up is not None and mtu.up < 1300:
        text += "; below 1300: DTLS flights and 1200-byte media are at risk"
    if mtu.icmp is not None:
        text += "; ICMP reports it" if mtu.icmp else "; no ICMP (path MTU black hole)"
    return text


def _tcp(report: NatReport) -> str:
    tcp = report.tcp
    assert tcp is not None
    route = f" through the proxy {tcp.via_proxy}" if tcp.via_proxy else ""
    if not tcp.answered:
        return f"no response{route}: {tcp.reason or 'timeout'}"
    mapping = f", mapping {tcp.mapping}" if tcp.mapping != "unknown" else ""
    return f"STUN responds{route}, mapped address {tcp.mapped}{mapping}"


def _p2p(report: NatReport) -> str:
    answers = report.works.p2p_by_peer_type
    groups = {
        state: [_PEERS[peer] for peer, answer in answers.items() if answer == state]
        for state in ("yes", "no", "unknown")
    }
    if len(groups["yes"]) == len(answers):
        return "yes: every kind of peer"
    if len(groups["no"]) == len(answers):
        return "no: a relay is needed"
    if groups["no"] == [_PEERS["symmetric"]]:
        return "yes: cone peers   no: symmetric peers -> TURN"
    if groups["no"] == [_PEERS["port_restricted"], _PEERS["symmetric"]]:
        return "yes: peers that filter by address at most   no: port-restricted, symmetric -> TURN"
    return "   ".join(
        f"{state}: {', '.join(peers)}" + (" -> TURN" if state == "no" else "")
        for state, peers in groups.items()
        if peers
    )


def _sfu(report: NatReport) -> str:
    works = report.works
    tested = [port for port in report.ports if port.transport == "udp"]
    passing = sorted({port.port for port in tested if port.state in ("open", "reached")})
    reach = f"UDP reaches {', '.join(map(str, passing))}; " if passing else ""
    https = _https(report.ports)
    if works.sfu_udp == "likely":
        return f"likely: {works.sfu_reason}{https}"
    if works.sfu_udp in ("yes", "no"):
        return f"{works.sfu_udp}: {works.sfu_reason}{https}"
    return f"{reach}{works.sfu_reason}{https}"


def _https(ports: Sequence[PortResult]) -> str:
    tls = [port for port in ports if port.transport == "tls"]
    if tls and tls[0].detail:
        return f"; TLS on 443: {tls[0].detail}"
    return ""


def _turn(report: NatReport) -> str:
    return {
        "no": "not needed",
        "symmetric_peers": "needed for symmetric peers only",
        "most_peers": "needed for most peers at home (port-restricted and symmetric)",
        "always": "needed always, over TCP or TLS",
        "unknown": "unknown: it depends on the filtering",
    }[report.works.turn_needed]


def changes(before: NatReport | None, now: NatReport) -> list[str]:
    """Return the differences to the previous probe."""
    if before is None:
        return []
    pairs = {
        "NAT": (before.nat.classic, now.nat.classic),
        "mapping": (before.nat.mapping, now.nat.mapping),
        "filtering": (before.nat.filtering, now.nat.filtering),
        "public address": (_ips(before), _ips(now)),
        "UDP": (before.works.udp, now.works.udp),
        "verdict": (before.verdict, now.verdict),
    }
    return [f"{name}: {old} -> {new}" for name, (old, new) in pairs.items() if old != new]


def _ips(report: NatReport) -> str:
    ips = sorted({mapped.address.rpartition(":")[0] for mapped in report.mapped})
    return ", ".join(ips) or "none"


def explanation(report: NatReport) -> Iterator[str]:
    """Return an explanation of each test with its evidence."""
    from sfukit.cli.nat_probe_explain import explain

    return explain(report)


def exchanges(report: NatReport) -> Iterator[str]:
    """Return a line for each request and its response."""
    yield ""
    for test in report.tests:
        got = f"from {test.from_}" if test.from_ else "no response"
        seen = f", mapped {test.mapped}" if test.mapped else ""
        rtt = f" in {test.rtt_ms:.1f} ms" if test.rtt_ms is not None else ""
        note = f"  ({test.note})" if test.note else ""
        yield f"  {test.id:<26} to {test.to:<22} {test.sent} sent, {got}{seen}{rtt}{note}"


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    report = msgspec.json.decode(saved, type=NatReport)
    return [str(line) for line in lines(report)]
