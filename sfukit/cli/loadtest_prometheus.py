"""The metrics of a running load test for Prometheus (text exposition format)."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sfukit.errors import MachineError, UsageError

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

    from sfukit.loadgen.timeline import Progress

_LOOPBACK = "127.0.0.1"
_PREFIX = "sfukit_loadtest_"

# Fields of an interval, with the unit in which Prometheus has them.
_OF_INTERVAL = (
    ("received_bits_per_second", "bitrate_in_bps", 1.0, "received by all clients"),
    ("sent_bits_per_second", "bitrate_out_bps", 1.0, "sent by all clients"),
    ("loss_raw_ratio", "loss_raw", 1.0, "packets lost before retransmission"),
    ("loss_after_rtx_ratio", "loss_after_rtx", 1.0, "packets lost after retransmission"),
    ("rtt_p95_seconds", "rtt_p95_ms", 1e-3, "round-trip time"),
    ("lag_p99_seconds", "lag_p99_ms", 1e-3, "lag of the load generator behind its plan"),
    ("generator_cores", "generator_cores", 1.0, "CPU of the load generator"),
    ("server_cores", "server_cores", 1.0, "CPU of the private server"),
)
_QUANTILES = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))


class Exporter:
    """The collector: metrics of the progress, which another thread replaces."""

    def __init__(self) -> None:
        self.url = ""
        self.progress: Progress | None = None

    def collect(self) -> "Iterator[GaugeMetricFamily]":
        """Return the metrics of the last interval; those without a value are absent."""
        progress = self.progress
        if progress is None:
            return
        yield _gauge("clients_planned", "planned clients", progress.clients)
        yield _gauge("clients_joined", "clients that joined", progress.joined)
        yield _gauge("joins_failed", "joins that failed", progress.failed)
        yield _gauge("tracks_planned", "planned tracks", progress.planned_tracks)
        yield _gauge("tracks", "tracks that arrived", progress.tracks)
        yield _gauge("elapsed_seconds", "since the first scheduled join", progress.elapsed_s)
        yield _gauge("duration_seconds", "of the whole run", progress.total_s)
        if not progress.intervals:
            return
        last = progress.intervals[-1]
        for name, field, factor, help_text in _OF_INTERVAL:
            value = getattr(last, field)
            if value is not None:
                yield _gauge(name, f"{help_text}, last interval", value * factor)
        yield _delays(last)


def _gauge(name: str, help_text: str, value: float) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily

    return GaugeMetricFamily(_PREFIX + name, help_text, value=value)


def _delays(last: Any) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(
        f"{_PREFIX}frame_delay_seconds", "frame delay, last interval", labels=("quantile",)
    )
    for quantile, name in _QUANTILES:
        value_ms = getattr(last, f"e2e_frame_{name}_ms")
        if value_ms is not None:
            family.add_metric((quantile,), value_ms / 1e3)
    return family


@contextmanager
def exported(address: str | None) -> Iterator[Exporter | None]:
    """Serve metrics on an address while the context lasts; without one, nothing."""
    if address is None:
        yield None
        return
    host, port = _parse(address)
    from prometheus_client import CollectorRegistry, start_http_server

    exporter, registry = Exporter(), CollectorRegistry()
    registry.register(exporter)
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        raise MachineError(
            f"--prometheus {address}: {error.strerror or error}", hint="give another port, or :0"
        ) from error
    shown = f"[{host}]" if ":" in host else host
    exporter.url = f"http://{shown}:{server.server_port}/metrics"
    try:
        yield exporter
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _parse(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise UsageError(
            f"--prometheus {address}: not an address", hint="give HOST:PORT or :PORT, as :9091"
        )
    return host.removeprefix("[").removesuffix("]") or _LOOPBACK, int(port)
