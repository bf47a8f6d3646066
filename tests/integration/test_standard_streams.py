"""Standard output that cannot be written: a sentence and an exit code for every command."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sfukit.cli.app import COMMANDS, main

FULL = Path("/dev/full")
TIMEOUT_S = 30
IDLE = ("127.0.0.1:1",)  # nothing answers there
CANDIDATE = b"candidate:1 1 udp 2130706431 192.0.2.1 5000 typ host\n"

# Each command so that it soon prints something.
PRINTING: Mapping[str, tuple[str, ...]] = {
    "serve": ("serve", "--http", "127.0.0.1:0", "--udp-port", "0"),
    "token": ("token", "--identity", "a", "--api-key", "k", "--api-secret", "s" * 32),
    "latency": ("latency", "--duration", "1s"),
    "loadtest": ("loadtest", "-c", "1", "--duration", "1s", "--warmup", "0s"),
    "report": ("report", "ice-explain"),
    "check": ("check", "http://127.0.0.1:1"),
    "nat-probe": ("nat-probe", "stun:127.0.0.1:1", "--quick"),
    "turn-probe": ("turn-probe", "turn:127.0.0.1:1", "--variants", "tcp"),
    "ice-explain": ("ice-explain", "-"),
    "doctor": ("doctor",),
    "stun-serve": ("stun-serve", "--listen", "127.0.0.1", "--port", "0", "--alternate-port", "0"),
    "nat-lab": ("nat-lab", "matrix", "--runs", "1"),
}
JSON = [name for name in PRINTING if name != "token"]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run a command as a process, in a shell that redirects its streams."""
    state = str(tmp_path_factory.mktemp("state"))
    environment = os.environ | {"XDG_STATE_HOME": state, "XDG_CACHE_HOME": state}

    def go(redirect: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", "-c", f'"$@" {redirect}', "sh", sys.executable, "-m", "sfukit", *arguments],
            input=CANDIDATE.decode(),
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_S,
        )

    go("", *PRINTING["ice-explain"])  # the run that ``report`` prints
    return go


def test_every_command_is_tried() -> None:
    assert set(PRINTING) == set(COMMANDS)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", PRINTING)
def test_a_full_disk_is_an_error(run: Run, name: str) -> None:
    done = run(f"> {FULL}", *PRINTING[name])
    said = "sfukit: standard output cannot be written: No space left on device"
    assert done.stderr.splitlines()[-2] == said
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("name", PRINTING)
def test_a_closed_standard_output_is_an_error(run: Run, name: str) -> None:
    done = run(">&-", *PRINTING[name])
    assert done.stderr.splitlines()[-2] == "sfukit: standard output cannot be written: it is closed"
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("destination", ["-", str(FULL)])
def test_a_full_disk_takes_no_json(run: Run, name: str, destination: str) -> None:
    done = run(f"> {FULL}" if destination == "-" else "", *PRINTING[name], "--json", destination)
    where = "standard output cannot be written" if destination == "-" else f"cannot write {FULL}"
    assert f"sfukit: {where}: No space left on device\n" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.returncode == 2


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("check", "--help"), ()])
def test_help_and_version_fail_likewise(run: Run, arguments: tuple[str, ...]) -> None:
    done = run(">&-", *arguments)
    assert done.stderr.startswith("sfukit: standard output cannot be written")
    assert done.returncode == 2


def test_a_closed_pipe_is_an_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "sfukit", "doctor"],
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )
    os.close(writer)
    assert done.stderr.startswith("sfukit: standard output cannot be written: Broken pipe\n")
    assert "Exception ignored" not in done.stderr
    assert done.returncode == 2


def test_a_closed_standard_error_leaves_the_output_alone(run: Run) -> None:
    refused = run("2>&-", "token", "--identity", "a")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert run("2>&-", "--version").stdout.startswith("sfukit ")


def test_a_closed_standard_input_is_an_empty_one(run: Run) -> None:
    done = run("<&-", *PRINTING["ice-explain"])
    assert done.stderr.startswith("sfukit: ")
    assert done.returncode == 2


def test_a_disk_that_fills_leaves_no_part_of_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(Path, "replace", full)
    assert main(["doctor", "--json", str(tmp_path / "report.json")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
