"""From what was measured to a report: metrics, blame, verdict. Pure but for ``ask``."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sfukit import gates
from sfukit.loadgen import result, scenario
from sfukit.loadgen.figures import Figures, StreamFigures
from sfukit.loadgen.histogram import metric_of_histograms, metric_of_values
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.native_messages import Snapshot
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.placement import Cores
from sfukit.loadgen.processes import Reading, Use, between
from sfukit.loadgen.result import LoadtestReport, Metric, ServerUse, SwarmUse, Worst
from sfukit.loadgen.saturation import Evidence, attribute
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.server_process import Traffic
from sfukit.loadgen.swarm import Swarm
from sfukit.loadgen.verdict import Circumstances, TargetFault, decide, default_gates
from sfukit.machine import Machine

_US_PER_S = 1e6
_WORST = 3


@dataclass(frozen=True)
class Facts:
    """What was known before the first bot joined."""

    options: RunOptions
    plan: Plan
    target: result.Target
    machine: Machine
    cores: Cores
    started_at: datetime


@dataclass(frozen=True)
class Look:
    """Both processes at one instant; the server's parts are None for a server elsewhere.

    ``busy_s`` is what all cores of this machine have worked, None where it is unknown.
    """

    swarm: Reading
    server: Reading | None
    traffic: Traffic | None
    busy_s: float | None


@dataclass(frozen=True, kw_only=True)
class Windowed:
    """What the window gave: looks at the start of the run and at both ends of the window."""

    first: Look
    before: Look
    after: Look
    figures_before: Figures
    figures: Figures
    target_fault: TargetFault | None
    interrupted: bool


async def ask(swarm: Swarm, *, streams: bool) -> Figures:
    """Take the figures of the window."""
    return await swarm.ask(Snapshot(bots=streams), Figures)


def report(facts: Facts, ledger: Ledger, windowed: Windowed) -> LoadtestReport:
    """Write the whole report."""
    plan, options = facts.plan, facts.options
    metrics = measured(plan, ledger, windowed)
    server, generator = _server_use(windowed), _swarm_use(windowed)
    evidence = _evidence(facts.cores, windowed)
    saturation = attribute(evidence)
    judged = gates.judge(
        _gates(plan, options), result.figures(metrics, server, generator, saturation)
    )
    decision = decide(
        judged,
        saturation,
        Circumstances(
            interrupted=windowed.interrupted,
            target_fault=windowed.target_fault,
            refused_joins=ledger.refused,
            load_delivered=evidence.load_delivered,
        ),
    )
    return LoadtestReport(
        schema=result.SCHEMA,
        command="loadtest",
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        started_at=facts.started_at.isoformat(timespec="seconds"),
        seed=plan.options.seed,
        interrupted=windowed.interrupted,
        reasons=decision.reasons,
        target=facts.target,
        scenario=_scenario(plan, options, ledger),
        environment=_environment(facts),
        gates=judged,
        metrics=metrics,
        groups=_groups(plan, windowed.figures),
        server=server,
        generator=generator,
        saturation=saturation,
        switches=dict(ledger.switches),
        worst=_worst(plan, windowed.figures),
        errors=ledger.faults,
    )


def measured(plan: Plan, ledger: Ledger, windowed: Windowed) -> dict[str, Metric]:
    """Fill in every metric; what was not measured has no figures."""
    attendance = ledger.attendance.values()
    histograms = windowed.figures.histograms
    joined = [float(one.connected_ns is not None) for one in attendance]
    joined += [0.0] * (len(plan.bots) - len(joined))  # those whose turn never came
    arrived = [1.0] * ledger.tracks + [0.0] * max(0, plan.tracks - ledger.tracks)
    return {
        "joins": metric_of_values(joined, "ratio"),
        "tracks": metric_of_values(arrived, "ratio"),
        "join_ms": metric_of_values(ledger.join_ms(), "ms"),
        "join_signalling_ms": metric_of_values(ledger.signalling_ms(), "ms"),
        "join_ice_ms": metric_of_values(_known(one.ice_ms for one in attendance), "ms"),
        "join_dtls_ms": metric_of_values(_known(one.dtls_ms for one in attendance), "ms"),
        "ttff_ms": metric_of_values(ledger.ttff_ms(), "ms"),
        "e2e_frame_ms": metric_of_histograms([histograms.e2e_frame]),
        "e2e_delta_ms": metric_of_histograms([histograms.e2e_delta]),
        "e2e_keyframe_ms": metric_of_histograms([histograms.e2e_keyframe]),
        "rtt_ms": metric_of_histograms([histograms.rtt]),
        "layer_switch_ms": metric_of_values(ledger.switch_waits_ms, "ms"),
        "layer_switches": _switches(ledger, windowed.figures.streams),
        "bitrate_out": _sent(plan, windowed),
        **_of_streams(windowed.figures.streams, windowed),
    }


def _of_streams(streams: Sequence[StreamFigures], windowed: Windowed) -> dict[str, Metric]:
    """Describe received streams; ratios have the ratio over all packets as their average."""
    video = [stream for stream in streams if stream.kind == "video" and stream.playing_ms]
    wall_s = _window_s(windowed)
    return {
        "jitter_ms": metric_of_values(_known(stream.jitter_ms for stream in streams), "ms"),
        "loss_raw": _ratios((one.packets_lost_raw, one.packets_expected) for one in streams),
        "loss_after_rtx": _repaired(streams),
        "loss_after_rtx_video": _repaired(one for one in streams if one.kind == "video"),
        "loss_after_rtx_audio": _repaired(one for one in streams if one.kind == "audio"),
        "freeze_est": _ratios((one.frozen_ms, one.playing_ms) for one in video),
        "longest_gap_ms": metric_of_values((one.longest_gap_ms for one in video), "ms"),
        "bitrate_in": metric_of_values(
            (one.bytes_received * 8 / wall_s for one in streams), "bit/s"
        ),
    }


def _repaired(streams: Iterable[StreamFigures]) -> Metric:
    return _ratios((one.packets_lost_after_rtx, one.packets_expected) for one in streams)


def _ratios(parts: Iterable[tuple[float, float]]) -> Metric:
    known = [(part, whole) for part, whole in parts if whole]
    total = sum(whole for _, whole in known)
    average = sum(part for part, _ in known) / total if total else None
    return metric_of_values((part / whole for part, whole in known), "ratio", average=average)


def _switches(ledger: Ledger, streams: Sequence[StreamFigures]) -> Metric:
    video = [stream.stream for stream in streams if stream.kind == "video"]
    return metric_of_values((float(ledger.changes.get(name, 0)) for name in video), "count")


def _sent(plan: Plan, windowed: Windowed) -> Metric:
    """Describe what publishers sent: only its average is counted."""
    publishers = sum(bot.sends for bot in plan.bots)
    sent_bps = windowed.figures.totals.bytes_sent * 8 / _window_s(windowed)
    return Metric(unit="bit/s", count=publishers, avg=sent_bps / max(1, publishers))


def _window_s(windowed: Windowed) -> float:
    return max(windowed.after.swarm.at_s - windowed.before.swarm.at_s, 1e-9)


def _server_use(windowed: Windowed) -> ServerUse | None:
    """Charge a server started here for the window; None where it was not, or is gone."""
    first, before, after = windowed.first, windowed.before, windowed.after
    use = _server_between(before, after)
    joining = _server_between(first, before)
    if use is None or joining is None or before.traffic is None or after.traffic is None:
        return None
    received = after.traffic.packets_received - before.traffic.packets_received
    sent = after.traffic.packets_sent - before.traffic.packets_sent
    return ServerUse(
        wall_s=use.wall_s,
        cpu_s=use.cpu_s,
        rss_bytes=use.rss_bytes,
        packets_received=received,
        packets_sent=sent,
        bytes_sent=after.traffic.bytes_sent - before.traffic.bytes_sent,
        cpu_us_per_packet=_per_packet_us(use.cpu_s, sent),
        cpu_us_per_packet_in_out=_per_packet_us(use.cpu_s, received + sent),
        run_queue_wait_s=use.wait_s,
        busiest_thread=use.busiest_thread,
        joining_cpu_s=joining.cpu_s,
        joining_rss_bytes=first.server.rss_bytes if first.server else 0,
    )


def _server_between(earlier: Look, later: Look) -> Use | None:
    if earlier.server is None or later.server is None:
        return None
    return between(earlier.server, later.server)


def _swarm_use(windowed: Windowed) -> SwarmUse:
    use = between(windowed.before.swarm, windowed.after.swarm)
    totals = windowed.figures.totals
    return SwarmUse(
        wall_s=use.wall_s,
        cpu_s=use.cpu_s,
        rss_bytes=use.rss_bytes,
        packets_received=totals.packets_received,
        packets_sent=totals.packets_sent,
        cpu_us_per_packet_in_out=_per_packet_us(
            use.cpu_s, totals.packets_received + totals.packets_sent
        ),
        run_queue_wait_s=use.wait_s,
        busiest_thread=use.busiest_thread,
        lag_ms=metric_of_histograms([windowed.figures.histograms.lag]),
        socket_drops=_drops(windowed),
        unsent=totals.packets_unsent,
        decrypted=windowed.figures.decrypted_ratio,
        joining_cpu_s=between(windowed.first.swarm, windowed.before.swarm).cpu_s,
    )


def _per_packet_us(cpu_s: float, packets: int) -> float | None:
    return cpu_s * _US_PER_S / packets if packets else None


def _drops(windowed: Windowed) -> int | None:
    """Count the drops at the bots' sockets within the window."""
    before, after = windowed.figures_before.generator, windowed.figures.generator
    if before is None or after is None:
        return None
    if before.socket_drops is None or after.socket_drops is None:
        return None
    return after.socket_drops - before.socket_drops


