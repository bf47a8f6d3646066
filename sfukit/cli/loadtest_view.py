"""The progress of a running load test: a live line on a terminal, plain lines elsewhere."""

import time
from collections.abc import Iterator, Sequence

from rich.console import Group
from rich.table import Table
from rich.text import Text

from sfukit import gates, units
from sfukit.cli.live_view import MOST_VALUES, LiveView, Row, sparklines
from sfukit.cli.loadtest_prometheus import Exporter
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.loadgen.result.series import Interval
from sfukit.loadgen.timeline import Progress
from sfukit.loadgen.verdict.saturation import LATE_MS

_TIME = 8
_BAR, _LEAST_BAR = 28, 8
_PHASE = 9
_BESIDE_BAR = 63  # columns of the texts beside the bar, without the phase
_SERIES = (
    ("frame delay p95", "e2e_frame_p95_ms", "ms"),
    ("loss after rtx", "loss_after_rtx", "ratio"),
    ("received", "bitrate_in_bps", "bit/s"),
)
_PLAIN_EVERY_S = 10.0


class View(LiveView):
    """Print the lines and the progress of a run."""

    def __init__(self, out: Output, exporter: Exporter | None = None) -> None:
        super().__init__(out)
        self._exporter = exporter
        self._printed_s = time.monotonic()

    def report(self, label: str, text: str) -> None:
        """Print a line about the run; the URL of the metrics follows the first."""
        first = not self._opened
        super().report(label, text)
        if first and self._exporter is not None:
            self.line(labelled("prometheus", self._exporter.url))

    def progress(self, progress: Progress) -> None:
        """Print the progress of the run."""
        if self._exporter is not None:
            self._exporter.progress = progress
        if self.draw(lambda width: drawn(progress, width)):
            return
        if time.monotonic() - self._printed_s >= _PLAIN_EVERY_S:
            self._printed_s = time.monotonic()
            self.line(plain(progress))


def plain(progress: Progress) -> str:
    """Return the progress as one plain line."""
    tracks = f", {progress.tracks}/{progress.planned_tracks} tracks" * bool(progress.planned_tracks)
    failed = f", {progress.failed} failed" * bool(progress.failed)
    return (
        f"{units.show_duration(progress.elapsed_s):<{_TIME}}{_phase(progress)}: "
        f"{progress.joined}/{progress.clients} joined{tracks}{failed}"
    )


def drawn(progress: Progress, width: int) -> Group:
    """Return the progress for a terminal: phase, bar, counts; then the last intervals."""
    table = Table.grid(padding=(0, 1))
    free = width - _BESIDE_BAR - len(_phase(progress))
    table.add_row(*_counts(progress, min(_BAR, max(_LEAST_BAR, free))))
    if not progress.intervals:
        return Group(table)
    series = sparklines(_rows(progress.intervals), width)
    return Group(table, series, _health(progress.intervals[-1]))


def _counts(progress: Progress, bar: int) -> list[Text]:
    filled = round(min(1.0, progress.elapsed_s / progress.total_s) * bar)
    left_s = max(0.0, progress.total_s - progress.elapsed_s)
    return [
        Text(f"{_phase(progress):<{_PHASE}}", style="bold"),
        Text.assemble(("━" * filled, "green"), ("─" * (bar - filled), "dim")),
        Text(f"{units.show_duration(float(round(left_s)))} left", style="dim"),
        _count("joined", progress.joined, progress.clients),
        _count("tracks", progress.tracks, progress.planned_tracks),
        Text(f"{progress.failed} failed", style="bold red") if progress.failed else Text(),
    ]


def _phase(progress: Progress) -> str:
    """Return the phase, with the stage of a run that has several."""
    if progress.stages < 2:
        return progress.phase
    return f"stage {progress.stage}/{progress.stages} {progress.phase}"


def _rows(intervals: Sequence[Interval]) -> Iterator[Row]:
    """Return delay, loss and bitrate of the last intervals."""
    last = intervals[-MOST_VALUES:]
    for label, field, unit in _SERIES:
        yield Row(label, [getattr(interval, field) for interval in last], unit)


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
