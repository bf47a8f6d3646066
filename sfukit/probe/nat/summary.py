"""From what was measured to the report and its verdict. Pure: nothing is asked here."""

from collections.abc import Sequence
from typing import Literal

import msgspec

from sfukit import gates
from sfukit.errors import ExitCode
from sfukit.gates import Gate
from sfukit.probe.environment.facts import Facts
from sfukit.probe.finding import Finding
from sfukit.probe.nat import path, verdict
from sfukit.probe.nat.allocation import Allocation
from sfukit.probe.nat.measure import Measured
from sfukit.probe.nat.options import Options
from sfukit.probe.nat.path import Path
from sfukit.probe.nat.report import (
    SCHEMA,
    Level,
    Mapped,
    Nat,
    NatReport,
    ServerReport,
    TestRecord,
    figures,
)
from sfukit.probe.nat.survey import Surveyed
from sfukit.probe.stun.exchange import Exchange
from sfukit.report import Verdict

Udp = Literal["yes", "blocked", "unknown"]

_NO_SECOND_ADDRESS = "no server here answers from a second address (sfukit stun-serve can)"
_PORTAL = Finding(
    name="captive_portal",
    state="bad",
    text="captive portal: this network answers web requests itself until you have signed in",
    fix="open any http:// page in a browser, sign in, probe again",
)
_NOT_ASKED = "not asked for (--tests, --full)"


def summarise(
    options: Options,
    facts: Facts,
    environment: list[Finding],
    found: Measured,
    *,
    started: str,
    duration_ms: float,
    bounds: Sequence[Gate] = (),
) -> NatReport:
    """Write the whole report: findings, verdict, exit code."""
    udp, reason = reachability(options, found)
    nat = describe(options, found)
    routes = _path(found) if "path" in options.tests else Path(reason=_NOT_ASKED)
    works = verdict.works(
        nat, udp=udp, ports=found.ports, sfu_port=found.sfu_port, lifetime=found.lifetime
    )
    level, level_why, lost = _confidence(nat, found)
    if udp == "blocked":
        level, level_why = _sure_of_blocked(found), reason or ""
    servers = _servers(found)
    draft = NatReport(
        schema=SCHEMA,
        command="nat-probe",
        verdict="pass",
        exit_code=ExitCode.OK,
        reason=reason,
        started=started,
        duration_ms=duration_ms,
        level=options.level,
        servers=servers,
        server=next((s for s in servers if s.rfc5780), next(iter(servers), None)),
        local=str(found.local) if found.local else None,
        mapped=_mapped(found),
        environment=environment + ([_PORTAL] if found.captive else []),
        ipv4="present" if facts.ipv4 or _asked_by_ipv4(found) else "absent",
        nat=nat,
        lifetime=found.lifetime,
        path=routes,
        mtu=found.mtu,
        fragments=found.fragments,
        portmap=found.portmap,
        ipv6=found.ipv6,
        ports=found.ports + ([found.sfu_port] if found.sfu_port else []),
        tcp=found.tcp,
        works=works,
        tests=[record(exchange) for exchange in (found.context.records if found.context else [])],
        confidence=level,
        confidence_reason=level_why,
        lost=lost,
        warnings=_warnings(found),
        gates=[],
    )
    return _judged(draft, udp, bool(found.answering), bounds)


def reachability(options: Options, found: Measured) -> tuple[Udp, str | None]:
    """Tell UDP blocked from a server that is silent: by TCP, by ICMP, by our own firewall."""
    if found.answering:
        return "yes", None
    if found.context is None:
        if found.unresolved and not found.surveyed:
            return "unknown", "; ".join(found.unresolved.values())
        return "unknown", "no route to any server from here"
    troubles = {server.exchange.trouble for server in found.surveyed}
    if troubles == {"prohibited_here"}:
        return "blocked", "this machine's own firewall forbids sending UDP"
    if "refused" in troubles:
        return "unknown", "UDP passes, but nobody listens there: the host says the port is closed"
    if troubles and troubles <= {"no_route", "icmp_prohibited"}:
        return "unknown", "the network says that there is no way to the server"
    if "icmp_prohibited" in troubles:
        return "blocked", "a router on the way answers that UDP is prohibited"
    said = dict.fromkeys(server.exchange.oddity for server in found.surveyed)
    odd = [reason for reason in said if reason is not None]
    if odd:  # a STUN error is an answer by UDP; what else comes may be from anything
        errors = any(server.exchange.refused for server in found.surveyed)
        return "yes" if errors else "unknown", f"the server {'; '.join(odd)}"
    if any(answer.mapped is not None for answer in found.tcp_fallback):
        return "blocked", "the server answers STUN by TCP and not by UDP, asked seven times"
    hosts = {server.address.ip for server in found.surveyed}
    connected = any(answer.connected for answer in found.tcp_fallback) or any(
        port.transport == "tcp" and port.state == "open" for port in found.ports
    )
    if options.public_servers and len(hosts) > 1 and connected:
        return "blocked", f"{len(hosts)} public servers are silent by UDP while TCP passes"
    how = "TCP reaches it, so UDP may be blocked or not served" if connected else "neither does TCP"
    return "unknown", f"no server answers by UDP; {how}"


