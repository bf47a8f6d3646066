"""Figures out of the reports of load tests; pure."""

from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.signaling_load.result import SignalingReport
from sfukit.report import Envelope
from tools.bench.figure import Figure, at_most, below, exactly, ratio

_KIB = 1024
_US_PER_S = 1e6
_MS_PER_S = 1e3

NARROW_BPS = 1_000_000.0
_NARROW_SHARE = 0.9  # a stream that overflows its link arrives at the rate of the link
SETTLING_S = 5.0
_SWITCHING_S = 10.0


def broadcast(whole: LoadtestReport, paced: LoadtestReport) -> list[Figure]:
    """Return the server's CPU time per forwarded packet, by the pacing of the publisher."""
    return [
        Figure("whole: server_cpu_us_per_packet", _per_packet_us(whole), "us", at_most(1.8)),
        Figure("paced: server_cpu_us_per_packet", _per_packet_us(paced), "us", at_most(2.3)),
        Figure("whole: retransmitted", _retransmitted(whole), "ratio"),
        Figure("paced: retransmitted", _retransmitted(paced), "ratio"),
        _verdict(whole, paced),
    ]


def audio(at_once: LoadtestReport, coalesced: LoadtestReport) -> list[Figure]:
    """Return the server's CPU time per audio packet, with and without egress batching."""
    return [
        Figure("at once: server_cpu_us_per_packet", _per_packet_us(at_once), "us", at_most(3.4)),
        Figure("coalesced: server_cpu_us_per_packet", _per_packet_us(coalesced), "us"),
        Figure("at once: jitter_ms p95", at_once.metrics["jitter_ms"].p95, "ms"),
        Figure("coalesced: jitter_ms p95", coalesced.metrics["jitter_ms"].p95, "ms"),
        _verdict(at_once, coalesced),
    ]


def session(report: LoadtestReport) -> list[Figure]:
    """Return the figures of a whole session: joins, loss, delay, CPU of the server."""
    metrics = report.metrics
    return [
        Figure("joins", metrics["joins"].avg, "ratio", exactly(1.0)),
        Figure("loss_after_rtx", metrics["loss_after_rtx"].avg, "ratio", exactly(0.0)),
        Figure("e2e_delta_ms p99", metrics["e2e_delta_ms"].p99, "ms", below(50.0)),
        Figure("e2e_keyframe_ms p99", metrics["e2e_keyframe_ms"].p99, "ms", below(90.0)),
        Figure("ttff_ms p95", metrics["ttff_ms"].p95, "ms", below(800.0)),
        Figure("server, cores", _core(report), "", at_most(0.7)),
        Figure("server_cpu_us_per_packet", _per_packet_us(report), "us"),
        Figure("swarm, cores", _swarm_core(report), ""),
        _verdict(report),
    ]


def lossy(lossy: LoadtestReport, clean: LoadtestReport) -> list[Figure]:
    """Compare subscribers that lose packets to the same without loss."""
    metrics, server = lossy.metrics, lossy.server
    lost = None
    if server is not None and (share := metrics["loss_raw"].avg) is not None:
        lost = share * (server.packets_sent - server.packets_retransmitted)
    resent = server.packets_retransmitted if server is not None else None
    return [
        Figure("loss_raw", metrics["loss_raw"].avg, "ratio"),
        Figure("loss_after_rtx", metrics["loss_after_rtx"].avg, "ratio", at_most(0.0005)),
        Figure("longest_gap_ms max", metrics["longest_gap_ms"].max, "ms", at_most(400.0)),
        Figure(
            "CPU per packet, times the clean run's",
            ratio(_per_packet_us(lossy), _per_packet_us(clean)),
            "",
            at_most(1.25),
        ),
        Figure("retransmitted packets per lost packet", ratio(resent, lost), "", at_most(1.5)),
        _verdict(lossy, clean),
    ]


def narrow(narrow: LoadtestReport, unhindered: LoadtestReport) -> list[Figure]:
    """Return the figures of both groups: the same bots are chosen in the run without narrow links.

    The window begins ``SETTLING_S`` after the last join, so settling and switching are told apart.
    """
    group = narrow.groups["impaired"]
    free, before = (_of_most(one, "stream_e2e_p99_ms") for one in (narrow, unhindered))
    per_10_s = ratio(group["layer_switches"].max, narrow.scenario.duration_s / _SWITCHING_S)
    fits = at_most(_NARROW_SHARE * NARROW_BPS)
    return [
        Figure("narrow: settled_ms max", group["settled_ms"].max, "ms", at_most(SETTLING_S * 1e3)),
        Figure("narrow: bitrate_in max", group["bitrate_in"].max, "bit/s", fits),
        Figure("narrow: switches per 10 s, max", per_10_s, "", at_most(1.0)),
        Figure("free: e2e p99 of a stream, p95 of them, ms", free, "ms"),
        Figure("free: the same without narrow links, ms", before, "ms"),
        Figure("free: times that without narrow links", ratio(free, before), "", at_most(1.1)),
        _verdict(narrow, unhindered),
    ]


def ramp(report: LoadtestReport) -> list[Figure]:
    """Judge how fast participants come in, and what each costs beside the media it then gets."""
    scenario, server = report.scenario, report.server
    cost = None
    if server is not None:
        loaded_s = scenario.ramp_s / 2 + scenario.warmup_s
        cost = joining_cpu_ms(
            server.ramp_cpu_s, server.cpu_s / server.wall_s, loaded_s, scenario.clients
        )
    return [
        *_joining(report),
        Figure("server_cpu_ms per participant joining", cost, "ms", at_most(3.5)),
        _verdict(report),
    ]


