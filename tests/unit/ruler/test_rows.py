"""Rows of the ruler: bounds, marks, and the agreement of both jitters with their algorithms."""

from pathlib import Path

import pytest

from tools.ruler import table
from tools.ruler.cases import BOUNDS
from tools.ruler.rows import Row, row


@pytest.mark.parametrize(
    ("figure", "expected", "reported", "met"),
    [
        ("loss", 2.0, 2.09, True),
        ("loss", 2.0, 2.11, False),
        ("frame delay", 86.0, 87.9, True),
        ("frame delay", 86.0, 83.9, False),
        ("jitter", 6.0, 8.1, False),
        ("bitrate", 1000.0, 981.0, True),
        ("bitrate", 1000.0, 1021.0, False),
        ("RTT publisher", 80.0, 81.1, False),
        ("RTT subscriber", 80.0, 79.1, True),
    ],
)
def test_each_figure_has_its_bound(
    figure: str, expected: float, reported: float, met: bool
) -> None:
    one = row("a case", figure, "native", expected, reported)
    assert (one.met, table.mark(one)) == (met, "OK" if met else "NOT MET")


def test_an_unknown_figure_is_not_met() -> None:
    one = row("a case", "loss", "native", 2.0, None, note="no media")
    assert one.met is None and one.error is None
    assert table.cells(one)[-1] == "unknown"


def test_aiortc_agrees_or_differs() -> None:
    assert table.mark(row("c", "loss", "aiortc", 2.0, 2.0, judged=False)) == "agrees"
    assert table.mark(row("c", "loss", "aiortc", 2.0, 3.0, judged=False)) == "differs"


def test_the_table_of_the_document_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "ruler.md"
    page.write_text(f"before\n{table.BEGIN}\nold\n{table.END}\nafter\n")
    rows: list[Row] = [row("1 Mb/s", "bitrate", "native", 1000.0, 990.0)]
    table.write(page, rows, "here")
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "old" not in text
    assert "| 1 Mb/s | bitrate | native | 1,000 kb/s | 990 kb/s | -1.00% | ± 2% | OK |" in text


def test_the_document_has_a_table_that_is_met() -> None:
    text = (Path(__file__).parents[3] / "docs" / "ruler.md").read_text()
    shown = text.split(table.BEGIN)[1].split(table.END)[0]
    assert "NOT MET" not in shown and "unknown" not in shown
    assert all(f"| {figure} | native |" in shown for figure in BOUNDS)
