"""``sfukit stun-serve``: ready lines, JSON, refusals."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sfukit import report
from sfukit.cli.app import main
from sfukit.cli.stun_serve import Listening
from tests.ready import first_document

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "stun-serve.json"
BOTH = ("--listen", "127.0.0.1", "--listen", "127.0.0.2", "--port", "0", "--alternate-port", "0")


def test_it_prints_its_addresses_and_counters() -> None:
    command = [sys.executable, "-m", "sfukit", "stun-serve", *BOTH, "--json", "-"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        assert running.stdout is not None
        document = first_document(running.stdout)
        running.send_signal(signal.SIGTERM)
        _out, said = running.communicate(timeout=10)
    assert running.returncode == 0
    assert list(document)[:6] == ["schema", "tool", "version", "command", "verdict", "exit_code"]
    assert document["behaviour_discovery"] is True
    assert len(document["addresses"]) == 4
    assert "probe   sfukit nat-probe stun:127.0.0.1:" in said
    assert "served  0 responses" in said


def test_the_published_schema_is_that_of_the_listening() -> None:
    assert json.loads(SCHEMA.read_text()) == report.schema(Listening)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--listen", "192.0.2.55"], "cannot listen"),
        (
            ["--listen", "127.0.0.1", "--advertise", "192.0.2.1", "--advertise", "192.0.2.2"],
            "--adv",
        ),
        (["--listen", "127.0.0.1", "--listen", "127.0.0.2", "--listen", "127.0.0.3"], "--listen"),
        (["--port", "4000", "--alternate-port", "4000"], "--alternate-port"),
    ],
)
def test_invalid_options_are_refused(
    capsys: pytest.CaptureFixture[str], options: list[str], says: str
) -> None:
    assert main(["stun-serve", *options]) == 2
    assert says in capsys.readouterr().err


def test_a_port_in_use_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = str(taken.getsockname()[1])
        assert main(["stun-serve", "--listen", "127.0.0.1", "--port", port]) == 2
    assert "the port is in use" in capsys.readouterr().err
