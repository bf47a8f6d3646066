"""Projects that use ``sfukit.testing``, run by a pytest of their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sfukit.errors import UsageError
from sfukit.testing import serving

pytestmark = pytest.mark.realtime

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "pytest"
PLUGIN = """
from pathlib import Path
Path(__file__).with_name("loaded").touch()
"""
CONFIGURATION = """
[pytest]
target_plugin = ./plugin.py:Target
sfukit_target_plugin = ./plugin.py:Target
"""
CONFTEST = 'pytest_plugins = ["sfukit.testing"]\n'
TESTS = """
from sfukit.errors import TargetError, UsageError
import pytest

def test_missed(sfu_server, swarm):
    swarm.loadtest(
        sfu_server, clients=2, duration="500ms", warmup="500ms", gates=["e2e_frame_ms.p50<1us"]
    )

def test_no_server(swarm):
    with pytest.raises(TargetError, match="127.0.0.1:9"):
        swarm.loadtest("http://127.0.0.1:9", clients=2)

def test_misspelled(swarm):
    with pytest.raises(UsageError, match="No such option"):
        swarm.loadtest(clientz=2)
"""


def pytest_of(project: Path, state: Path) -> subprocess.CompletedProcess[str]:
    """Run the tests of a project as its user does: from its folder, with its configuration."""
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", project, project],
        cwd=project,
        env={**os.environ, "XDG_STATE_HOME": str(state), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_the_example_passes(tmp_path: Path) -> None:
    ended = pytest_of(EXAMPLE, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "3 passed" in ended.stdout
    assert list(tmp_path.iterdir()) == []  # the last runs of the user are left alone


def test_a_missed_gate_fails_its_test_alone(tmp_path: Path) -> None:
    files = {
        "plugin.py": PLUGIN,
        "pytest.ini": CONFIGURATION,
        "conftest.py": CONFTEST,
        "test_project.py": TESTS,
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    ended = pytest_of(tmp_path, tmp_path)
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "1 failed, 2 passed" in ended.stdout
    assert "GateFailedError: a gate was not met" in ended.stdout
    assert "FAIL    2/2 joined" in ended.stdout
    assert "in _run" not in ended.stdout  # the traceback ends in the test
    assert not (tmp_path / "loaded").exists()


def test_refused_arguments_are_quoted(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match=r"exit code 2(?s:.*)No such option: --no-such-option"),
        serving(tmp_path, "--no-such-option"),
    ):
        raise AssertionError("it started")


def test_arguments_win_over_the_defaults(tmp_path: Path) -> None:
    with serving(tmp_path, "--http", "[::1]:0") as server:
        assert server.url.startswith("http://[::1]:")
        assert server.log.exists()
