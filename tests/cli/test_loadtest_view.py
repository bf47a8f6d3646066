"""How a running load test is shown, on a terminal of fixed width and off it."""

import io

import pytest
from rich.console import Console

from sfukit import __version__
from sfukit.cli import loadtest_view
from sfukit.cli.loadtest_view import View, drawn, plain
from sfukit.cli.output import Output
from sfukit.loadgen.timeline import Progress

HALF = Progress("measuring", 47.5, 95.0, 500, 499, 1, 3990, 4000)


def test_progress_on_a_terminal() -> None:
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    console.print(drawn(HALF))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert shown.split("\n")[0].rstrip() == (
        "measuring ━━━━━━━━━━━━━━────────────── 48 s left 499/500 joined 3990/4000 tracks 1 failed"
    )


def test_progress_as_a_plain_line() -> None:
    assert plain(HALF) == "47.5 s  measuring: 499/500 joined, 3990/4000 tracks, 1 failed"


def test_off_a_terminal_lines_come_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(loadtest_view.time, "monotonic", lambda: clock[0])
    with View(Output()) as view:
        view.report("", "started a private SFU")
        view.report("plan", "two clients")
        for now in (1.0, 9.0, 10.0, 11.0, 20.5):
            clock[0] = now
            view.progress(HALF)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"sfukit {__version__}  started a private SFU"
    assert lines[1] == "plan            two clients"
    assert lines[2:] == [plain(HALF)] * 2


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with View(Output(quiet=True)) as view:
        view.report("", "started")
        view.progress(HALF)
    assert capsys.readouterr().out == ""
