"""The use of both sides in the measured windows, and the evidence for saturation. Pure."""

from collections.abc import Iterable, Sequence

from sfukit.loadgen.host.placement import Cores
from sfukit.loadgen.host.processes import Use, between
from sfukit.loadgen.host.server_process import Traffic
from sfukit.loadgen.metrics.histogram import metric_of_histograms
from sfukit.loadgen.metrics.measured import UsageSample, WindowResult
from sfukit.loadgen.result.report import Saturation, ServerUse, Side, SwarmUse
from sfukit.loadgen.verdict.saturation import Evidence

_US_PER_S = 1e6
_WORST_SIDE_FIRST: Sequence[Side] = ("shared", "swarm", "server")


def server_use(windows: Sequence[WindowResult]) -> ServerUse | None:
    """Return the use of a server on this machine in all windows; None without, or if it ended."""
    parts = [part for part in map(_server_use, windows) if part is not None]
    if len(parts) != len(windows):
        return None
    cpu_s = sum(part.cpu_s for part in parts)
    received = sum(part.packets_received for part in parts)
    sent = sum(part.packets_sent for part in parts)
    return ServerUse(
        wall_s=sum(part.wall_s for part in parts),
        cpu_s=cpu_s,
        rss_bytes=parts[-1].rss_bytes,
        packets_received=received,
        packets_sent=sent,
        packets_retransmitted=sum(part.packets_retransmitted for part in parts),
        bytes_sent=sum(part.bytes_sent for part in parts),
        cpu_us_per_packet=_per_packet_us(cpu_s, sent),
        cpu_us_per_packet_in_out=_per_packet_us(cpu_s, received + sent),
        run_queue_wait_s=_total(part.run_queue_wait_s for part in parts),
        busiest_thread=max(part.busiest_thread for part in parts),
        ramp_cpu_s=sum(part.ramp_cpu_s for part in parts),
        ramp_rss_bytes=parts[0].ramp_rss_bytes,
        counted_by=parts[0].counted_by,
    )


def swarm_use(windows: Sequence[WindowResult]) -> SwarmUse:
    """Return the use of the load generator in all windows."""
    uses = [between(window.before.swarm, window.after.swarm) for window in windows]
    totals = [window.figures.totals for window in windows]
    cpu_s = sum(use.cpu_s for use in uses)
    received = sum(total.packets_received for total in totals)
    sent = sum(total.packets_sent for total in totals)
    lags = [window.figures.histograms.lag for window in windows]
    return SwarmUse(
        wall_s=sum(use.wall_s for use in uses),
        cpu_s=cpu_s,
        rss_bytes=uses[-1].rss_bytes,
        packets_received=received,
        packets_sent=sent,
        cpu_us_per_packet_in_out=_per_packet_us(cpu_s, received + sent),
        run_queue_wait_s=_total(use.wait_s for use in uses),
        busiest_thread=max(use.busiest_thread for use in uses),
        lag_ms=metric_of_histograms(lags),
        socket_drops=_total_drops(windows),
        unsent=sum(total.packets_unsent for total in totals),
        decrypted=windows[-1].figures.decrypted_ratio,
        ramp_cpu_s=sum(
            between(window.first.swarm, window.before.swarm).cpu_s for window in windows
        ),
    )


def worst(saturations: Iterable[Saturation]) -> Saturation:
    """Return the saturation that limits the verdict most: a limit of the load generator first."""
    found = list(saturations)
    for side in _WORST_SIDE_FIRST:
        for saturation in found:
            if saturation.side == side:
                return saturation
    return found[0]


def _server_use(window: WindowResult) -> ServerUse | None:
    """Return the use of a server on this machine in a window; None without one, or if it ended."""
    first, before, after = window.first, window.before, window.after
    use = _server_between(before, after)
    ramp = _server_between(first, before)
    if use is None or ramp is None:
        return None
    traffic = _traffic(window)
    received, sent = traffic.packets_received, traffic.packets_sent
    return ServerUse(
        wall_s=use.wall_s,
        cpu_s=use.cpu_s,
        rss_bytes=use.rss_bytes,
        packets_received=received,
        packets_sent=sent,
        packets_retransmitted=traffic.packets_retransmitted,
        bytes_sent=traffic.bytes_sent,
        cpu_us_per_packet=_per_packet_us(use.cpu_s, sent),
        cpu_us_per_packet_in_out=_per_packet_us(use.cpu_s, received + sent),
        run_queue_wait_s=use.wait_s,
        busiest_thread=use.busiest_thread,
        ramp_cpu_s=ramp.cpu_s,
        ramp_rss_bytes=first.server.rss_bytes if first.server else 0,
        counted_by="server" if after.traffic is not None else "bots",
    )


def _traffic(window: WindowResult) -> Traffic:
    """Return the packets of the server in a window: its own counts, else those of the bots."""
    before, after = window.before.traffic, window.after.traffic
    if before is not None and after is not None:
        return after.since(before)
    totals = window.figures.totals
    return Traffic(
        packets_received=totals.packets_sent,
        packets_sent=totals.packets_received,
        packets_retransmitted=0,
        bytes_sent=totals.bytes_received,
    )


def _server_between(earlier: UsageSample, later: UsageSample) -> Use | None:
    if earlier.server is None or later.server is None:
        return None
    return between(earlier.server, later.server)


def _per_packet_us(cpu_s: float, packets: int) -> float | None:
    return cpu_s * _US_PER_S / packets if packets else None


def _total(values: Iterable[float | None]) -> float | None:
    """Return the sum; None where a value is unknown."""
    known = list(values)
    return None if None in known else sum(value or 0.0 for value in known)


def _total_drops(windows: Iterable[WindowResult]) -> int | None:
    drops = list(map(_drops, windows))
    return None if None in drops else sum(drop or 0 for drop in drops)


def _drops(window: WindowResult) -> int | None:
    """Return the drops at the bots' sockets within the window; None is unknown."""
    before, after = window.figures_before.generator, window.figures.generator
    if before is None or after is None:
        return None
    if before.socket_drops is None or after.socket_drops is None:
        return None
    return after.socket_drops - before.socket_drops


def evidence(cores: Cores, window: WindowResult) -> Evidence:
    totals, drops = window.figures.totals, _drops(window)
    lag = metric_of_histograms([window.figures.histograms.lag])
    planned = totals.packets_sent + totals.packets_unsent
    arriving = totals.packets_received + (drops or 0)
    server = _server_between(window.before, window.after)
    swarm = between(window.before.swarm, window.after.swarm)
    return Evidence(
        server=server,
        swarm=swarm,
        other_cores=_other_cores(window, swarm, server),
        lag_p99_ms=lag.p99,
        dropped=None if drops is None else drops / max(1, arriving),
        unsent=totals.packets_unsent / max(1, planned),
        disjoint=cores.disjoint,
    )


def _other_cores(window: WindowResult, swarm: Use, server: Use | None) -> float | None:
    """Return the number of cores used by other programs of this machine."""
    before_s, after_s = window.before.busy_s, window.after.busy_s
    if before_s is None or after_s is None:
        return None
    own_s = swarm.cpu_s + (server.cpu_s if server else 0.0)
    return max(0.0, after_s - before_s - own_s) / swarm.wall_s