def _evidence(cores: Cores, windowed: Windowed) -> Evidence:
    totals, drops = windowed.figures.totals, _drops(windowed)
    lag = metric_of_histograms([windowed.figures.histograms.lag])
    planned = totals.packets_sent + totals.packets_unsent
    arriving = totals.packets_received + (drops or 0)
    server = _server_between(windowed.before, windowed.after)
    swarm = between(windowed.before.swarm, windowed.after.swarm)
    return Evidence(
        server=server,
        swarm=swarm,
        others=_others(windowed, swarm, server),
        lag_p99_ms=lag.p99,
        dropped=None if drops is None else drops / max(1, arriving),
        unsent=totals.packets_unsent / max(1, planned),
        disjoint=cores.disjoint,
    )


def _others(windowed: Windowed, swarm: Use, server: Use | None) -> float | None:
    """Work out how many cores other programs of this machine used."""
    before_s, after_s = windowed.before.busy_s, windowed.after.busy_s
    if before_s is None or after_s is None:
        return None
    ours_s = swarm.cpu_s + (server.cpu_s if server else 0.0)
    return max(0.0, after_s - before_s - ours_s) / swarm.wall_s


def _gates(plan: Plan, options: RunOptions) -> list[gates.Gate]:
    usual = default_gates(receives=plan.tracks > 0, video=plan.has_video)
    return [*(usual if options.default_gates else ()), *options.gates]


