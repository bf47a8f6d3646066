"""``sfukit latency``: its refusals, its live view on terminals of 80 and 110 columns, its text."""

import io
import json
import socket
from pathlib import Path

import pytest
from rich.console import Console

from sfukit import __version__, report
from sfukit.cli.app import main
from sfukit.cli.latency_text import render_saved, result_lines, sample_line, shown_rows
from sfukit.cli.latency_view import View
from sfukit.cli.live_view import sparklines
from sfukit.cli.output import Output
from sfukit.loadgen.latency.result import Clock, LatencyReport, Media
from sfukit.swarm.impairment import Impairment
from tests.latency_reports import a_report, sample

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "latency.json"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("SFUKIT_API_KEY", "SFUKIT_API_SECRET", "SFUKIT_ALLOW_HOSTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("options", "says", "remedy"),
    [
        (["--duration", "soon"], "--duration: cannot read 'soon'", "60s"),
        (["--duration", "0s"], "measures nothing", "10s"),
        (["--interval", "1ms"], "--interval 1ms: too short", "1s"),
        (["--interval", "100ms", "-d", "2h"], "more than 10,000 samples in 7200 s", "--interval"),
        (["--codec", "mpeg2"], "--codec mpeg2", "vp8, h264"),
        (["--bitrate", "1"], "out of the range of the clip", "50k to 20M"),
        (["-T", "rtt_ms.p95<3"], "no metric rtt_ms.p95", "nearest: "),
        (["-T", "rtt_pub_ms"], "not a gate", "PATH OP VALUE"),
        (["--net-up", "lag=3"], "nothing is called 'lag'", "delay"),
        (["--play", "http://127.0.0.1/whep"], "--play without a target", "WHIP"),
        (["whip+http://127.0.0.1:1/whip"], "a WHIP URL only publishes", "--play URL"),
        (["whep+http://127.0.0.1:1/whep"], "is a WHEP URL", "--play"),
        (["127.0.0.1:7080"], "no URL", "http(s)://"),
    ],
)
def test_bad_options(
    options: list[str], says: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", *options]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert remedy in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_target_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main(["latency", f"http://127.0.0.1:{port}"]) == 4
    assert "cannot be reached" in capsys.readouterr().err


def test_the_schema_is_the_published_one() -> None:
    assert report.schema(LatencyReport) == json.loads(SCHEMA.read_text())


@pytest.mark.parametrize("width", [80, 110])
def test_the_live_view_fits_the_terminal(width: int) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    samples = [sample(float(at_s)) for at_s in range(1, 61)]
    console.print(sparklines(shown_rows(samples), width))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert all(len(line) <= width for line in lines)
    assert [line[:15].rstrip() for line in lines] == [
        "frame delay", "RTT publisher", "RTT subscriber", "SFU residence", "jitter", "loss",
        "received", "sent",
    ]  # fmt: skip
    assert lines[0].split()[-5:] == ["106", "ms", "max", "106", "ms"]


def test_off_a_terminal_each_sample_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with View(Output()) as view:
        view.report("", "started a private SFU")
        view.sample(sample(2.0, rtt_sub_ms=None))
    assert capsys.readouterr().out.splitlines() == [
        f"sfukit {__version__}  started a private SFU",
        "2     s frame delay 48 ms, RTT 40 ms + -, residence 5.9 ms, jitter 4.4 ms, loss 0 %",
    ]


def test_an_interval_without_packets_has_no_loss() -> None:
    line = sample_line(sample(packets_expected=0, e2e_frame_ms=None))
    assert "frame delay -" in line
    assert line.endswith("loss unknown")


def test_the_text_of_a_report() -> None:
    assert result_lines(a_report()) == [
        "PASS    3 s measured, 90 frames received, no gates (-T adds one)",
        "                       p50       p95       p99       max   gate",
        "frame delay         5.0 ms    5.0 ms    5.0 ms    5.0 ms",
        "RTT publisher       5.0 ms    5.0 ms    5.0 ms    5.0 ms",
        "RTT subscriber      5.0 ms    5.0 ms    5.0 ms    5.0 ms",
        "SFU residence       5.0 ms    5.0 ms    5.0 ms    5.0 ms",
        "jitter              5.0 ms    5.0 ms    5.0 ms    5.0 ms",
        "loss            3 % before repair, 0 % after",
        "bitrate         512 kb/s sent, 512 kb/s received",
        "assumed         SFU residence is frame delay - both RTTs / 2: both directions of a path "
        "are alike",
        "load generator  lag p99 0.70 ms, 0 socket drops: not saturated",
    ]


def test_an_injected_delay_of_one_direction_is_named() -> None:
    media = Media(
        codec="vp8",
        encoding="360p30",
        srtp_negotiated={},
        net_up=Impairment(delay_ms=40.0),
        net_down=None,
    )
    lines = result_lines(a_report(media=media))
    assert (
        "                --net-up delays one direction only: residence is 20 ms too high" in lines
    )


def test_a_saved_report_is_printed_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "run.json"
    report.write_json(str(saved), a_report())
    assert main(["report", str(saved)]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown == render_saved(saved.read_bytes())
    assert shown[0] == f"sfukit {__version__}  2026-01-01T00:00:00+00:00  http://127.0.0.1:7080"


TWO_ENDS = ["http://127.0.0.1:1", "--subscribe-only", "--peer", "127.0.0.1:1"]


@pytest.mark.parametrize(
    ("options", "says", "remedy"),
    [
        (["--publish-only"], "--publish-only without a target", "the SFU of both ends"),
        (["http://127.0.0.1:1", "--publish-only"], "without --peer", "--peer 0.0.0.0:7099"),
        ([*TWO_ENDS, "--publish-only"], "leave both out to measure in one process", ""),
        (TWO_ENDS, "--subscribe-only without --peer-token", "the publisher's end prints"),
        ([*TWO_ENDS, "--peer-token", "short"], "shorter than 8 characters", "leave it out"),
        ([*TWO_ENDS, "--peer-token", "@/nowhere/token"], "cannot read /nowhere/token", ""),
        (["--peer", "127.0.0.1:1"], "which end is this?", "--publish-only"),
        (["--peer-token", "abcdefgh"], "which end is this?", "--publish-only"),
        (
            [*TWO_ENDS[:3], "127.0.0.1", "--peer-token", "abcdefgh"],
            "--peer 127.0.0.1: not HOST:PORT",
            "192.0.2.1:7099",
        ),
    ],
)
def test_bad_options_of_two_ends(
    options: list[str], says: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["latency", *options]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert remedy in captured.err
    assert captured.out == ""


def test_the_clocks_are_shown_with_the_error_of_the_frame_delay() -> None:
    clock = Clock(
        offset_ms=-1234.5678,
        uncertainty_ms=0.147,
        min_rtt_ms=0.226,
        drift_ppm=3.25,
        exchanges=25,
        frames_early=2,
    )
    assert [line for line in result_lines(a_report(clock=clock)) if "assumed" not in line][-4:] == [
        "clocks          publisher's -1,234.568 ms against this host, +- 0.147 ms "
        "(25 exchanges, shortest RTT 0.226 ms, drift +3.2 ppm)",
        "                frame delay and residence are +- 0.147 ms by the clocks",
        "                2 frames seemed to arrive before their capture",
        "load generator  lag p99 0.70 ms, 0 socket drops: not saturated",
    ]


def test_the_publishers_end_shows_its_own_figures() -> None:
    line = sample_line(sample(bitrate_in=None, rtt_sub_ms=None, e2e_frame_ms=None))
    assert line == "1     s RTT publisher 40 ms, 511 kb/s sent"
    reason = "the subscriber runs in another process, whose report has it"
    unknown = dict.fromkeys(("e2e_frame_ms", "rtt_sub_ms", "sfu_residence_ms"), reason)
    assert f"unknown         frame delay, RTT subscriber, SFU residence: {reason}" in result_lines(
        a_report(ends="publish", unknown=unknown)
    )


@pytest.mark.parametrize("option", ["--json", "--html"])
def test_a_report_that_cannot_be_written_is_refused_before_the_run(
    option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for destination in (tmp_path / "none" / "run", tmp_path):
        assert main(["latency", option, str(destination)]) == 2
        captured = capsys.readouterr()
        assert f"{option} {destination}: " in captured.err
        assert captured.out == ""


def test_standard_output_takes_one_report(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["latency", "--json", "-", "--html", "-"]) == 2
    assert "standard output takes one of them" in capsys.readouterr().err
