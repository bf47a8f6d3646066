"""An explanation of each test of ``nat-probe``, with its evidence."""

from collections.abc import Iterator, Sequence

from sfukit.probe.nat.report import NatReport, TestRecord

_STEPS = {
    "I": "to the server's first address",
    "II": "to its second address",
    "III": "to another port of the second address",
    "IV": "to another port of the first address",
}


def explain(report: NatReport) -> Iterator[str]:
    """Return the tests that ran, one paragraph each."""
    yield ""
    yield from _reach(report)
    yield from _mapping(report)
    yield from _filtering(report)
    yield from _rest(report)


def _reach(report: NatReport) -> Iterator[str]:
    yield "Reach: does a UDP request get a response?"
    for test in _of(report, "reach."):
        yield f"  {_server(test)}: {_answer(test)}"
    for server in report.servers:
        if server.quirks:
            yield f"  {server.name} deviates from RFC 8489: {', '.join(server.quirks)}"


def _mapping(report: NatReport) -> Iterator[str]:
    tests = _of(report, "mapping.")
    yield (
        "Mapping: does one socket keep one mapped address for all destinations? If so, peers can "
        "use the address that a STUN server reports."
    )
    for test in tests:
        _, socket, step = test.id.split(".")
        yield f"  socket {socket}, {_STEPS[step]} {test.to}: {_answer(test)}"
    if not tests:
        for mapped in report.mapped:
            yield f"  {mapped.server} reports {mapped.address}"
    yield f"  so: {report.nat.mapping}{_reason(report, 'mapping')}"


def _filtering(report: NatReport) -> Iterator[str]:
    tests = _of(report, "filtering.")
    yield (
        "Filtering: which sources may send to the mapped address? The server is requested to "
        "respond from another address or port, to sockets that never sent to it."
    )
    shown = {
        "filtering.II": "response from another address and port",
        "filtering.III": "response from another port",
        "filtering.control": "control, to a socket that did send to it",
    }
    for test in tests:
        if test.id in shown:
            yield f"  {shown[test.id]}: {_answer(test)}"
    yield f"  so: {report.nat.filtering}{_reason(report, 'filtering')}"


def _rest(report: NatReport) -> Iterator[str]:
    allocation = report.nat.allocation
    if allocation.samples:
        ports = ", ".join(f"{s.local_port}->{s.mapped_port}" for s in allocation.samples)
        yield "Allocation: which ports do new sockets get? (local->mapped, in order)"
        yield f"  {ports}"
        yield f"  so: {allocation.kind}"
    if report.path.evidence or report.path.hops:
        yield "Path: which routers are on it, and does one of them belong to a carrier (CGNAT)?"
        hops = ", ".join(hop or "(silent)" for hop in report.path.hops) or "none"
        yield f"  routers: {hops}"
        for evidence in report.path.evidence:
            yield f"  {evidence}"
    if report.portmap is not None:
        answered = ", ".join(report.portmap.answered) or "none"
        yield "Port mapping: does the router support UPnP, NAT-PMP or PCP, and what is its address?"
        external = report.portmap.external_ip
        yield f"  answered: {answered}" + (f"; its external address {external}" if external else "")
    if report.ports:
        yield "Ports: a refusal proves that the path to a host is open, as a response does"
        for port in report.ports:
            detail = f" ({port.detail})" if port.detail else ""
            yield f"  {port.transport} {port.host}:{port.port}: {port.state}{detail}"


def _of(report: NatReport, prefix: str) -> Sequence[TestRecord]:
    return [test for test in report.tests if test.id.startswith(prefix)]


def _server(test: TestRecord) -> str:
    return test.id.partition(".")[2]


def _answer(test: TestRecord) -> str:
    note = f" ({test.note})" if test.note else ""
    if test.from_ is None:
        return f"no response to {test.sent} requests{note}"
    seen = f", mapped address {test.mapped}" if test.mapped else ""
    again = f" after {test.sent} requests" if test.sent > 1 else ""
    return f"response from {test.from_}{again}{seen}{note}"


def _reason(report: NatReport, name: str) -> str:
    reason = report.nat.reason.get(name)
    level = report.nat.confidence.get(name)
    return (f", {reason}" if reason else "") + (f" (confidence {level})" if level else "")
