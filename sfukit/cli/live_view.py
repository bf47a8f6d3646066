"""The view of a running measurement: its lines, and on a terminal a part that is redrawn."""

from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import NamedTuple, Self

from rich.console import RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from sfukit import __version__, gates
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.cli.sparkline import sparkline

MOST_VALUES = 60  # of a sparkline
_FEWEST_VALUES = 10
_BESIDE = 48  # columns beside a sparkline: label, latest and largest value


class Row(NamedTuple):
    """A metric: its label, a value for each interval, their unit."""

    label: str
    values: Sequence[float | None]
    unit: str


class LiveView:
    """Print lines; on a terminal, draw below them."""

    def __init__(self, out: Output) -> None:
        self._out = out
        self._live: Live | None = None
        self._opened = False

    def __enter__(self) -> Self:
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

    def line(self, text: str) -> None:
        """Print a line that has its own form."""
        self._out.line(text)

    def draw(self, drawn: Callable[[int], RenderableType]) -> bool:
        """Draw what ``drawn`` returns for the width of the terminal; return False off one."""
        if self._live is None:
            return False
        self._live.update(drawn(self._out.console.width))
        return True


def sparklines(rows: Iterable[Row], width: int) -> Table:
    """Return the latest intervals as a table: the metrics that have values, one row each."""
    places = min(MOST_VALUES, max(_FEWEST_VALUES, width - _BESIDE))
    table = Table.grid(padding=(0, 1))
    table.add_column(width=LOADTEST_LABEL - 1)
    table.add_column(no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    table.add_column(justify="right", no_wrap=True)
    for label, values, unit in rows:
        latest = values[-places:]
        known = [value for value in latest if value is not None]
        if known:
            table.add_row(
                Text(label),
                Text(sparkline(latest, len(latest)), style="cyan"),
                Text(gates.show(known[-1], unit), style="bold"),
                Text(f"max {gates.show(max(known), unit)}", style="dim"),
            )
    return table
