"""The second engine in the HTML report of a measurement: its figures beside the native ones."""

from collections.abc import Mapping

from sfukit import gates
from sfukit.htmlreport.elements import State, badge, facts, listed, table, text
from sfukit.htmlreport.plots import Curve, Plot, figures
from sfukit.loadgen.latency.independent.comparison import typical
from sfukit.loadgen.latency.result import Independent, LatencyReport

_SAYS: Mapping[bool | None, tuple[str, State]] = {
    True: ("DIFFERS", "warn"),
    False: ("agrees", "ok"),
    None: ("unknown", "none"),
}
_NOTE = (
    "Frame delay here is from the first packet sent to the last one received, without both codecs. "
    "aiortc measured after the native engine, so the curves are of two times."
)


def section(report: LatencyReport, labels: Mapping[str, str]) -> str:
    """Return both engines beside each other; nothing where the native engine measured alone."""
    found = report.independent
    if found is None:
        return ""
    rows = []
    for one in found.compared:
        values = (gates.show(typical(each), each.unit) for each in (one.native, one.independent))
        cells = (text(value) for value in values)
        rows.append([text(_name(one.metric, labels)), *cells, badge(*_SAYS[one.differs])])
    return (
        table("Engines", ["metric", "native", "aiortc", "result"], rows)
        + figures([_plot(report, found)])
        + facts(_codecs(found))
        + listed(found.reasons)
    )


def _name(metric: str, labels: Mapping[str, str]) -> str:
    kind = "mean" if metric.startswith("loss") else "median"
    return f"{labels.get(metric, metric)}, {kind}"


def _plot(report: LatencyReport, found: Independent) -> Plot:
    """Return the frame delays of both, from the start of the window of each."""
    longest = max(report.samples, found.samples, key=len)
    times = [sample.at_s for sample in longest]
    curves = []
    for name, samples in (("native", report.samples), ("aiortc", found.samples)):
        values = [sample.e2e_frame_ms for sample in samples]
        curves.append(Curve(name, [*values, *[None] * (len(times) - len(values))]))
    return Plot(title="Frame delay by engine", unit="ms", times_s=times, curves=curves, note=_NOTE)


def _codecs(found: Independent) -> list[tuple[str, str]]:
    named = (
        ("aiortc, encoding of a frame", found.encode_ms),
        ("aiortc, capture to decoded frame", found.decoded_frame_ms),
        ("aiortc, lateness of its event loop", found.late_ms),
    )
    return [
        (
            name,
            f"p50 {gates.show(metric.p50, 'ms')}, p95 {gates.show(metric.p95, 'ms')}, "
            f"highest {gates.show(metric.max, 'ms')}",
        )
        for name, metric in named
    ]
