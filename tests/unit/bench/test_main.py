"""The program: what it prints, what it keeps, how it ends."""

from pathlib import Path

import msgspec
import pytest
import typer
from typer.testing import CliRunner, Result

from sfukit.errors import ExitCode
from tools.bench import __main__, record
from tools.bench.figure import Figure, at_most, exactly
from tools.bench.record import Record
from tools.bench.rows import Row
from tools.bench.runs import RunError, Runs


def good(_runs: Runs) -> list[Figure]:
    return [Figure("one", 1.5, "us", at_most(1.8)), Figure("told", 3.0)]


def bad(_runs: Runs) -> list[Figure]:
    return [Figure("verdict", "fail", "text", exactly("pass"))]


def broken(_runs: Runs) -> list[Figure]:
    raise RunError("exit code 1\n[boom]")


@pytest.fixture(autouse=True)
def rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    known = {
        "good": Row("all is well", good),
        "bad": Row("not so well", bad),
        "broken": Row("no figures", broken),
        "slow": Row("only when asked for", broken, usual=False),
    }
    monkeypatch.setattr(__main__, "ROWS", known)
    monkeypatch.chdir(tmp_path)
    return tmp_path / record.FOLDER


def bench(*arguments: str) -> Result:
    app = typer.Typer()
    app.command()(__main__.main)
    return CliRunner().invoke(app, arguments)


def kept(folder: Path) -> Record:
    (path,) = folder.glob("*.json")
    return msgspec.json.decode(path.read_bytes(), type=Record)


def test_when_all_is_met_it_ends_well(rows: Path) -> None:
    run = bench("good")
    assert run.exit_code == ExitCode.OK
    assert "1 of 1 met" in run.output
    table = kept(rows)
    assert table.rows[0].figures[0].met
    assert table.place.machine.cores > 0
    assert table.place.machine.kernel in next(rows.iterdir()).name


def test_what_was_not_met_is_never_hidden(rows: Path) -> None:
    run = bench()
    assert run.exit_code == ExitCode.FAILED
    assert run.output.count("NOT MET") == 2
    assert "[boom]" in run.output
    assert "1 of 2 met; without figures: broken" in run.output
    assert [row.row for row in kept(rows).rows] == ["good", "bad", "broken"]
    assert kept(rows).rows[2].error == "exit code 1\n[boom]"


def test_a_trial_is_no_failure() -> None:
    run = bench("bad", "--scale", "0.1")
    assert run.exit_code == ExitCode.OK
    assert "NOT MET" in run.output
    assert "a trial of the program" in run.output


def test_an_unknown_row_is_usage(rows: Path) -> None:
    run = bench("good", "better")
    assert run.exit_code == ExitCode.USAGE
    assert "there is no row better" in run.output
    assert not rows.exists()


def test_the_rows_are_listed() -> None:
    assert "slow        only when asked for (only when asked for)" in bench("--list").output


def test_tables_that_began_at_one_second_are_both_kept(rows: Path) -> None:
    bench("good")
    first = kept(rows)
    paths = {record.keep(first), record.keep(first)}
    assert len(paths) == 2 and all(record.read(path) == first for path in paths)
    assert len(list(rows.glob("*.json"))) == 3


def test_cases_of_adaptation_are_rows_by_estimator(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def measure(name: str, _row: Row, _runs: Runs) -> record.Measured:
        asked.append(name)
        return record.Measured(row=name, what="", seconds=0.0, commands=[], figures=[])

    monkeypatch.setattr(__main__, "_measure", measure)
    run = bench("adaptation", "--case", "1m", "--case", "5.1", "--bwe", "gcc", "--bwe", "none")
    assert run.exit_code == ExitCode.OK, run.output
    assert asked == ["1m gcc", "1m none", "5.1 gcc", "5.1 none"]
    for wrong in (("--case", "9m"), ("--bwe", "magic")):
        assert bench("adaptation", *wrong).exit_code == ExitCode.USAGE
