"""``sfukit check``: bad input, its schema, the same text again."""

import json
import socket
from pathlib import Path

import pytest

from sfukit import report
from sfukit.cli.app import main
from sfukit.probe.check.report import CheckReport

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "check.json"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    for name in ("SFUKIT_API_KEY", "SFUKIT_API_SECRET"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def closed() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    return f"http://127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("arguments", "says", "remedy"),
    [
        (["127.0.0.1:7080"], "no URL", "http(s)://"),
        (["http://[::1"], "'http://[::1'", "http(s)://"),
        (["http://h:99999"], "'http://h:99999'", "http(s)://"),
        (["http://h", "--play", "http://[::1"], "--play 'http://[::1'", "WHEP endpoint"),
        (["turn+http://h"], "no kind is called 'turn'", "whep+"),
        (["http://h", "--family", "5"], "--family 5", "4, 6, both"),
        (["http://h", "--srtp", "none"], "--srtp none", "gcm128"),
        (["http://h", "--header", "x"], "--header: one has no colon", "Name: value"),
        (["http://h", "--token", "@/nowhere/t"], "/nowhere/t", ""),
        (["http://h", "-T", "timings_ms.icy<3"], "no metric", "timings_ms.ice"),
        (
            ["https://127.0.0.1:1", "--cacert", "/nowhere/ca"],
            "--cacert /nowhere/ca",
            "no certificates",
        ),
    ],
)
def test_bad_input(
    arguments: list[str], says: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *arguments]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert remedy in shown
    assert "Traceback" not in shown


def test_the_first_step_that_fails_is_the_last_line_but_one(
    closed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", closed]) == 4
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"check   {closed}"
    assert lines[1].split()[0] == "dns"
    assert lines[2].startswith("tcp              FAILED  port_closed: 127.0.0.1:")
    assert lines[3].strip() == "fix: is the server running, and on this port?"
    assert lines[4] == "FAIL    tcp fails: port_closed"


def test_json_on_standard_output_and_the_same_text_again(
    closed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", closed, "--json", "-"]) == 4
    first = capsys.readouterr()
    document = json.loads(first.out)
    assert list(document)[:6] == ["schema", "tool", "version", "command", "verdict", "exit_code"]
    assert (document["failed_step"], document["cause"]) == ("tcp", "port_closed")
    assert main(["report", "check"]) == 0
    assert capsys.readouterr().out == first.err


def test_the_published_schema_is_that_of_the_report() -> None:
    """When it was meant to change: write the schema there again."""
    assert json.loads(SCHEMA.read_text()) == report.schema(CheckReport)
