"""Prometheus metrics of the engine's counters, read at each scrape."""

from collections.abc import Iterator, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from sfukit.server.counters import LATENCY_BOUNDS_S, ServerCounters
from sfukit.server.engine import Engine


class EngineCollector:
    """Collector of the engine's counters."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def describe(self) -> Iterator[Metric]:
        """Return no descriptions, so that registration does not read the counters."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the counters once and yield all metrics."""
        counters = self._engine.counters()
        yield from _rtp(counters)
        yield _feedback(counters)
        yield from _data(counters)
        yield _by(
            "sfukit_ice_sessions",
            "ICE sessions, by result: connected, failed",
            "result",
            _results(counters, "ice"),
        )
        yield _by(
            "sfukit_dtls_handshakes",
            "DTLS handshakes, by result: connected, failed",
            "result",
            _results(counters, "dtls"),
        )
        yield _by(
            "sfukit_dropped",
            "Datagrams and RTP or RTCP packets dropped, by reason",
            "reason",
            counters.dropped,
        )
        yield _single(
            "sfukit_stun_answered",
            "STUN Binding requests answered without an ICE session (--stun)",
            counters.stun_unauthenticated_answered,
        )
        yield _latency(counters)
        yield _live(counters)
        up = GaugeMetricFamily(
            "sfukit_engine_up", "1 while the media worker runs, 0 after it ended", labels=["engine"]
        )
        for worker in range(self._engine.workers):
            up.add_metric([str(worker)], worker not in self._engine.ended_workers)
        yield up
        yield _single(
            "sfukit_engine_cpu_seconds",
            "CPU time of the media workers in seconds",
            counters.worker_cpu_ns / 1e9,
        )
        yield _single(
            "sfukit_engine_events_dropped",
            "Engine events dropped because the event queue was full",
            counters.events_dropped,
        )
        yield _single(
            "sfukit_rooms_broken",
            "Rooms closed by the engine after an internal error (panic)",
            counters.rooms_broken,
        )
        yield _single(
            "sfukit_padding_bytes",
            "RTP padding bytes sent to make datagrams of equal size for UDP GSO",
            counters.padding_bytes_sent,
        )
        yield _single(
            "sfukit_probe_bytes",
            "Bytes of padding sent to probe for bandwidth",
            counters.probe_bytes_sent,
        )
        yield _single(
            "sfukit_send_calls", "System calls that sent UDP datagrams", counters.send_calls
        )
        yield _single(
            "sfukit_send_messages",
            "Messages passed to the send system calls, each of one or more datagrams (UDP GSO)",
            counters.messages_sent,
        )
        yield _single("sfukit_send_datagrams", "UDP datagrams sent", counters.datagrams_sent)


def _rtp(counters: ServerCounters) -> Iterator[Metric]:
    packets = CounterMetricFamily(
        "sfukit_rtp_packets", "RTP packets, by direction and kind", labels=["direction", "kind"]
    )
    received_video = counters.packets_received - counters.audio_packets_received
    resent = counters.retransmitted_packets_sent
    packets.add_metric(["inbound", "audio"], counters.audio_packets_received)
    packets.add_metric(["inbound", "video"], received_video)
    packets.add_metric(["outbound", "audio"], counters.audio_packets_sent)
    packets.add_metric(
        ["outbound", "video"], counters.packets_sent - counters.audio_packets_sent - resent
    )
    packets.add_metric(["outbound", "rtx"], resent)
    yield packets
    octets = CounterMetricFamily(
        "sfukit_rtp_bytes", "UDP payload bytes of RTP packets, by direction", labels=["direction"]
    )
    octets.add_metric(["inbound"], counters.bytes_received)
    octets.add_metric(["outbound"], counters.bytes_sent)
    yield octets
    yield _single(
        "sfukit_rtp_packets_lost", "RTP packets lost from publishers", counters.packets_lost
    )
    yield _single(
        "sfukit_red_packets_recovered",
        "Lost audio packets of publishers that a later packet had too (RED)",
        counters.audio_packets_recovered,
    )


def _feedback(counters: ServerCounters) -> Metric:
    family = CounterMetricFamily(
        "sfukit_rtcp_feedback",
        "RTCP feedback messages, by type and direction",
        labels=["type", "direction"],
    )
    for kind, inbound, outbound in (
        ("nack", counters.nacks_received, counters.nacks_sent),
        ("pli", counters.keyframe_requests_received, counters.keyframe_requests_sent),
        ("twcc", counters.transport_feedback_received, counters.transport_feedback_sent),
    ):
        family.add_metric([kind, "inbound"], inbound)
        family.add_metric([kind, "outbound"], outbound)
    family.add_metric(["nack_unanswered", "inbound"], counters.nacks_unanswered)
    family.add_metric(["pli_rate_limited", "inbound"], counters.keyframe_requests_rate_limited)
    return family


def _data(counters: ServerCounters) -> Iterator[Metric]:
    yield _by(
        "sfukit_data_messages",
        "Messages of data channels, by result: received, sent (once per receiver), dropped (a "
        "receiver that reads too slowly, or a closed channel), refused (not passed on)",
        "result",
        {
            result: getattr(counters, f"data_messages_{result}")
            for result in ("received", "sent", "dropped", "refused")
        },
    )
    yield _by(
        "sfukit_data_bytes",
        "Bytes of those messages, by direction",
        "direction",
        {"inbound": counters.data_bytes_received, "outbound": counters.data_bytes_sent},
    )


def _results(counters: ServerCounters, protocol: str) -> Mapping[str, int]:
    return {result: getattr(counters, f"{protocol}_{result}") for result in ("connected", "failed")}


def _by(name: str, text: str, label: str, table: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, text, labels=[label])
    for key, count in table.items():
        family.add_metric([key], count)
    return family


def _single(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(name, text, value=value)


def _live(counters: ServerCounters) -> Metric:
    family = GaugeMetricFamily(
        "sfukit_live_objects", "Objects in the media engine, by kind", labels=["kind"]
    )
    for kind in ("rooms", "transports", "publications", "subscriptions", "data_associations"):
        family.add_metric([kind], getattr(counters, kind))
    return family


def _latency(counters: ServerCounters) -> Metric:
    total = 0
    buckets = []
    bounds = [*(str(bound) for bound in LATENCY_BOUNDS_S), "+Inf"]
    for bound, count in zip(bounds, counters.forward_latency_us or [0] * len(bounds), strict=True):
        total += count
        buckets.append((bound, total))
    family = HistogramMetricFamily(
        "sfukit_forward_latency_seconds",
        "Seconds from the receipt of an RTP packet to its send system call",
    )
    family.add_metric([], buckets=buckets, sum_value=counters.forward_latency_sum_us / 1e6)
    return family
