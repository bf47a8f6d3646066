"""Prometheus metrics: what the control plane counts, and the engine's counters at each scrape."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info
from prometheus_client.exposition import generate_latest

from sfukit import __version__
from sfukit.server.engine import Engine
from sfukit.server.engine_metrics import EngineCollector
from sfukit.server.native_messages import TransportState

_JOIN_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 2.0, 5.0, 10.0, 30.0)
_LAG_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0)


class Metrics:
    """The metrics of one server in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.rooms = Gauge("sfukit_rooms", "Rooms that are open", registry=self.registry)
        self.participants = Gauge(
            "sfukit_participants",
            "Participants in all rooms, viewers included",
            registry=self.registry,
        )
        self.join_s = Histogram(
            "sfukit_join_duration_seconds",
            "From the request to join until the first transport is connected",
            buckets=_JOIN_BUCKETS_S,
            registry=self.registry,
        )
        self.refused = Counter(
            "sfukit_refused_total", "Requests refused", ["reason"], registry=self.registry
        )
        self.ended = Counter(
            "sfukit_participants_ended_total",
            "Participants and viewers that left, by reason",
            ["reason"],
            registry=self.registry,
        )
        self.queue_dropped = Counter(
            "sfukit_signal_queue_dropped_total",
            "Messages dropped with a connection that did not read them",
            registry=self.registry,
        )
        self.lag_s = Histogram(
            "sfukit_event_loop_lag_seconds",
            "How late the event loop runs what is due",
            buckets=_LAG_BUCKETS_S,
            registry=self.registry,
        )
        self.tasks = Gauge(
            "sfukit_asyncio_tasks",
            "Tasks of the event loop: a few, and one for each connection",
            registry=self.registry,
        )
        self.layer_switches = Counter(
            "sfukit_layer_switches_total",
            "Changes of encoding, by reason",
            ["reason"],
            registry=self.registry,
        )
        self._transports = Counter(
            "sfukit_transports_total",
            "Transports by the state they reached",
            ["state", "reason"],
            registry=self.registry,
        )
        self._state = Gauge(
            "sfukit_node_state",
            "1 for the state the server is in",
            ["state"],
            registry=self.registry,
        )
        Info("sfukit_build", "What is running", registry=self.registry).info(
            {"version": __version__}
        )
        self.node_state("serving")

    def watch(self, engine: Engine) -> None:
        """Read the engine's counters at each scrape."""
        self.registry.register(EngineCollector(engine))

    def node_state(self, state: str) -> None:
        """Say what the server is doing: serving, draining, stopped."""
        for known in ("serving", "draining", "stopped"):
            self._state.labels(known).set(known == state)

    def transport_state(self, event: TransportState) -> None:
        """Count a transport that came up or went down."""
        self._transports.labels(event.state, event.reason).inc()

    def exposition(self) -> bytes:
        """Write everything in the text format of Prometheus."""
        return generate_latest(self.registry)
