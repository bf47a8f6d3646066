"""From the measurements to the report and its verdict. Pure: nothing is sent here."""

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
from sfukit.probe.nat.server_probe import ProbedServer
from sfukit.probe.stun.transaction import Transaction
from sfukit.report import Verdict

Udp = Literal["yes", "blocked", "unknown"]

_NO_SECOND_ADDRESS = "no server here answers from a second address (sfukit stun-serve can)"
_PORTAL = Finding(
    name="captive_portal",
    state="bad",
    text="captive portal: the network answers HTTP requests itself until the user signs in",
    fix="open any http:// page in a browser, sign in, probe again",
)
_NOT_ASKED = "not requested (--tests, --full)"


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
        ipv4="present" if facts.ipv4 or _probed_over_ipv4(found) else "absent",
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
        tests=[
            record(transaction) for transaction in (found.context.records if found.context else [])
        ],
        confidence=level,
        confidence_reason=level_why,
        lost=lost,
        warnings=_warnings(found),
        gates=[],
    )
    return _judged(draft, udp, bool(found.answering), bounds)


def reachability(options: Options, found: Measured) -> tuple[Udp, str | None]:
    """Distinguish blocked UDP from a silent server: by TCP, ICMP, or the local firewall."""
    if found.answering:
        return "yes", None
    if found.context is None:
        if found.unresolved and not found.probed:
            return "unknown", "; ".join(found.unresolved.values())
        return "unknown", "no route from this host to any server"
    failures = {server.transaction.failure for server in found.probed}
    if failures == {"prohibited_here"}:
        return "blocked", "this machine's own firewall forbids sending UDP"
    if "refused" in failures:
        return (
            "unknown",
            "UDP passes, but no server listens there: the host reports the port closed (ICMP)",
        )
    if failures and failures <= {"no_route", "icmp_prohibited"}:
        return "unknown", "the network reports no route to the server (ICMP or the kernel)"
    if "icmp_prohibited" in failures:
        return "blocked", "a router on the path reports UDP administratively prohibited (ICMP)"
    said = dict.fromkeys(server.transaction.anomaly for server in found.probed)
    odd = [reason for reason in said if reason is not None]
    if odd:  # a STUN error is an answer by UDP; what else comes may be from anything
        errors = any(server.transaction.refused for server in found.probed)
        return "yes" if errors else "unknown", f"the server {'; '.join(odd)}"
    if any(answer.mapped is not None for answer in found.tcp_fallback):
        return "blocked", "the server answers STUN over TCP and none of seven requests over UDP"
    hosts = {server.address.ip for server in found.probed}
    connected = any(answer.connected for answer in found.tcp_fallback) or any(
        port.transport == "tcp" and port.state == "open" for port in found.ports
    )
    if options.public_servers and len(hosts) > 1 and connected:
        return "blocked", f"{len(hosts)} public servers do not answer over UDP while TCP passes"
    how = (
        "TCP reaches the server, so UDP may be blocked or not served"
        if connected
        else "TCP does not connect either"
    )
    return "unknown", f"no server answers over UDP; {how}"


def describe(options: Options, found: Measured) -> Nat:
    """Describe the behaviour in the terms of RFC 4787, with a reason for each unknown."""
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


def record(transaction: Transaction) -> TestRecord:
    """Write one transaction for the report."""
    notes = [f"answer from {received.source} not counted" for received in transaction.unexpected]
    notes += [f"ICMP {error.kind} from {error.offender}" for error in transaction.icmp[:2]]
    if transaction.error_code is not None:
        notes.append(f"error {transaction.error_code}")
    elif transaction.response is None and transaction.malformed is not None:
        notes.append(f"malformed: {transaction.malformed}")
    elif transaction.failure is not None and not transaction.icmp:
        notes.append(transaction.failure)
    return TestRecord(
        id=transaction.id,
        to=str(transaction.to),
        sent=transaction.sent,
        received=int(transaction.has_reply),
        from_=str(transaction.response.source) if transaction.response else None,
        mapped=str(transaction.mapped) if transaction.mapped else None,
        rtt_ms=transaction.rtt_ms,
        note="; ".join(notes) or None,
    )


def _judged(draft: NatReport, udp: Udp, answered: bool, bounds: Sequence[Gate]) -> NatReport:
    """Judge the gates, a usable server, and UDP unless a gate expects it blocked."""
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
    reports = [_server(found, server) for server in found.probed]
    reports += [
        ServerReport(name=str(endpoint), reason=what) for endpoint, what in found.unresolved.items()
    ]
    return reports


