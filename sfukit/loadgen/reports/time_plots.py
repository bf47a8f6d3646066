"""The plots of a load test over time."""

from itertools import groupby

from sfukit.htmlreport.plots import Bound, Curve, Plot, Span, Values
from sfukit.loadgen.reports import sentences
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.result.series import Interval

_PHASES = {"ramp": "ramp", "warm-up": "warm-up", "measuring": "measured"}


def plots(report: LoadtestReport) -> list[Plot]:
    """Return the plots; none without a series."""
    series = report.series
    if not series:
        return []
    times, spans = [one.end_s for one in series], _spans(series)

    def plot(title: str, unit: str, **more: object) -> Plot:
        return Plot(title=title, unit=unit, times_s=times, spans=spans, **more)  # type: ignore[arg-type]

    def values(name: str) -> Values:
        return [getattr(one, name) for one in series]

    def curves(**names: str) -> list[Curve]:
        return [Curve(label.replace("_", " "), values(name)) for label, name in names.items()]

    return [
        plot(
            "Joins",
            "",
            curves=[
                Curve("joined", values("joined")),
                *([Curve("failed", values("failed"))] if any(values("failed")) else []),
            ],
            combine="last",
            filled=True,
            bounds=[Bound("planned", sentences.load(report).clients)],
        ),
        plot(
            "Bitrate of all clients",
            "bit/s",
            curves=curves(received="bitrate_in_bps", sent="bitrate_out_bps"),
            combine="mean",
            filled=True,
        ),
        plot(
            "Frame delay",
            "ms",
            curves=curves(p50="e2e_frame_p50_ms", p95="e2e_frame_p95_ms", p99="e2e_frame_p99_ms"),
            bounds=_bounds(report, "e2e_frame_ms"),
        ),
        plot(
            "Packet loss",
            "ratio",
            curves=curves(before_repair="loss_raw", after_repair="loss_after_rtx"),
            bounds=_bounds(report, "loss_after_rtx"),
        ),
        plot(
            "CPU",
            "cores",
            curves=curves(server="server_cores", load_generator="generator_cores"),
            combine="mean",
        ),
        plot(
            "Lag of the load generator",
            "ms",
            curves=curves(p99="lag_p99_ms"),
            note="Above 20 ms the generated load differs from the plan.",
        ),
    ]


def _spans(series: list[Interval]) -> list[Span]:
    spans = []
    for phase, group in groupby(series, key=lambda one: one.phase):
        part = list(group)
        spans.append(Span(_PHASES.get(phase, phase), part[0].start_s, part[-1].end_s))
    return spans


def _bounds(report: LoadtestReport, metric: str) -> list[Bound]:
    """Return the bounds of the gates on a metric of all clients."""
    return [
        Bound(f"gate {gate.gate.removeprefix(metric).lstrip('. ')}", gate.bound)
        for gate in report.gates
        if gate.path.partition(".")[0] == metric and isinstance(gate.bound, float)
    ]
