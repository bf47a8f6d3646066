"""The samples of a running measurement: sparklines on a terminal, plain lines elsewhere."""

from collections import deque
from collections.abc import Sequence
from types import TracebackType

from rich.live import Live
from rich.table import Table
from rich.text import Text

from sfukit import __version__, gates
from sfukit.cli.latency_text import sample_line, shown_rows
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.cli.sparkline import sparkline
from sfukit.loadgen.latency.result import Sample

_NARROWEST, _WIDEST = 10, 60
_BESIDE = 48  # columns beside a sparkline: label, latest and largest value


class View:
    """Print the lines and the samples of a measurement."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._live: Live | None = None
        self._opened = False
        self._samples: deque[Sample] = deque(maxlen=_WIDEST)

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
        if not self._opened:
            head, self._opened = f"sfukit {__version__}  ", True
        self._out.line(f"{head}{text}")

    def sample(self, sample: Sample) -> None:
        """Print the sample of an interval."""
        self._samples.append(sample)
        if self._live is None:
            self._out.line(sample_line(sample))
            return
        width = min(_WIDEST, max(_NARROWEST, self._out.console.width - _BESIDE))
        self._live.update(drawn(list(self._samples)[-width:]))


def drawn(samples: Sequence[Sample]) -> Table:
    """Return the latest intervals as a table: one row and sparkline per metric."""
    table = Table.grid(padding=(0, 1))
    table.add_column(width=LOADTEST_LABEL - 1)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for label, values, unit in shown_rows(samples):
        known = [value for value in values if value is not None]
        if not known:
            continue
        table.add_row(
            Text(label),
            Text(sparkline(values, len(values)), style="cyan"),
            Text(gates.show(known[-1], unit), style="bold"),
            Text(f"max {gates.show(max(known), unit)}", style="dim"),
        )
    return table
