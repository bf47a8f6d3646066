"""Prometheus metrics of the control plane, and of the engine's counters at each scrape."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import generate_latest

from sfukit import __version__
from sfukit.server.engine import Engine
from sfukit.server.engine_metrics import EngineCollector
from sfukit.server.native_messages import TransportState

_JOIN_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
_MAX_AGE_S = 0.5  # an exposition takes milliseconds: at most two per second
_LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """The metrics of one server, in a separate registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._recent: tuple[float, bytes] | None = None
        self.rooms = self._gauge("sfukit_rooms", "Open rooms")
        self.participants = self._gauge(
            "sfukit_participants", "Participants of all rooms, WHEP viewers included"
        )
        self.join_s = self._histogram(
            "sfukit_join_duration_seconds",
            "Seconds from the join request until the first transport is connected",
            _JOIN_BUCKETS_S,
        )
        self.refused = self._counter(
            "sfukit_refused_total", "Requests refused, by reason", "reason"
        )
        self.participants_ended = self._counter(
            "sfukit_participants_ended_total",
            "Participants and WHEP viewers that left, by reason",
            "reason",
        )
        self.queue_dropped = self._counter(
            "sfukit_signal_queue_dropped_total",
            "Signaling messages dropped because the send queue of the WebSocket was full",
        )
        self.callback_failures = self._counter(
            "sfukit_callback_failures_total",
            "Callbacks that raised an exception, by callback",
            "callback",
        )
        self.connections = self._gauge(
            "sfukit_http_connections", "Open TCP connections of HTTP and WebSocket"
        )
        self.connections_closed = self._counter(
            "sfukit_http_connections_closed_total",
            "TCP connections closed by the server, by reason",
            "reason",
        )
        self.accept_failed = self._counter(
            "sfukit_accept_failed_total",
            "Failures to accept a TCP connection for want of file descriptors",
        )
        self.lag_s = self._histogram(
            "sfukit_event_loop_lag_seconds",
            "Seconds by which the event loop runs a timer late",
            _LAG_BUCKETS_S,
        )
        self.tasks = self._gauge(
            "sfukit_asyncio_tasks",
            "Tasks of the event loop: a constant number and one per connection",
        )
        self.layer_switches = self._counter(
            "sfukit_layer_switches_total", "Encoding switches of subscriptions, by reason", "reason"
        )
        self.videos_paused = self._counter(
            "sfukit_videos_paused_total",
            "Videos of subscribers that were paused, by reason",
            "reason",
        )
        self.speaker_changes = self._counter(
            "sfukit_active_speaker_changes_total",
            "Changes of the list of active speakers of a room",
        )
        self.data_channels_closed = self._counter(
            "sfukit_data_channels_closed_total",
            "Data channels that the server closed, by reason",
            "reason",
        )
        self._transports = self._counter(
            "sfukit_transports_total",
            "Transport state changes, by state and reason",
            "state",
            "reason",
        )
        self._state = self._gauge(
            "sfukit_node_state",
            "1 for the current state of the server: serving, draining or stopped",
            "state",
        )
        Info("sfukit_build", "Version of the server", registry=self.registry).info(
            {"version": __version__}
        )
        self.node_state("serving")

    def register_engine(self, engine: Engine) -> None:
        """Register the collector of the engine's counters."""
        self.registry.register(EngineCollector(engine))

    def node_state(self, state: str) -> None:
        """Set the state of the server: serving, draining or stopped."""
        for known in ("serving", "draining", "stopped"):
            self._state.labels(known).set(known == state)

    def transport_state(self, event: TransportState) -> None:
        """Count a change of a transport state."""
        self._transports.labels(event.state, event.reason).inc()

    def exposition(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""
        return generate_latest(self.registry)

    def cached_exposition(self, now_s: float) -> bytes:
        """Return an exposition that is at most half a second old."""
        if self._recent is None or now_s - self._recent[0] >= _MAX_AGE_S:
            self._recent = (now_s, self.exposition())
        return self._recent[1]

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, text, buckets=buckets, registry=self.registry)
