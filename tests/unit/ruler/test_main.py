"""The program: its table, its JSON, its exit codes."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from tools.ruler import __main__, swarm, table
from tools.ruler.__main__ import Ruled
from tools.ruler.rows import Row, row

GOOD = row("2 % random loss", "loss", "native", 2.0, 2.05)
BAD = row("80 ms delay", "frame delay", "native", 85.0, 99.0)
UNKNOWN = row("80 ms delay", "RTT subscriber", "native", 80.0, None, note="no report")
OTHER = row("80 ms delay", "frame delay", "aiortc", 85.0, 99.0, judged=False)


def ruled(monkeypatch: pytest.MonkeyPatch, rows: list[Row], *arguments: str) -> Result:
    async def compare(_names: list[str], _duration_s: float, _engine: str) -> list[Row]:
        return list(rows)

    def loads(_duration_s: float) -> Iterator[Row]:
        yield row("--net-down rate=1M", "bitrate", "loadtest", 975.0, 974.0)

    monkeypatch.setattr(__main__, "_compare", compare)
    monkeypatch.setattr(swarm, "rows", loads)
    app = typer.Typer()
    app.command()(__main__.main)
    return CliRunner().invoke(app, list(arguments))


def test_all_within_their_bounds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "ruler.json"
    result = ruled(monkeypatch, [GOOD, OTHER], "--json", str(file))
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert [line.split()[-1] for line in lines[1:]] == ["OK", "differs", "OK"]
    found = msgspec.json.decode(file.read_bytes(), type=Ruled)
    assert found.met and [one.by for one in found.rows] == ["native", "aiortc", "loadtest"]


@pytest.mark.parametrize(("other", "shown"), [(BAD, "NOT MET"), (UNKNOWN, "unknown")])
def test_a_figure_outside_of_its_bound_or_unknown_fails(
    monkeypatch: pytest.MonkeyPatch, other: Row, shown: str
) -> None:
    result = ruled(monkeypatch, [GOOD, other], "--no-loads")
    assert result.exit_code == 3
    assert any(line.endswith(shown) for line in result.output.splitlines())
    if other.note:
        assert result.output.endswith("80 ms delay, RTT subscriber: no report\n")


def test_unknown_cases_and_engines_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in (("lag",), ("--engine", "other")):
        result = ruled(monkeypatch, [GOOD], *arguments)
        assert result.exit_code == 2
        assert "loss, bursts, delay, jitter, queue" in result.output


def test_the_table_is_written_into_the_document(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = tmp_path / "ruler.md"
    page.write_text(f"{table.BEGIN}\n{table.END}\n")
    monkeypatch.setattr(__main__, "DOCUMENT", page)
    assert ruled(monkeypatch, [GOOD], "--document").exit_code == 0
    assert "| 2 % random loss | loss | native | 2.00 % | 2.05 % |" in page.read_text()
