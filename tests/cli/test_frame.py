"""The command without a command: help, version, what it loads, how it refuses."""

import subprocess
import sys

import pytest

from sfukit import __version__
from sfukit.cli.app import COMMANDS, main, overview

HEAVY = {"aiohttp", "numpy", "structlog", "aioice", "rich", "websockets", "httpx", "sfukit._native"}


def test_help_loads_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from sfukit.cli.app import main\n"
        "code = main(['--help'])\n"
        "print('LOADED', *sorted(sys.modules))\n"
        "sys.exit(code)\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    loaded = set(run.stdout.rpartition("LOADED")[2].split())
    assert "sfukit.cli.app" in loaded
    assert loaded & HEAVY == set()


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.strip() == overview()
    assert all(f" {name} " in shown for name in COMMANDS)


def test_without_a_command_the_same_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert capsys.readouterr().out.strip() == overview()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sfukit {__version__}\n"


def test_an_unknown_command_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bogus"]) == 2
    assert "bogus" in capsys.readouterr().err


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_tells_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name, "--help"]) == 0
    assert f"sfukit {name}" in capsys.readouterr().out