def describe(options: Options, found: Measured) -> Nat:
    """Put the behaviour in the names of RFC 4787, with a reason for each unknown."""
    reason: dict[str, str] = {}
    levels: dict[str, Level] = {}
    mapping, filtering = found.mapping, found.filtering
    value = mapping.value if mapping else "unknown"
    dependent = mapping.endpoint_dependent if mapping else None
    if mapping is None:
        reason["mapping"] = "no server answers"
    else:
        if mapping.reason:
            reason["mapping"] = mapping.reason
        if value != "unknown" or dependent:
            levels["mapping"] = "high" if mapping.agreeing > 1 or mapping.reason else "medium"
    if filtering is not None:
        if filtering.reason:
            reason["filtering"] = filtering.reason
        if filtering.value != "unknown":
            levels["filtering"] = "high" if filtering.certain else "medium"
    elif found.answering:
        reason["filtering"] = _NOT_ASKED if found.full is not None else _NO_SECOND_ADDRESS
    else:
        reason["filtering"] = "no server answers"
    allocation = found.allocation or Allocation(kind="unknown")
    if allocation.kind == "unknown":
        reason["allocation"] = _why_no_allocation(options, found)
    kind = filtering.value if filtering else "unknown"
    return Nat(
        present=_present(found),
        mapping=value,
        filtering=kind,
        classic=verdict.classic(_present(found), value, kind, dependent),
        endpoint_dependent=dependent,
        allocation=allocation,
        port_preservation=_preserves(found),
        hairpin=found.hairpin,
        pooling=found.pooling,
        reason=reason,
        confidence=levels,
    )


def _why_no_allocation(options: Options, found: Measured) -> str:
    if not found.answering:
        return "no server answers"
    if _present(found) is False:
        return "no NAT"
    return "too few answers" if "alloc" in options.tests else _NOT_ASKED


def record(exchange: Exchange) -> TestRecord:
    """Write one transaction for the report."""
    notes = [f"answer from {stray.source} not counted" for stray in exchange.strays]
    notes += [f"ICMP {error.kind} from {error.offender}" for error in exchange.icmp[:2]]
    if exchange.error_code is not None:
        notes.append(f"error {exchange.error_code}")
    elif exchange.heard is None and exchange.malformed is not None:
        notes.append(f"malformed: {exchange.malformed}")
    elif exchange.trouble is not None and not exchange.icmp:
        notes.append(exchange.trouble)
    return TestRecord(
        id=exchange.id,
        to=str(exchange.to),
        sent=exchange.sent,
        received=int(exchange.came_back),
        from_=str(exchange.heard.source) if exchange.heard else None,
        mapped=str(exchange.mapped) if exchange.mapped else None,
        rtt_ms=exchange.rtt_ms,
        note="; ".join(notes) or None,
    )


def _judged(draft: NatReport, udp: Udp, answered: bool, bounds: Sequence[Gate]) -> NatReport:
    """Decide by what was asked: an expectation, a usable server, and UDP unless it may be shut."""
    results = gates.judge(bounds, figures(draft))
    outcome: tuple[Verdict, ExitCode] = ("pass", ExitCode.OK)
    missed = any(result.ok is False for result in results)
    if missed or (udp == "blocked" and not _expects_block(results)):
        outcome = ("fail", ExitCode.FAILED)
    elif not answered and udp != "blocked":
        outcome = ("inconclusive", ExitCode.TARGET)
    elif any(result.ok is None for result in results):
        outcome = ("inconclusive", ExitCode.INCONCLUSIVE)
    return msgspec.structs.replace(
        draft, verdict=outcome[0], exit_code=int(outcome[1]), gates=results
    )


def _expects_block(results: Sequence[gates.GateResult]) -> bool:
    return any(r.path == "works.udp" and r.bound == "blocked" and r.op == "==" for r in results)


def _present(found: Measured) -> bool | None:
    if found.public is None or found.local is None:
        return None
    return found.public != found.local


def _preserves(found: Measured) -> bool | None:
    if not _present(found) or found.allocation is None or found.allocation.kind == "unknown":
        return None
    return found.allocation.kind == "port_preservation"


