"""No secret of a URL or an option stands in a report, a saved run, or on the screen."""

import json
import socket
from pathlib import Path

import msgspec
import pytest

from sfukit import report
from sfukit.cli import app as cli_app
from sfukit.cli.app import main
from sfukit.targets import access
from tests.cli.test_hostile_reports import REPORTS, fields_of
from tests.instances import made

SECRET = "c0nfidential"
URL = f"https://ann:{SECRET}@h/whip?access_token={SECRET}"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("SFUKIT_API_KEY", "SFUKIT_API_SECRET", "SFUKIT_ALLOW_HOSTS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"127.0.0.1:{port}/whip?token={SECRET}"


@pytest.mark.parametrize("command", ["check", "loadtest"])
def test_a_target_with_secrets(
    command: str, closed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "report.json"
    target = f"whip+http://ann:{SECRET}@{closed}"
    options = ["-c", "2", "--duration", "1s"] if command == "loadtest" else []
    assert main([command, target, "--json", str(written), *options]) == 4
    assert main(["report", "last", "--json", "-"]) == 0
    captured = capsys.readouterr()
    kept = [path.read_text() for path in (tmp_path / "sfukit" / "last").iterdir()]
    assert kept
    for text in (written.read_text(), captured.out, captured.err, *kept):
        assert SECRET not in text
    target = json.loads(written.read_text())["target"]
    url = target if command == "check" else target["url"]
    assert url == f"http://***@{closed}".replace(SECRET, "***")


@pytest.mark.parametrize("name", REPORTS)
def test_reports_of_every_command(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = made(REPORTS[name], text=URL, fields=fields_of(name))
    assert SECRET not in report.encode(one)
    older = tmp_path / "older.json"  # written before secrets were hidden
    older.write_bytes(msgspec.json.encode(one))
    assert main(["report", str(older), "--json", "-"]) == 0
    captured = capsys.readouterr()
    assert SECRET not in captured.out + captured.err
    assert "https://***@h/whip?access_token=***" in captured.out


@pytest.mark.parametrize(
    "arguments",
    [
        ["loadtest", f"http://ann:{SECRET}@192.0.2.1/?jwt={SECRET}", "-c", "3"],
        ["loadtest", "whip+http://192.0.2.1/whip", "-c", "3", "--token", SECRET],
        ["loadtest", "whip+http://192.0.2.1/whip", "-c", "3", "--header", f"X: {SECRET}"],
        ["loadtest", "whip+http://192.0.2.1/whip", "--header", f"X Y: {SECRET}"],
        ["check", f"ftp://ann:{SECRET}@h/"],
        ["check", "http://h/", "--header", SECRET],
        ["turn-probe", f"turn:ann:{SECRET}@h"],
        ["turn-probe", "turn:192.0.2.1", "--security", "--user", "a", f"--password={SECRET}"],
        ["nat-probe", "--proxy", f"ftp://ann:{SECRET}@h"],
    ],
    ids=lambda arguments: " ".join(arguments[:1] + arguments[-1:]),
)
def test_errors_and_the_commands_they_name(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["sfukit", *arguments])
    if arguments[1].startswith("http://ann"):
        arguments[1] = f"whip+{arguments[1]}"
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err
    assert SECRET not in captured.out + captured.err


def test_a_bug_that_is_to_be_reported(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise ValueError(f"cannot ask {URL}")

    monkeypatch.setattr(cli_app, "app", fails)
    assert main(["check", URL]) == 1
    shown = capsys.readouterr().err
    assert "ValueError: cannot ask https://***@h/whip?access_token=***" in shown
    assert SECRET not in shown


def test_a_traceback_shows_none_of_the_access() -> None:
    given = access.Access(token=SECRET, api_secret=SECRET, headers=(("X", SECRET),))
    assert SECRET not in repr(given)
