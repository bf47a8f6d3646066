"""How a command that measures ends: text, last run, JSON."""

from pathlib import Path

import pytest

from sfukit import report
from sfukit.cli.finish import finish
from sfukit.cli.output import Output
from sfukit.errors import MachineError
from tests.unit.loadgen.reports.runs import passed


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "state"
    monkeypatch.setenv("XDG_STATE_HOME", str(folder))
    return folder


def test_the_text_is_printed_and_the_files_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, saved = passed(), tmp_path / "run.json"
    finish(run, ["verdict", "more"], Output(), str(saved), hint="how")
    assert capsys.readouterr().out == "verdict\nmore\nsaved           how\n"
    assert saved.read_text() == report.encode(run)
    assert report.load_last("loadtest").decode() == report.encode(run)


def test_the_verdict_is_coloured_wherever_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    finish(passed(), ["gates", "PASS"], Output(), verdict="PASS")
    first, last, *_ = capsys.readouterr().out.splitlines()
    assert first == "gates"
    assert last == "\x1b[1;32mPASS\x1b[0m"


def test_a_run_is_saved_even_if_its_file_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="cannot write"):
        finish(passed(), ["PASS"], Output(), str(tmp_path / "absent" / "run.json"))
    assert report.load_last("loadtest")


def test_a_run_that_cannot_be_saved_says_why(
    state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state.write_text("a file in the way")
    finish(passed(), ["PASS"], Output())
    verdict, note = capsys.readouterr().out.splitlines()
    assert verdict == "PASS"
    assert note.startswith(f"not saved       {state}") and note.endswith(": Not a directory")