def _server(found: Measured, server: ProbedServer) -> ServerReport:
    transaction = server.transaction
    quirks = list(server.quirks)
    if found.filtering is not None and found.filtering.quirk and found.full is server.full:
        quirks.append(found.filtering.quirk)
    return ServerReport(
        name=str(server.endpoint),
        address=str(server.address),
        answered=server.answered,
        rfc5780=server.full is not None and not any("change_request" in q for q in quirks),
        other_address=str(transaction.other) if transaction.other else None,
        rtt_ms=transaction.rtt_ms,
        quirks=quirks,
        reason=None if server.answered else transaction.anomaly or transaction.failure or "silent",
    )


def _mapped(found: Measured) -> list[Mapped]:
    return [
        Mapped(server=str(server.address), address=str(server.transaction.mapped))
        for server in found.answering
    ]


def _probed_over_ipv4(found: Measured) -> bool:
    return found.local is not None and ":" not in found.local.ip


def _confidence(nat: Nat, found: Measured) -> tuple[Level, str, int]:
    """Count the destinations that answered and the packets that were lost."""
    records = found.context.records if found.context else []
    counted = [r for r in records if r.id.startswith(("reach", "mapping", "alloc", "pooling"))]
    asked = {transaction.to for transaction in counted}
    answered = {transaction.to for transaction in counted if transaction.response is not None}
    lost = sum(transaction.sent - 1 for transaction in counted if transaction.response is not None)
    level = verdict.weakest(nat.confidence.values())
    sent = sum(transaction.sent for transaction in counted)
    loss = f"{lost} of {sent} packets unanswered" if lost else "0 lost"
    filtering = found.filtering
    by_silence = filtering is not None and filtering.value != "unknown" and not filtering.certain
    reason = f"{len(answered)}/{len(asked)} destinations, {loss}"
    return (
        level,
        reason + ("; filtering inferred from missing answers alone" if by_silence else ""),
        lost,
    )


def _sure_of_blocked(found: Measured) -> Level:
    """Return the confidence: high for a STUN answer over TCP or the local firewall, else medium."""
    own = all(server.transaction.failure == "prohibited_here" for server in found.probed)
    by_tcp = any(answer.mapped is not None for answer in found.tcp_fallback)
    return "high" if own or by_tcp else "medium"


def _warnings(found: Measured) -> list[str]:
    texts = {
        "other_address_is_its_own": "its OTHER-ADDRESS is its own; used as plain STUN server",
        "other_address_is_private": "its OTHER-ADDRESS is private; used as plain STUN server",
        "other_address_is_no_host": "its OTHER-ADDRESS is no host; used as plain STUN server",
        "repeated_attributes": "attributes are repeated; the first counts (RFC 8489 section 14)",
        "no_xor_mapped_address": "MAPPED-ADDRESS without XOR-MAPPED-ADDRESS, as in RFC 3489",
        "old_xor_mapped_address": "XOR-MAPPED-ADDRESS has the number of old drafts (0x8020)",
        "mapped_to_ipv4": "an IPv4 mapped address for a request over IPv6: NAT64 on the path",
        "mapped_address_rewritten": "the mapped address was rewritten on the path (ALG)",
    }
    said = [
        f"{server.endpoint}: {texts[quirk]}"
        for server in found.probed
        for quirk in server.quirks
        if quirk in texts
    ]
    said += [
        f"{server.endpoint}: an answer came from {quirk.partition(':')[2]}, which was not requested"
        for server in found.probed
        for quirk in server.quirks
        if quirk.startswith("answer_from_elsewhere")
    ]
    said += [
        f"{server.endpoint}: {server.transaction.anomaly}"
        for server in found.probed
        if found.answering and server.transaction.has_reply and server.transaction.anomaly
    ]
    said += _silent_second_address(found)
    if found.filtering is not None and found.filtering.quirk:
        said.append(found.filtering.reason or found.filtering.quirk)
    return said


def _silent_second_address(found: Measured) -> list[str]:
    """Return the warning for a server whose OTHER-ADDRESS never answers."""
    if found.full is None or found.context is None:
        return []
    second = found.full.alternate.ip
    asked = [transaction for transaction in found.context.records if transaction.to.ip == second]
    if not asked or any(transaction.has_reply for transaction in asked):
        return []
    return [f"{found.full.primary}: its second address {second} does not answer"]
