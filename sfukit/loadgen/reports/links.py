"""Impaired links and the video behind them in the HTML report: tables, and plots over time."""

from bisect import bisect_right
from collections.abc import Sequence

from sfukit import gates
from sfukit.htmlreport.elements import table, text
from sfukit.htmlreport.plots import Curve, Plot, Values, figures
from sfukit.loadgen.result.paths import Link, VideoStream
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.units import show_bitrate

_PLOTTED_LINKS = 4
_MOST_ROWS = 30
_LINK_HEAD = ["link", "rate", "queue p50", "queue p95", "dropped at the queue", "lost after it"]
_STREAM_HEAD = ["stream", "encodings", "switches", "frozen", "longest gap", "loss after repair"]


def section(report: LoadtestReport) -> str:
    """Return the section; empty where no link has a limited rate."""
    if not report.links:
        return ""
    streams = [one for one in report.video_streams if one.impaired]
    parts = [
        figures([plot for link in report.links[:_PLOTTED_LINKS] for plot in _plots(link)]),
        table("Links with a limited rate", _LINK_HEAD, [_link(one) for one in report.links]),
    ]
    if streams:
        rows = [_stream(one) for one in streams[:_MOST_ROWS]]
        parts.append(table("Video of impaired clients", _STREAM_HEAD, rows))
    return "".join(parts)


def _plots(link: Link) -> Sequence[Plot]:
    series: Sequence[Values] = (
        link.capacity_bps,
        link.rate_bps,
        link.queue_max_ms,
        link.queue_ms,
    )
    count = min(len(one) for one in series)
    capacity, rate, longest, mean = (one[:count] for one in series)
    times = [round(link.start_s + n * link.interval_s, 3) for n in range(count)]
    name = _name(link)
    return [
        Plot(
            title=f"Rate of {name}",
            unit="bit/s",
            times_s=times,
            curves=[
                Curve("capacity", capacity),
                Curve("passed", rate),
                Curve("estimate of the server", _estimates(link, times)),
            ],
            combine="mean",
        ),
        Plot(
            title=f"Queue of {name}",
            unit="ms",
            times_s=times,
            curves=[Curve("longest", longest), Curve("mean", mean)],
        ),
    ]


def _estimates(link: Link, times_s: Sequence[float]) -> Values:
    """Return the last estimate at each time; None before the first."""
    starts = [one.at_s for one in link.estimates]
    places = (bisect_right(starts, at_s) - 1 for at_s in times_s)
    return [link.estimates[place].bps if place >= 0 else None for place in places]


def _name(link: Link) -> str:
    shared = "" if link.bottleneck is None else f", bottleneck {link.bottleneck}"
    return f"{link.room} {link.client}, {link.direction}link{shared}"


def _link(link: Link) -> list[str]:
    rate_bps = link.window_rate_bps
    return [
        text(_name(link)),
        "unknown" if rate_bps is None else text(show_bitrate(rate_bps)),
        text(gates.show(link.window_queue_p50_ms, "ms")),
        text(gates.show(link.window_queue_p95_ms, "ms")),
        text(gates.show(link.window_drop_ratio, "ratio")),
        text(gates.show(link.window_loss_ratio, "ratio")),
    ]


def _stream(one: VideoStream) -> list[str]:
    shares = ", ".join(f"{name} {share:.0%}" for name, share in one.encoding_shares.items())
    return [
        text(f"{one.room} {one.client} of {one.source}"),
        text(shares or "unknown"),
        f"{one.layer_switches:,}",
        text(gates.show(one.freeze_est, "ratio")),
        text(gates.show(one.longest_gap_ms, "ms")),
        text(gates.show(one.loss_after_rtx, "ratio")),
    ]
