"""The case of RFC 8867 in the HTML report: expected and measured, flows over time."""

from collections.abc import Sequence

from sfukit import gates
from sfukit.htmlreport.elements import listed, table, text
from sfukit.htmlreport.plots import Curve, Plot, Span, figures
from sfukit.loadgen.result.case import CaseFlow, CaseReport, FlowInterval
from sfukit.units import show_bitrate

_HEAD = ["flow", "seconds", "capacity", "rate", "share", "queue p50", "queue p95", "loss"]


def section(case: CaseReport | None) -> str:
    """Return the section; empty where the run is no test case."""
    if case is None:
        return ""
    rows = [
        [text(flow.name), *(text(cell) for cell in _cells(one))]
        for flow in case.flows
        for one in flow.intervals
    ]
    return "".join(
        (
            f"<p>{text(case.case)} {text(case.title)}. Expected: {text(case.expected)}.</p>",
            listed([text(sentence) for sentence in case.measured]),
            figures(_plots(case)),
            table("Flows", _HEAD, rows),
        )
    )


def _cells(one: FlowInterval) -> Sequence[str]:
    return (
        f"{one.start_s:.3g} - {one.end_s:.3g}",
        show_bitrate(one.capacity_bps),
        show_bitrate(one.rate_bps),
        gates.show(one.share, "ratio"),
        gates.show(one.queue_p50_ms, "ms"),
        gates.show(one.queue_p95_ms, "ms"),
        gates.show(one.loss_ratio, "ratio"),
    )


def _plots(case: CaseReport) -> list[Plot]:
    """Return rate, queue and loss of each flow; TCP flows after the media."""
    longest = max(case.flows, key=lambda flow: len(flow.seconds), default=None)
    if longest is None or not longest.seconds:
        return []
    times = [second.at_s for second in longest.seconds]
    bounds = sorted({(one.start_s, one.end_s) for one in longest.intervals})
    spans = [Span(f"{start_s:.3g} s", start_s, end_s) for start_s, end_s in bounds]

    def plot(title: str, unit: str, name: str, flows: Sequence[CaseFlow]) -> Plot:
        curves = [Curve(flow.name, _values(flow, name, times)) for flow in flows if flow.seconds]
        return Plot(title=title, unit=unit, times_s=times, spans=spans, curves=curves)

    media = [flow for flow in case.flows if flow.kind != "tcp"]
    return [
        plot("Rate of each flow", "bit/s", "rate_bps", case.flows),
        plot("Queueing delay", "ms", "queue_ms", media),
        plot("Loss in the path", "ratio", "loss_ratio", media),
    ]


def _values(flow: CaseFlow, name: str, times: Sequence[float]) -> list[float | None]:
    """Return the values of a flow at the times of the longest one; a gap before its start."""
    by_time = {round(second.at_s): getattr(second, name) for second in flow.seconds}
    return [by_time.get(round(at_s)) for at_s in times]