def _path(found: Measured) -> Path:
    if found.local is None or not found.answering:
        return Path(reason="no server answers")
    return path.judge(
        local_ip=found.local.ip,
        public_ip=found.public.ip if found.public else None,
        router_external=found.portmap.external_ip if found.portmap else None,
        hops=found.hops,
        to_self=found.hops_to_public,
    )


def _servers(found: Measured) -> list[ServerReport]:
    reports = [_server(found, server) for server in found.surveyed]
    reports += [
        ServerReport(name=str(endpoint), reason=what) for endpoint, what in found.unresolved.items()
    ]
    return reports


def _server(found: Measured, server: Surveyed) -> ServerReport:
    exchange = server.exchange
    quirks = list(server.quirks)
    if found.filtering is not None and found.filtering.quirk and found.full is server.full:
        quirks.append(found.filtering.quirk)
    return ServerReport(
        name=str(server.endpoint),
        address=str(server.address),
        answered=server.answered,
        rfc5780=server.full is not None and not any("change_request" in q for q in quirks),
        other_address=str(exchange.other) if exchange.other else None,
        rtt_ms=exchange.rtt_ms,
        quirks=quirks,
        reason=None if server.answered else exchange.oddity or exchange.trouble or "silent",
    )


def _mapped(found: Measured) -> list[Mapped]:
    return [
        Mapped(server=str(server.address), address=str(server.exchange.mapped))
        for server in found.answering
    ]


def _asked_by_ipv4(found: Measured) -> bool:
    return found.local is not None and ":" not in found.local.ip


def _confidence(nat: Nat, found: Measured) -> tuple[Level, str, int]:
    """Count the destinations that answered and the packets that were lost on the way."""
    records = found.context.records if found.context else []
    counted = [r for r in records if r.id.startswith(("reach", "mapping", "alloc", "pooling"))]
    asked = {exchange.to for exchange in counted}
    answered = {exchange.to for exchange in counted if exchange.heard is not None}
    lost = sum(exchange.sent - 1 for exchange in counted if exchange.heard is not None)
    level = verdict.weakest(nat.confidence.values())
    sent = sum(exchange.sent for exchange in counted)
    loss = f"{lost} of {sent} packets unanswered" if lost else "0 lost"
    told = found.filtering
    by_silence = told is not None and told.value != "unknown" and not told.certain
    reason = f"{len(answered)}/{len(asked)} destinations, {loss}"
    return level, reason + ("; filtering told by silence alone" if by_silence else ""), lost


def _sure_of_blocked(found: Measured) -> Level:
    """Believe a STUN answer by TCP or our own firewall; silence and one router's word less so."""
    own = all(server.exchange.trouble == "prohibited_here" for server in found.surveyed)
    by_tcp = any(answer.mapped is not None for answer in found.tcp_fallback)
    return "high" if own or by_tcp else "medium"


def _warnings(found: Measured) -> list[str]:
    texts = {
        "other_address_is_its_own": "names itself in OTHER-ADDRESS; taken as a plain server",
        "other_address_is_private": "names a private OTHER-ADDRESS; taken as a plain server",
        "other_address_is_no_host": "names no host in OTHER-ADDRESS; taken as a plain server",
        "repeated_attributes": "repeats attributes; the first counts (RFC 8489 section 14)",
        "no_xor_mapped_address": "tells MAPPED-ADDRESS alone, as servers of RFC 3489 do",
        "old_xor_mapped_address": "numbers XOR-MAPPED-ADDRESS as old drafts did (0x8020)",
        "mapped_to_ipv4": "sees IPv4 where it was asked by IPv6: NAT64 on the way",
        "mapped_address_rewritten": "its answer was edited on the way (an application gateway)",
    }
    said = [
        f"{server.endpoint}: {texts[quirk]}"
        for server in found.surveyed
        for quirk in server.quirks
        if quirk in texts
    ]
    said += [
        f"{server.endpoint}: an answer came from {quirk.partition(':')[2]}, which was not asked"
        for server in found.surveyed
        for quirk in server.quirks
        if quirk.startswith("answer_from_elsewhere")
    ]
    said += [
        f"{server.endpoint}: {server.exchange.oddity}"
        for server in found.surveyed
        if found.answering and server.exchange.came_back and server.exchange.oddity
    ]
    said += _silent_second_address(found)
    if found.filtering is not None and found.filtering.quirk:
        said.append(found.filtering.reason or found.filtering.quirk)
    return said


def _silent_second_address(found: Measured) -> list[str]:
    """Say that a server names a second address that never answers."""
    if found.full is None or found.context is None:
        return []
    second = found.full.alternate.ip
    asked = [exchange for exchange in found.context.records if exchange.to.ip == second]
    if not asked or any(exchange.came_back for exchange in asked):
        return []
    return [f"{found.full.primary}: its second address {second} does not answer"]
