"""Whatever lies in the current folder, no command imports it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

# What the commands import, from the standard library as from packages.
MODULES = ("uvloop", "json", "aiohttp", "msgspec", "typer", "asyncio", "httpx", "structlog")
ENTRY = (str(Path(sys.executable).parent / "sfukit"),)
MODULE = (sys.executable, "-m", "sfukit")
LOADTEST = ("loadtest", "-c", "2", "--duration", "1s", "--warmup", "0s", "--ramp", "50/s")
TIMEOUT_S = 60


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """Make a folder of modules that leave a file behind when they are imported."""
    for name in MODULES:
        (tmp_path / f"{name}.py").write_text(_noting(tmp_path, name))
    return tmp_path


def _noting(folder: Path, name: str) -> str:
    return f"open({str(folder / name)!r} + '.imported', 'w').close()\n"


def run_in(folder: Path, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    state = {"XDG_STATE_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
    return subprocess.run(
        command,
        cwd=folder,
        env=os.environ | state,
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT_S,
    )


def imported(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.imported"))


def test_a_load_test_and_its_private_server_import_nothing_of_it(hostile: Path) -> None:
    package = hostile / "sfukit"
    package.mkdir()
    (package / "__init__.py").write_text(_noting(hostile, "sfukit"))
    run = run_in(hostile, (*ENTRY, *LOADTEST, "--no-default-gates"))
    assert imported(hostile) == []
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2/2 joined" in run.stdout


def test_the_module_imports_nothing_of_it_but_its_own_package(hostile: Path) -> None:
    run = run_in(hostile, (*MODULE, "token", "--help"))
    assert imported(hostile) == []
    assert run.returncode == 0, run.stderr