def _groups(plan: Plan, figures: Figures) -> dict[str, dict[str, Metric]]:
    """Tell the bots with a bad network from the others, where there are both."""
    impaired = {bot.index + 1 for bot in plan.bots if bot.impaired}
    if not impaired:
        return {}
    return {
        "impaired": _group([one for one in figures.streams if one.bot in impaired]),
        "free": _group([one for one in figures.streams if one.bot not in impaired]),
    }


def _group(streams: Sequence[StreamFigures]) -> dict[str, Metric]:
    """Describe a group by its streams: of each its own percentile, never a mean of percentiles."""
    return {
        "stream_e2e_p99_ms": metric_of_values(
            _known(stream.e2e_frame.p99_ms for stream in streams), "ms"
        ),
        "loss_after_rtx": _repaired(streams),
        "freeze_est": _ratios((one.frozen_ms, one.playing_ms) for one in streams),
        "longest_gap_ms": metric_of_values((one.longest_gap_ms for one in streams), "ms"),
    }


def _worst(plan: Plan, figures: Figures) -> list[Worst]:
    """Pick the streams with the longest frame delays."""
    known = [one for one in figures.streams if one.e2e_frame.p99_ms is not None]
    known.sort(key=lambda one: -(one.e2e_frame.p99_ms or 0.0))
    return [_worst_of(plan, stream) for stream in known[:_WORST]]


def _worst_of(plan: Plan, stream: StreamFigures) -> Worst:
    bot = plan.bots[stream.bot - 1]
    return Worst(
        room=plan.rooms[bot.room].label,
        bot=bot.name,
        source=stream.source,
        metric="frame delay p99",
        value=stream.e2e_frame.p99_ms or 0.0,
        unit="ms",
        note="bad network" if bot.impaired else "",
    )


def _scenario(plan: Plan, options: RunOptions, ledger: Ledger) -> result.Scenario:
    load = plan.options
    return result.Scenario(
        name=load.scenario,
        clients=len(plan.bots),
        rooms=len(plan.rooms),
        tracks=plan.tracks,
        codec=load.codec,
        encodings=[encoding.clip.name for encoding in plan.encodings] if plan.has_video else [],
        audio=any(bot.audio for bot in plan.bots),
        ramp_per_s=load.ramp_per_s,
        joining_s=plan.ramp.span_s,
        warmup_s=load.warmup_s,
        duration_s=load.duration_s,
        srtp=options.srtp,
        srtp_negotiated=dict(ledger.profiles),
        pacing=options.pacing,
        impaired_clients=sum(bot.impaired for bot in plan.bots),
        net_up=load.net_up,
        net_down=load.net_down,
        line=scenario.plan_line(plan),
    )


def _environment(facts: Facts) -> result.Environment:
    machine, cores = facts.machine, facts.cores
    return result.Environment(
        kernel=machine.kernel,
        cpu_model=machine.cpu_model,
        cores=machine.cores,
        rmem_max=machine.rmem_max,
        wmem_max=machine.wmem_max,
        placement=result.Placement(
            pin=cores.pin, server=list(cores.server), swarm=list(cores.swarm)
        ),
    )


def _known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
