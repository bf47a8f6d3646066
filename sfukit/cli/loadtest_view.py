"""The progress of a running load test: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence
from types import TracebackType

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sfukit import __version__, gates, units
from sfukit.cli.loadtest_prometheus import Exporter
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.cli.sparkline import sparkline
from sfukit.loadgen.result_series import Interval
from sfukit.loadgen.saturation import LATE_MS
from sfukit.loadgen.timeline import Progress

_TIME = 8
_BAR, _LEAST_BAR = 28, 8
_BESIDE_BAR = 72  # columns of the texts beside the bar
_VALUE = 12
_SERIES = (
    ("frame delay p95", "e2e_frame_p95_ms", "ms"),
    ("loss after rtx", "loss_after_rtx", "ratio"),
    ("received", "bitrate_in_bps", "bit/s"),
)
_PLAIN_EVERY_S = 10.0


class View:
    """Print the lines and the progress of a run."""

    def __init__(self, out: Output, exporter: Exporter | None = None) -> None:
        self._out = out
        self._exporter = exporter
        self._live: Live | None = None
        self._printed_s = time.monotonic()
        self._opened = False

    def __enter__(self) -> "View":
        if self._out.live:
            self._live = Live(console=self._out.console, transient=True, refresh_per_second=4)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def report(self, label: str, text: str) -> None:
        """Print a line about the run; the first begins with name and version of sfukit."""
        head = labelled(label, "")
        if self._opened:
            self._out.line(f"{head}{text}")
            return
        self._opened = True
        self._out.line(f"sfukit {__version__}  {text}")
        if self._exporter is not None:
            self._out.line(labelled("prometheus", self._exporter.url))

    def line(self, text: str) -> None:
        """Print a line that has its own form."""
        self._out.line(text)

    def progress(self, progress: Progress) -> None:
        """Print the progress of the run."""
        if self._exporter is not None:
            self._exporter.progress = progress
        if self._live is not None:
            self._live.update(drawn(progress, self._out.console.width))
        elif time.monotonic() - self._printed_s >= _PLAIN_EVERY_S:
            self._printed_s = time.monotonic()
            self._out.line(plain(progress))


def plain(progress: Progress) -> str:
    """Return the progress as one plain line."""
    tracks = f", {progress.tracks}/{progress.planned_tracks} tracks" * bool(progress.planned_tracks)
    failed = f", {progress.failed} failed" * bool(progress.failed)
    return (
        f"{units.show_duration(progress.elapsed_s):<{_TIME}}{progress.phase}: "
        f"{progress.joined}/{progress.clients} joined{tracks}{failed}"
    )


def drawn(progress: Progress, width: int) -> Group:
    """Return the progress for a terminal: phase, bar, counts; then the last intervals."""
    table = Table.grid(padding=(0, 1))
    table.add_row(*_counts(progress, min(_BAR, max(_LEAST_BAR, width - _BESIDE_BAR))))
    if not progress.intervals:
        return Group(table)
    return Group(table, *_series(progress.intervals, width), _health(progress.intervals[-1]))


def _counts(progress: Progress, bar: int) -> list[Text]:
    filled = round(min(1.0, progress.elapsed_s / progress.total_s) * bar)
    left_s = max(0.0, progress.total_s - progress.elapsed_s)
    return [
        Text(f"{progress.phase:<9}", style="bold"),
        Text.assemble(("━" * filled, "green"), ("─" * (bar - filled), "dim")),
        Text(f"{units.show_duration(float(round(left_s)))} left", style="dim"),
        _count("joined", progress.joined, progress.clients),
        _count("tracks", progress.tracks, progress.planned_tracks),
        Text(f"{progress.failed} failed", style="bold red") if progress.failed else Text(),
    ]


def _series(intervals: Sequence[Interval], width: int) -> Iterator[Text]:
    """Return a sparkline and the last value of delay, loss and bitrate."""
    places = max(8, min(60, width - LOADTEST_LABEL - _VALUE))
    for label, field, unit in _SERIES:
        values = [getattr(interval, field) for interval in intervals[-places:]]
        if all(value is None for value in values):
            continue
        yield Text.assemble(
            f"{label:<{LOADTEST_LABEL}}",
            (sparkline(values, places), "cyan"),
            f" {gates.show(values[-1], unit):>{_VALUE - 2}}",
        )


def _health(last: Interval) -> Text:
    """Return whether the load generator keeps its plan, and the CPU of both sides."""
    lag_ms = last.lag_p99_ms
    late = last.unsent > 0 or (lag_ms is not None and lag_ms > LATE_MS)
    state = ("late", "bold yellow") if late else ("on time", "green")
    server = "" if last.server_cores is None else f"; server {last.server_cores:.2f} cores"
    return Text.assemble(
        f"{'load generator':<{LOADTEST_LABEL}}",
        state,
        f", lag p99 {gates.show(lag_ms, 'ms')}, {last.generator_cores:.2f} cores{server}",
    )


def _count(name: str, have: int, planned: int) -> Text:
    if not planned:
        return Text()
    return Text(f"{have}/{planned} {name}", style="green" if have == planned else "yellow")
