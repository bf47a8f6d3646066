"""The longer text of a load test report: gates first, then every metric, the verdict last."""

from collections.abc import Iterator, Mapping

import msgspec

from sfukit import gates, units
from sfukit.cli import loadtest_text, metric_table
from sfukit.cli.error_lines import error_lines
from sfukit.cli.output import labelled
from sfukit.loadgen.reports import sentences
from sfukit.loadgen.result.report import (
    AGGREGATES,
    LoadtestReport,
    Metric,
    Scenario,
    ServerUse,
    SwarmUse,
)
from sfukit.swarm.impairment import Impairment

_NAME = 22  # the width of the names of metrics
_MOST_CLIENTS = 10


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    report = msgspec.json.decode(saved, type=LoadtestReport)
    return [
        loadtest_text.opening_line(report),
        labelled("plan", report.scenario.summary),
        *result_lines(report),
    ]


def result_lines(report: LoadtestReport) -> list[str]:
    """Return gates, clients, metrics, media, worst streams, both sides, errors, verdict."""
    return [
        *_gate_lines(report),
        *_client_lines(report),
        *_metric_lines("metrics", report.metrics),
        *(
            line
            for kind, parts in (("group", report.groups), ("room", report.rooms))
            for name, metrics in parts.items()
            for line in _metric_lines(f"{kind} {name}", metrics)
        ),
        *loadtest_text.stage_lines(report.stages),
        *_media_lines(report),
        *loadtest_text.timing_lines(report),
        *loadtest_text.worst_lines(report.worst),
        *_side_lines(report),
        *error_lines(report.errors),
        *loadtest_text.verdict_lines(report),
        *loadtest_text.shard_lines(report),
    ]


def _gate_lines(report: LoadtestReport) -> Iterator[str]:
    for place, gate in enumerate(report.gates):
        value = f"{gates.show(gate.value, gate.unit)}  {metric_table.mark(gate)}"
        yield labelled("" if place else "gates", f"{gate.gate}: {value}")


def _client_lines(report: LoadtestReport) -> Iterator[str]:
    scenario, metrics = report.scenario, report.metrics
    joined = sentences.share(metrics.get("joins"), scenario.clients)
    tracks = sentences.share(metrics.get("tracks"), scenario.tracks)
    rooms = f"{scenario.rooms:,} room{'s' if scenario.rooms != 1 else ''}"
    impaired = f", {scenario.impaired_clients:,} impaired" * bool(scenario.impaired_clients)
    yield labelled("clients", f"{joined} joined in {rooms}, {tracks} tracks{impaired}")
    yield from loadtest_text.join_lines(report)
    failed = [client for client in report.clients if client.failure]
    for client in failed[:_MOST_CLIENTS]:
        yield labelled("", f"{client.room} {client.name}: {client.failure}")
    if len(failed) > _MOST_CLIENTS:
        yield labelled("", f"and {len(failed) - _MOST_CLIENTS:,} others that failed")


def _metric_lines(label: str, metrics: Mapping[str, Metric]) -> Iterator[str]:
    """Return each metric that has values, named as a gate names it."""
    yield f"{label:<{_NAME}}{metric_table.titles(AGGREGATES)}"
    for name, metric in metrics.items():
        if metric.count:
            yield f"{name:<{_NAME}}{metric_table.figures(metric, AGGREGATES)}"


def _media_lines(report: LoadtestReport) -> Iterator[str]:
    scenario = report.scenario
    encodings = f"{scenario.codec.upper()} {', '.join(scenario.encodings)}"
    yield labelled("media", encodings + " + Opus" * scenario.audio)
    yield labelled("", _sending(scenario))
    yield from loadtest_text.media_lines(report)
    yield from _network_lines(scenario)
    if report.switches:
        counts = ", ".join(f"{count:,} {reason}" for reason, count in report.switches.items())
        yield labelled("layer switches", counts)


def _sending(scenario: Scenario) -> str:
    """Return how media is sent and encrypted."""
    profiles = [f"{count:,} x {name}" for name, count in scenario.srtp_negotiated.items()]
    layout = f"layout {scenario.layout}"
    if scenario.speaker_switch_s is not None:
        layout += f", another speaker every {units.show_duration(scenario.speaker_switch_s)}"
    pacing = f"pacing {scenario.pacing}, unwatched encodings: {scenario.unwatched}"
    return "; ".join([layout, pacing, *profiles])


def _network_lines(scenario: Scenario) -> Iterator[str]:
    for label, impairment in (("network up", scenario.net_up), ("network down", scenario.net_down)):
        if impairment is not None:
            yield labelled(label, _impairment_text(impairment))


def _impairment_text(impairment: Impairment) -> str:
    parts = []
    if impairment.rate_bps is not None:
        queue = gates.show(impairment.queue_ms, "ms")
        parts.append(f"{units.show_bitrate(impairment.rate_bps)} with a queue of {queue}")
    bursts = impairment.bursts
    burst = f" in bursts of {1 / bursts.r:.3g}" if bursts is not None and bursts.r else ""
    figures = (
        ("delay", impairment.delay_ms, "ms"),
        ("jitter", impairment.jitter_ms, "ms"),
        (f"loss{burst}", impairment.mean_loss, "ratio"),
        ("reordered", impairment.reorder, "ratio"),
        ("duplicated", impairment.duplicate, "ratio"),
    )
    parts += [f"{gates.show(value, unit)} {name}" for name, value, unit in figures if value]
    return ", ".join(parts)


def _side_lines(report: LoadtestReport) -> Iterator[str]:
    """Return the use of both sides, the figures of each after its sentence."""
    lines = loadtest_text.side_lines(report)
    more = {"server": report.server, "load generator": report.generator}
    for line in lines:
        yield line
        for label, use in more.items():
            if use is not None and line.startswith(labelled(label, "")):
                yield labelled("", _use_text(use))
    yield labelled("", sentences.health(report))


def _use_text(use: ServerUse | SwarmUse) -> str:
    wait = gates.show(use.run_queue_wait_s, "s")
    parts = [
        f"{use.packets_received:,} packets received, {use.packets_sent:,} sent",
        f"busiest thread {use.busiest_thread:.0%} of a core, waited {wait} for a core",
    ]
    if isinstance(use, ServerUse):
        parts.append(f"{use.packets_retransmitted:,} retransmitted")
    else:
        per_packet = gates.show(use.cpu_us_per_packet_in_out, "us")
        parts += [
            f"{per_packet} per packet",
            f"{units.show_size(use.rss_bytes)}",
            f"{use.decrypted:.0%} decrypted",
            f"{use.unsent:,} unsent",
            f"lag avg {gates.show(use.lag_ms.avg, 'ms')}, max {gates.show(use.lag_ms.max, 'ms')}",
        ]
    return ", ".join(parts)
