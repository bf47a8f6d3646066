"""``sfukit loadtest`` with bad input: a clear error, its remedy, its exit code; nothing started."""

import http.server
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfukit import report
from sfukit.cli.app import main

SIGNALING = ["--scenario", "signaling"]


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("SFUKIT_API_KEY", "SFUKIT_API_SECRET", "SFUKIT_ALLOW_HOSTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def web_server() -> Iterator[str]:
    """Serve plain files: a web server that is no SFU."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("options", "says", "remedy"),
    [
        (["--clients", "0"], "--clients 0: out of range", "1 or more"),
        (["-c", "abc"], "'abc'", "--help"),
        (["--ramp", "abc"], "--ramp: cannot read 'abc'", "20/s"),
        (["--ramp", "0"], "must be above 0", "20/s"),
        (["--duration", "soon"], "--duration: cannot read 'soon'", "60s"),
        (["--duration", "0s"], "measures nothing", "10s"),
        (["--bitrate", "-3"], "--bitrate: cannot read '-3'", "1.7M"),
        (["--scenario", "party"], "--scenario party", "meeting, webinar, broadcast, audio-room"),
        (["--stage", "30s"], "--stage 30s: no number of clients", "30s:100"),
        (["--stage", "30s:5", "-c", "5"], "stages set the number of clients", "--clients out"),
        (["--stage", "30s:5", "-d", "5s"], "--duration with --stage", "--duration out"),
        (["--stage", "30s:5", "--find-max"], "--find-max with --stage", "leave one out"),
        (["--net", "dsl"], "--net: no network is called 'dsl'", "lte, 3g"),
        (["--net-down", "loss=90%,burst=2"], "--net-down: a loss of 0.9", "66.7%"),
        (["--phases", "absent.toml"], "--phases absent.toml: No such file", ""),
        (["--rfc8867", "5.9"], "--rfc8867 5.9: no such case", "5.1, 5.2"),
        (["--rfc8867", "5.1", "-c", "5"], "--clients with --rfc8867: the case sets it", "-d"),
        (["--rfc8867", "5.1", "--net", "lte"], "--net with --rfc8867", "--net-down"),
        (["--layout", "grid9"], "--layout grid9: unknown value", "grid3, grid4, grid5, all"),
        (["--speaker-switch", "0.1s"], "--speaker-switch 0.1s: too short", "1s or more"),
        (["--handover", "0.5s"], "--handover 0.5s: too short", "1s or more"),
        (["--handover", "90m"], "--handover 1h30: no participant is due", "shorter --handover"),
        (["--churn", "2%"], "--churn 2%: no share per time", "2%/m"),
        (["--codec", "mpeg2"], "--codec mpeg2", "vp8, h264, vp9, av1, mix"),
        (["--layers", "4"], "--layers 4: from 1 to 3", "--layers 2"),
        (["--layers", "3", "--bitrate", "500k"], "there are 2 (180p15, 360p30)", "--layers 2"),
        (["--layers", "2", "--no-simulcast"], "--layers 2 with --no-simulcast", "leave one"),
        (["--fps", "25"], "--fps 25: not supported", "5, 6, 10, 15, 30"),
        (["--media", "absent.mp4"], "--media absent.mp4: no such file", "video file"),
        (["--srtp", "none"], "--srtp none", "gcm128"),
        (["-T", "nonsense.p95<3"], "no metric nonsense.p95", "nearest: "),
        (["-T", "e2e_frame_ms.p95"], "not a gate", "e2e_frame_ms.p95 < 200"),
        (["-T", "joins<3ms"], "cannot read '3ms'", "0.5%"),
        (["--net-up", "lag=3"], "nothing is called 'lag'", "delay"),
        (["--net-share", "120%"], "above 100%", "0%..100%"),
        (["--pin", "0:999"], "no such core: 999", "usable"),
        (["--pin", "everywhere"], "unknown value", "0:1"),
        (["--rooms", "9", "-c", "3"], "more rooms than the 3 clients", "-c 9"),
        (["--play", "http://127.0.0.1/whep"], "--play without a target", "WHIP"),
        (["--header", "x"], "--header: one has no colon", "Name: value"),
        (["--token", "@/nowhere/token"], "cannot read /nowhere/token", ""),
        (["127.0.0.1:7080"], "no URL", "http(s)://"),
        (["http://h:99999"], "'http://h:99999'", "http(s)://"),
        (["http://192.0.2.1", "--play", "http://[::1"], "--play 'http://[::1'", "WHEP endpoint"),
        (["mediasoup+ws://127.0.0.1/"], "no kind is called 'mediasoup'", "janus+"),
        (["https://192.0.2.1:1/", "--cacert", "/nowhere"], "--cacert /nowhere", ""),
        (["--rate", "300/s"], "--rate is for the scenario signaling", "--scenario signaling"),
        (["--profile-server"], "--profile-server is for the scenario", "--scenario signaling"),
        ([*SIGNALING, "--codec", "h264"], "--codec in the scenario signaling: no media", "--rate"),
        ([*SIGNALING, "--net-up", "loss=1%"], "--net-up in the scenario signaling", "--rate"),
        ([*SIGNALING, "--find-max"], "--find-max in the scenario signaling: the load", "--rate"),
        ([*SIGNALING, "--rooms", "9"], "--rooms in the scenario signaling: a room has", "--rate"),
        ([*SIGNALING, "-T", "ttff_ms<1"], "no metric ttff_ms", "nearest"),
        ([*SIGNALING, "-c", "10"], "10 clients are too few", "-c 25"),
        ([*SIGNALING, "-c", "50"], "--rate 300/s with 50 clients", "--rate 32/s"),
    ],
)
def test_bad_options(
    options: list[str], says: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loadtest", *options]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert remedy in captured.err
    assert "Traceback" not in captured.err
    assert captured.out == ""


def test_a_faulty_scenario_file_is_refused_by_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.toml"
    file.write_text('[[group]]\nname = "a"\nclients = 2\nlayuot = "grid3"\n')
    assert main(["loadtest", "--scenario", str(file)]) == 2
    shown = capsys.readouterr().err
    assert f"{file}:4: group[1].layuot: unknown key" in shown
    assert "nearest: layout" in shown


def test_explicit_options_win_over_a_scenario_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "s.toml"
    file.write_text('clients = 20\nduration = "90s"\nscenario = "webinar"\n')
    assert main(["loadtest", "--scenario", str(file), "-d", "30s", "--plan"]) == 0
    assert "20 clients, 1 room with 3 publishing" in (shown := capsys.readouterr().out)
    assert "30 s measured" in shown
    assert main(["loadtest", "--scenario", str(file), "--find-max", "--plan"]) == 0
    assert "from 20 clients by doubling" in (shown := capsys.readouterr().out)
    assert "3 s warm-up, 90 s measured" in shown
    file.write_text('[[group]]\nname = "a"\nclients = 2\n')
    assert main(["loadtest", "--scenario", str(file), "--quick", "--rooms", "3", "--plan"]) == 0
    assert "6 clients, 3 rooms, each 2 a, " in (shown := capsys.readouterr().out)
    assert "3 s measured" in shown
    assert main(["loadtest", "--scenario", str(file), "-c", "5"]) == 2
    assert "--clients with the groups of a scenario file" in capsys.readouterr().err
    assert main(["loadtest", "--scenario", str(file), "--find-max"]) == 2
    assert "--find-max with groups" in capsys.readouterr().err


def test_a_target_that_does_not_answer(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert main(["loadtest", f"http://127.0.0.1:{port}", "-c", "2"]) == 4
    assert "cannot be reached" in capsys.readouterr().err


def test_a_target_that_is_something_else(
    web_server: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loadtest", web_server, "-c", "2"]) == 4
    assert "neither an sfukit server nor a WHIP endpoint" in capsys.readouterr().err


def test_another_machine_needs_permission(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["loadtest", "whip+http://192.0.2.1/whip", "-c", "3"]
    monkeypatch.setattr("sys.argv", ["sfukit", *arguments])
    assert main(arguments) == 2
    shown = capsys.readouterr().err
    assert "192.0.2.1 is not this machine" in shown
    assert "sfukit loadtest whip+http://192.0.2.1/whip -c 3 --allow-host 192.0.2.1" in shown


def test_the_plan_alone_starts_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loadtest", "-c", "500", "--plan"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "plan            500 clients, 100 rooms of 5, VP8 x3 + Opus; "
        "24.9 s ramp, 10 s warm-up, 60 s measured (1m35)",
        "in              2,000 streams, 1,191 Mb/s, 171,467 packets/s into the SFU",
        "out             4,000 streams, 1,139 Mb/s, 235,598 packets/s out of the SFU",
        "files           1,700 open files on this machine (ulimit -n)",
    ]


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ([], "5 clients, 1 room, VP8 x3 + Opus; 0.2 s ramp, 1 s warm-up, 3 s measured (4.2 s)"),
        (["-c", "12", "-r", "100/s", "-d", "5s"], "12 clients, 3 rooms of 4, "),
        (["-d", "60s"], "1 s warm-up, 60 s measured"),
        (["--publishers", "1", "--subscribers", "6"], "7 clients, 1 room with 1 publishing"),
    ],
)
def test_explicit_options_win_over_those_of_quick(
    options: list[str], shown: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["loadtest", "--quick", "--plan", *options]) == 0
    assert shown in capsys.readouterr().out


def test_nothing_was_saved_yet(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "last"]) == 2
    assert "no saved run" in capsys.readouterr().err


def test_a_file_that_is_no_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "x.json"
    other.write_text('{"a": 1}')
    assert main(["report", str(other)]) == 2
    assert main(["report", str(tmp_path / "none.json")]) == 2
    shown = capsys.readouterr().err
    assert "not a report of sfukit" in shown
    assert "No such file" in shown


@pytest.mark.parametrize("command", ["check", "ice-explain", "loadtest", "nat-probe", "turn-probe"])
def test_a_report_of_another_schema_version_is_refused_by_its_version(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    saved = tmp_path / "run.json"
    header = {"command": command, "schema": f"sfukit/{command}/1", "version": "0.0.9"}
    saved.write_text(json.dumps(header))
    assert main(["report", str(saved)]) == 2
    shown = capsys.readouterr().err
    assert f"the schema is sfukit/{command}/1" in shown
    assert f"this sfukit reads {report.schema_id(command)}" in shown
    assert "version 0.0.9" in shown
