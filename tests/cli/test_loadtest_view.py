"""How a running load test is shown, on a terminal of fixed width and off it."""

import dataclasses
import io
import re

import msgspec
import pytest
from rich.console import Console

from sfukit import __version__
from sfukit.cli import loadtest_view
from sfukit.cli.loadtest_view import View, drawn, plain
from sfukit.cli.output import Output
from sfukit.cli.sparkline import sparkline
from sfukit.loadgen.timeline import Progress
from tests.unit.loadgen.reports.runs import intervals

HALF = Progress("measuring", 47.5, 95.0, 500, 499, 1, 3990, 4000)


def shown(progress: Progress, width: int) -> list[str]:
    """Return the lines on a terminal of this width."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(drawn(progress, width))
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return [line.rstrip() for line in text.split("\n")[:-1]]


def test_progress_on_a_terminal() -> None:
    assert shown(HALF, 100) == [
        "measuring ━━━━━━━━━━━━━━────────────── 48 s left 499/500 joined 3990/4000 tracks 1 failed"
    ]


def test_the_last_intervals_are_sparklines() -> None:
    series = [
        msgspec.structs.replace(
            one, e2e_frame_p95_ms=delay, loss_after_rtx=0.0, bitrate_in_bps=4e8, lag_p99_ms=1.2
        )
        for one, delay in zip(intervals(4, 2), (None, 8.0, 16.0, 4.0), strict=True)
    ]
    last = msgspec.structs.replace(series[-1], generator_cores=0.72, server_cores=0.61)
    running = dataclasses.replace(HALF, intervals=[*series[:-1], last])
    lines = shown(running, 80)
    assert all(len(line) <= 80 for line in lines)
    assert [re.sub(" {2,}", "  ", line) for line in lines[1:]] == [
        "frame delay p95  ▅█▃  4.0 ms  max 16 ms",
        "loss after rtx  ▁▁▁▁  0 %  max 0 %",
        "received  ████ 400 Mb/s max 400 Mb/s",
        "load generator  on time, lag p99 1.2 ms, 0.72 cores; server 0.61 cores",
    ]
    late = msgspec.structs.replace(last, lag_p99_ms=90.0, server_cores=None)
    assert shown(dataclasses.replace(HALF, intervals=[late]), 80)[-1] == (
        "load generator  late, lag p99 90 ms, 0.72 cores"
    )


@pytest.mark.parametrize("width", [80, 110])
def test_progress_fits_its_terminal(width: int) -> None:
    running = dataclasses.replace(HALF, intervals=intervals(600, 500), failed=499)
    lines = shown(running, width)
    assert len(lines) == 5 and all(len(line) <= width for line in lines)


@pytest.mark.parametrize(
    ("values", "width", "drawn"),
    [
        ([0.0, 0.5, 1.0], 3, "▁▅█"),
        ([0.0, 0.0], 4, "▁▁  "),
        ([None, 2.0], 2, " █"),
        ([9.0, 1.0, 2.0], 2, "▅█"),
        ([], 3, "   "),
        ([1.0], 0, ""),
    ],
)
def test_a_sparkline_shows_the_last_values(
    values: list[float | None], width: int, drawn: str
) -> None:
    assert sparkline(values, width) == drawn


def test_progress_as_a_plain_line() -> None:
    assert plain(HALF) == "47.5 s  measuring: 499/500 joined, 3990/4000 tracks, 1 failed"


@pytest.mark.parametrize("width", [80, 100])
def test_the_stage_of_a_staged_run_is_named(width: int) -> None:
    staged = dataclasses.replace(HALF, stage=2, stages=3)
    assert plain(staged).startswith("47.5 s  stage 2/3 measuring: 499/500 joined")
    (line,) = shown(staged, width)
    assert line.startswith("stage 2/3 measuring ━")
    assert len(line) <= width


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