def signaling(report: SignalingReport) -> list[Figure]:
    """Judge the latency of requests without media, and what they cost the server."""
    metrics, server, own = report.metrics, report.server, report.generator
    return [
        Figure("operations", report.shares["operations"].ratio, "ratio", exactly(1.0)),
        Figure("operation_ms p50", metrics["operation_ms"].p50, "ms"),
        Figure("operation_ms p99", metrics["operation_ms"].p99, "ms", below(50.0)),
        Figure("delivery_ms p99", metrics["delivery_ms"].p99, "ms", below(50.0)),
        Figure("join_ms p99", metrics["join_ms"].p99, "ms"),
        Figure("server, cores", server.cpu_cores if server else None, "", at_most(1.0)),
        Figure("load generator, cores", own.cpu_cores if own else None, "", at_most(0.5)),
        _verdict(report),
    ]


def whep(report: LoadtestReport, cpu_ms: float | None) -> list[Figure]:
    """Judge WHEP sessions; the server's CPU time was read from outside."""
    return [
        *_joining(report),
        Figure("server_cpu_ms per WHEP session", cpu_ms, "ms", at_most(4.0)),
        _verdict(report),
    ]


def memory(few: LoadtestReport, many: LoadtestReport) -> list[Figure]:
    """Spread the memory that more subscribers take over them."""
    more = many.scenario.tracks - few.scenario.tracks
    each = None
    if few.server is not None and many.server is not None:
        each = ratio(many.server.rss_bytes - few.server.rss_bytes, more)
    return [
        Figure(f"rss_bytes at {_subscribers(few)}", _rss(few), "bytes"),
        Figure(f"rss_bytes at {_subscribers(many)}", _rss(many), "bytes"),
        Figure("rss_bytes per subscriber more", each, "bytes", at_most(96 * _KIB)),
        _verdict(few, many),
    ]


def swarm(report: LoadtestReport) -> list[Figure]:
    """Return the swarm's CPU time per received packet."""
    use = report.generator
    return [
        Figure("swarm_cpu_us per received packet", received_us(report), "us", at_most(1.5)),
        Figure("decrypted", use.decrypted if use else None, "ratio", exactly(1.0)),
        _verdict(report),
    ]


def received_us(report: LoadtestReport) -> float | None:
    """Return the swarm's CPU time per received packet."""
    use = report.generator
    return None if use is None else ratio(use.cpu_s * _US_PER_S, use.packets_received)


def many_receivers(few: LoadtestReport, many: LoadtestReport) -> list[Figure]:
    """Return whether the swarm keeps up with many receiving bots, and the memory of each."""
    use, before = many.generator, few.generator
    per_bot = None
    if use is not None and before is not None:
        more = many.scenario.clients - few.scenario.clients
        per_bot = ratio(use.rss_bytes - before.rss_bytes, more)
    return [
        Figure("joins", many.metrics["joins"].avg, "ratio", exactly(1.0)),
        Figure("decrypted", use.decrypted if use else None, "ratio", exactly(1.0)),
        Figure("loss_after_rtx", many.metrics["loss_after_rtx"].avg, "ratio"),
        Figure("saturated", many.saturation.side, "", exactly("none")),
        Figure("swarm, cores", _swarm_core(many), ""),
        Figure("server, cores", _core(many), ""),
        Figure("swarm_cpu_us per received packet", received_us(many), "us"),
        Figure("memory per bot", per_bot, "bytes", at_most(64.0 * _KIB)),
    ]


def joining_cpu_ms(ramp_cpu_s: float, steady_cores: float, loaded_s: float, clients: int) -> float:
    """Return the cost of a join: the CPU time until the window, minus that of the media.

    ``loaded_s`` is how long the whole load would have run for the media sent until then: half the
    joining, as the load grows evenly, and all that came after it.
    """
    return (ramp_cpu_s - steady_cores * loaded_s) / clients * _MS_PER_S


def _joining(report: LoadtestReport) -> list[Figure]:
    join = report.metrics["join_ms"]
    return [
        Figure("joins", report.metrics["joins"].avg, "ratio", exactly(1.0)),
        Figure("join_ms p50", join.p50, "ms"),
        Figure("join_ms p95", join.p95, "ms", below(300.0)),
    ]


def _verdict(*reports: Envelope) -> Figure:
    """Return the verdict of runs: failed or inconclusive ones invalidate the figures."""
    verdicts = [report.verdict for report in reports]
    bad = [verdict for verdict in verdicts if verdict != "pass"]
    return Figure("verdict", bad[0] if bad else "pass", "text", exactly("pass"))


def _per_packet_us(report: LoadtestReport) -> float | None:
    return report.server.cpu_us_per_packet if report.server is not None else None


def _retransmitted(report: LoadtestReport) -> float | None:
    server = report.server
    return ratio(server.packets_retransmitted, server.packets_sent) if server is not None else None


def _core(report: LoadtestReport) -> float | None:
    return ratio(report.server.cpu_s, report.server.wall_s) if report.server is not None else None


def _swarm_core(report: LoadtestReport) -> float | None:
    use = report.generator
    return ratio(use.cpu_s, use.wall_s) if use is not None else None


def _rss(report: LoadtestReport) -> float | None:
    return report.server.rss_bytes if report.server is not None else None


def _subscribers(report: LoadtestReport) -> int:
    return report.scenario.tracks


def _of_most(report: LoadtestReport, metric: str) -> float | None:
    return report.groups["free"][metric].p95
