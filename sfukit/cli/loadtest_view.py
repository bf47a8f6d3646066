"""The progress of a running load test: a live line on a terminal, plain lines elsewhere."""

import time
from types import TracebackType

from rich.live import Live
from rich.table import Table
from rich.text import Text

from sfukit import __version__, units
from sfukit.cli.loadtest_prometheus import Exporter
from sfukit.cli.output import Output, labelled
from sfukit.loadgen.timeline import Progress

_TIME = 8
_BAR = 28
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

    def progress(self, progress: Progress) -> None:
        """Print the progress of the run."""
        if self._exporter is not None:
            self._exporter.progress = progress
        if self._live is not None:
            self._live.update(drawn(progress))
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


def drawn(progress: Progress) -> Table:
    """Return the progress as a table: phase, bar, counts."""
    done = min(1.0, progress.elapsed_s / progress.total_s)
    filled = round(done * _BAR)
    left_s = max(0.0, progress.total_s - progress.elapsed_s)
    table = Table.grid(padding=(0, 1))
    table.add_row(
        Text(f"{progress.phase:<9}", style="bold"),
        Text.assemble(("━" * filled, "green"), ("─" * (_BAR - filled), "dim")),
        Text(f"{units.show_duration(float(round(left_s)))} left", style="dim"),
        _count("joined", progress.joined, progress.clients),
        _count("tracks", progress.tracks, progress.planned_tracks),
        Text(f"{progress.failed} failed", style="bold red") if progress.failed else Text(),
    )
    return table


def _count(name: str, have: int, planned: int) -> Text:
    if not planned:
        return Text()
    return Text(f"{have}/{planned} {name}", style="green" if have == planned else "yellow")
