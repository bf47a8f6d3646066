"""The figures of one case with one estimator, out of the report of its load test. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from sfukit.loadgen.result.paths import Link, VideoStream
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.rfc8867.cases import CASES as RFC
from tools.bench.adaptation.cases import CASES, HIGH, LOW, Case
from tools.bench.adaptation.ideal import Names, Stay, ideals, order, settled_s, share_of, stay
from tools.bench.figure import Figure, ratio

_PER_S = 10.0
_FOLLOWS_S = 10.0
# label and unit of each figure, in the order of the table
FIGURES: Mapping[str, tuple[str, str]] = {
    "settled_s": ("first frame to the ideal encoding, slowest", "s"),
    "rise_s": ("ideal again after a rise of the ideal, slowest", "s"),
    "drop_s": ("ideal again after a drop of the ideal, slowest", "s"),
    "ideal_share": ("share of the time in the ideal encoding", "ratio"),
    "least_share": ("share of the time in the middle encoding or above", "ratio"),
    "large_share": ("share of the time: one stream highest, the others lowest", "ratio"),
    "gap_used_s": ("pause of a flow to the highest encoding of another", "s"),
    "switch_p95_ms": ("request to the keyframe of another encoding, p95", "ms"),
    "estimate_off": ("estimate, off the fair share from 10 s after a change, worst", "ratio"),
    "queue_p95_ms": ("wait in the queue, p95", "ms"),
    "loss": ("dropped or lost on the path", "ratio"),
    "loss_after": ("lost after repair", "ratio"),
    "freeze_est": ("frozen (estimated)", "ratio"),
    "longest_gap_ms": ("longest gap between frames", "ms"),
    "switches_per_10s": ("switches of a stream in 10 s, most", ""),
    "retransmitted": ("retransmitted and probed, of the media packets", "ratio"),
    "times_clean": ("rate, times that of the clean case", ""),
    "free_times_clean": ("frame delay of free viewers, p99 of a stream, times the clean case", ""),
    "rate_bps": ("rate of a viewer's link", "bit/s"),
    "lag_p99_ms": ("lag of the load generator, p99", "ms"),
}


class _Viewer(NamedTuple):
    """A stream of the case with its ideal over time, from its first frame to the end, in s."""

    stream: VideoStream
    received: Names
    start_s: float
    end_s: float


def figures(
    case: Case, report: LoadtestReport, mode: str, clean: LoadtestReport | None = None
) -> list[Figure]:
    """Return the figures that the case has, each with its reach."""
    values = measured(case, report)
    if clean is not None and case.clean is not None:
        rate_bps = measured(CASES[case.clean], clean)["rate_bps"]
        values["times_clean"] = ratio(values["rate_bps"], rate_bps)
        values["free_times_clean"] = ratio(_free_delay_ms(report), _free_delay_ms(clean))
    found = []
    for key, (label, unit) in FIGURES.items():
        reach = case.reach.get(key)
        if reach is not None or values.get(key) is not None:
            found.append(Figure(f"{mode}: {label}", values.get(key), unit, reach))
    return found


def measured(case: Case, report: LoadtestReport) -> dict[str, float | None]:
    """Return the values by key; None is unknown."""
    window_s = report.scenario.ramp_s + report.scenario.warmup_s
    scale = report.scenario.duration_s / case.duration_s
    viewers = _viewers(report)
    metrics, server = report.metrics, report.server
    down = [
        one for one in report.links if one.direction == "down" and one.client in _names(viewers)
    ]
    values: dict[str, float | None] = {
        "queue_p95_ms": _most(one.window_queue_p95_ms for one in down),
        "loss": _most(
            (one.window_drop_ratio or 0.0) + (one.window_loss_ratio or 0.0) for one in down
        ),
        "loss_after": _of(viewers, lambda one: one.stream.loss_after_rtx),
        "freeze_est": _of(viewers, lambda one: one.stream.freeze_est),
        "longest_gap_ms": _most(one.stream.longest_gap_ms for one in viewers),
        "switches_per_10s": _most(
            one.stream.layer_switches * _PER_S / report.scenario.duration_s for one in viewers
        ),
        "rate_bps": _mean([one.window_rate_bps for one in down]),
        "switch_p95_ms": metrics["layer_switch_ms"].p95,
    }
    if report.generator is not None:
        values["lag_p99_ms"] = report.generator.lag_ms.p99
    if server is not None:
        media = server.packets_sent - server.packets_retransmitted
        values["retransmitted"] = server.packets_retransmitted / media if media else None
    values |= _special(case, report, viewers, scale)
    if "large_share" not in case.reach:
        values |= _kept(case, viewers, window_s, scale)
    return values


def _kept(
    case: Case, viewers: Sequence[_Viewer], window_s: float, scale: float
) -> dict[str, float | None]:
    """Return how far the streams kept to the ideal of their share of the capacity."""
    wanted = [
        (at_s * scale + window_s, name) for at_s, name in ideals(case.steps, audio=case.audio)
    ]
    wanted[0] = (0.0, wanted[0][1])
    stays: list[Stay] = []
    for one in viewers:
        since_s = max(one.start_s + case.settles_s, window_s if not case.own_shape else 0.0)
        if one.end_s > since_s:
            stays.append(stay(one.received, wanted, since_s, one.end_s))
    first = wanted[0][1]
    found: dict[str, float | None] = {
        "ideal_share": _mean([one.share for one in stays]),
        "rise_s": _most(time for one in stays for time in one.rises_s),
        "drop_s": _most(time for one in stays for time in one.drops_s),
        "least_share": _mean(
            [share_of(one.received, case.least, one.start_s, one.end_s) for one in viewers]
        ),
    }
    if case.own_shape:
        found["settled_s"] = _most(
            settled_s(one.received, first, one.start_s, one.end_s) for one in viewers
        )
    return found


def _special(
    case: Case, report: LoadtestReport, viewers: Sequence[_Viewer], scale: float
) -> dict[str, float | None]:
    """Return the figures that one case alone has."""
    found: dict[str, float | None] = {}
    if "estimate_off" in case.reach:
        found["estimate_off"] = _most(
            _off(case, link, report, scale) for link in report.links if link.estimates
        )
    if "large_share" in case.reach and viewers:
        found["large_share"] = _one_large(viewers)
    if "gap_used_s" in case.reach:
        rfc = RFC["5.8"]
        window_s = report.scenario.ramp_s + report.scenario.warmup_s
        start_s, end_s = next(one.paused_s for one in rfc.flows if one.paused_s)
        waits = [
            settled_s(one.received, HIGH, window_s + start_s * scale, window_s + end_s * scale)
            for one in viewers
            if not one.stream.client.startswith("flow-2")
        ]
        found["gap_used_s"] = min(waits, default=None)
    return found


def _off(case: Case, link: Link, report: LoadtestReport, scale: float) -> float | None:
    """Return the largest relative distance of mean estimates to the fair shares."""
    window_s = report.scenario.ramp_s + report.scenario.warmup_s
    ends = [at_s for at_s, _ in case.steps[1:]] + [case.duration_s]
    distances = []
    for (at_s, share_bps), end_s in zip(case.steps, ends, strict=True):
        first_s, last_s = window_s + at_s * scale + _FOLLOWS_S, window_s + end_s * scale
        inside = [one.bps for one in link.estimates if first_s <= one.at_s < last_s]
        if inside:
            distances.append(abs(sum(inside) / len(inside) - share_bps) / share_bps)
    return max(distances, default=None)


def _free_delay_ms(report: LoadtestReport) -> float | None:
    """Return the frame delay of viewers without a narrow link; None where all have one."""
    group = report.groups.get("free")
    return None if group is None else group["stream_e2e_p99_ms"].p95


def _one_large(viewers: Sequence[_Viewer]) -> float:
    """Return the share of the time in which one stream is the highest and all others the lowest."""
    start_s, end_s = max(one.start_s for one in viewers), min(one.end_s for one in viewers)
    changes = {at_s for one in viewers for at_s, _ in one.received if start_s < at_s < end_s}
    times = sorted({start_s, end_s} | changes)
    kept_s = 0.0
    for begin_s, until_s in pairwise(times):
        middle_s = (begin_s + until_s) / 2
        at_once = sorted(order(_name(one, middle_s)) for one in viewers)
        if at_once == [order(LOW)] * (len(viewers) - 1) + [order(HIGH)]:
            kept_s += until_s - begin_s
    return kept_s / (end_s - start_s) if end_s > start_s else 0.0


def _name(viewer: _Viewer, at_s: float) -> str:
    names = [name for since_s, name in viewer.received if since_s <= at_s]
    return names[-1] if names else ""


def _viewers(report: LoadtestReport) -> list[_Viewer]:
    """Return the video streams behind impaired links."""
    return [
        _Viewer(
            one,
            [(change.at_s, change.encoding) for change in one.encodings],
            one.first_frame_s,
            one.end_s,
        )
        for one in report.video_streams
        if one.impaired and one.encodings
        if one.first_frame_s is not None and one.end_s is not None
        if not one.client.startswith("back-")
    ]


def _names(viewers: Sequence[_Viewer]) -> set[str]:
    return {one.stream.client for one in viewers}


def _of(viewers: Sequence[_Viewer], value: Callable[[_Viewer], float | None]) -> float | None:
    return _mean([value(one) for one in viewers])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _most(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return max(known, default=None)
