"""What the fixture ``swarm`` runs, and what it raises for each way that a run ends."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sfukit import testing
from sfukit.errors import MachineError, SfukitError, TargetError, UsageError
from sfukit.loadgen.latency.result import LatencyReport
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.report import Envelope, encode
from sfukit.testing import GateFailedError, InconclusiveError, SfuServer, Swarm
from tests.instances import made

from ..test_layout import ROOT, imported_names

SERVER = SfuServer("http://127.0.0.1:4000", 4001, 17, Path("serve.log"))
COMMAND = [sys.executable, "-P", "-m", "sfukit"]


class Runs:
    """Replaces the process: records its arguments, writes a report."""

    def __init__(self, code: int = 0, *, err: str = "", **fields: Any) -> None:
        self.code = code
        self.err = err
        self.fields = {"exit_code": code, **fields}
        self.kind: type[Envelope] = LoadtestReport
        self.writes = True
        self.arguments: list[str] = []

    def __call__(
        self, arguments: Sequence[str], *, timeout: float, env: dict[str, str], **_: Any
    ) -> subprocess.CompletedProcess[str]:
        self.arguments = list(arguments)
        saved = next(Path(a.removeprefix("--json=")) for a in arguments if "--json=" in a)
        assert env["XDG_STATE_HOME"] == str(saved.parent)
        if self.writes:
            saved.write_text(encode(made(self.kind, fields={"command": "loadtest", **self.fields})))
        return subprocess.CompletedProcess(
            arguments, self.code, "printed\nsaved   last run\n", self.err
        )


@pytest.fixture
def swarm(tmp_path: Path) -> Swarm:
    return Swarm(tmp_path)


def runs(monkeypatch: pytest.MonkeyPatch, process: Runs) -> Runs:
    monkeypatch.setattr("sfukit.testing.runs.subprocess.run", process)
    return process


def test_options_are_those_of_the_command(
    monkeypatch: pytest.MonkeyPatch, swarm: Swarm, tmp_path: Path
) -> None:
    process = runs(monkeypatch, Runs())
    outcome = swarm.loadtest(
        SERVER,
        gates=["rtt_ms.p50<5", "joins.avg>=1"],
        clients=4,
        no_simulcast=True,
        insecure=False,
        layout=None,
        stage=["1s:2", "1s:4"],
        header="A: b",
    )
    assert isinstance(outcome, LoadtestReport)
    assert process.arguments == [
        *COMMAND,
        "loadtest",
        "-Trtt_ms.p50<5",
        "-Tjoins.avg>=1",
        "--quick",
        "--clients=4",
        "--no-simulcast",
        "--stage=1s:2",
        "--stage=1s:4",
        "--header=A: b",
        f"--json={tmp_path / 'loadtest-1.json'}",
        "--",
        SERVER.url,
    ]


def test_one_gate_may_be_a_text_and_the_target_absent(
    monkeypatch: pytest.MonkeyPatch, swarm: Swarm, tmp_path: Path
) -> None:
    process = runs(monkeypatch, Runs(command="latency"))
    process.kind = LatencyReport
    assert isinstance(swarm.latency(gates="rtt_sub_ms.p50<5"), LatencyReport)
    assert process.arguments == [
        *COMMAND,
        "latency",
        "-Trtt_sub_ms.p50<5",
        "--duration=3s",
        f"--json={tmp_path / 'latency-1.json'}",
    ]


def test_secrets_are_passed_in_files(
    monkeypatch: pytest.MonkeyPatch, swarm: Swarm, tmp_path: Path
) -> None:
    process = runs(monkeypatch, Runs())
    swarm.loadtest(SERVER, api_key="key", api_secret="of-the-key", token="@mine.txt")
    assert "of-the-key" not in " ".join(process.arguments)
    secret = tmp_path / "api_secret.txt"
    assert f"--api-secret=@{secret}" in process.arguments
    assert "--token=@mine.txt" in process.arguments
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("of-the-key", 0o600)


@pytest.mark.parametrize(
    ("code", "raised"), [(3, GateFailedError), (4, TargetError), (5, InconclusiveError)]
)
def test_a_verdict_is_raised_with_what_was_printed(
    monkeypatch: pytest.MonkeyPatch, swarm: Swarm, code: int, raised: type[Exception]
) -> None:
    runs(monkeypatch, Runs(code))
    with pytest.raises(raised, match=r"printed\nsaved +\S+loadtest-1\.json\nsee it"):
        swarm.loadtest(SERVER)
    assert swarm.loadtest(SERVER, check=False).exit_code == code


def test_the_report_of_a_failed_gate_is_at_hand(
    monkeypatch: pytest.MonkeyPatch, swarm: Swarm
) -> None:
    runs(monkeypatch, Runs(3, seed=71))
    with pytest.raises(AssertionError) as failed:
        swarm.loadtest(SERVER)
    assert isinstance(failed.value, GateFailedError)
    assert isinstance(failed.value.report, LoadtestReport)
    assert failed.value.report.seed == 71


@pytest.mark.parametrize(
    ("code", "raised"),
    [(1, SfukitError), (2, UsageError), (4, TargetError), (-9, SfukitError), (130, SfukitError)],
)
@pytest.mark.parametrize("check", [True, False])
def test_a_run_without_a_report_raises_its_error(
    monkeypatch: pytest.MonkeyPatch,
    swarm: Swarm,
    code: int,
    raised: type[SfukitError],
    check: bool,
) -> None:
    runs(monkeypatch, Runs(code, err="sfukit: --clients 0: too few\n  give 1\n")).writes = False
    with pytest.raises(raised, match=r"^sfukit loadtest: --clients 0: too few\n  give 1$") as error:
        swarm.loadtest(SERVER, check=check)
    assert type(error.value) is raised


@pytest.mark.parametrize("name", ["json", "quiet", "plan", "find_max"])
def test_options_of_the_fixture_itself_are_refused(swarm: Swarm, name: str) -> None:
    with pytest.raises(UsageError, match=name):
        swarm.loadtest(SERVER, **{name: True})


def test_a_report_of_another_form_is_refused(monkeypatch: pytest.MonkeyPatch, swarm: Swarm) -> None:
    runs(monkeypatch, Runs(command="loadtest-signaling"))
    with pytest.raises(UsageError, match="another form"):
        swarm.loadtest(SERVER, scenario="signaling")


def test_a_run_ends_at_its_limit(monkeypatch: pytest.MonkeyPatch, swarm: Swarm) -> None:
    def endless(arguments: Sequence[str], *, timeout: float, **_: Any) -> None:
        raise subprocess.TimeoutExpired(arguments, timeout)

    monkeypatch.setattr("sfukit.testing.runs.subprocess.run", endless)
    with pytest.raises(MachineError, match="takes longer than 2 s"):
        swarm.loadtest(SERVER, timeout_s=2)


def test_the_urls_of_a_room() -> None:
    assert SERVER.whip("a") == "http://127.0.0.1:4000/whip/a"
    assert SERVER.whep("a") == "http://127.0.0.1:4000/whep/a"
    assert SERVER.websocket == "ws://127.0.0.1:4000/ws"


def test_public_names() -> None:
    assert set(testing.__all__) == {
        "GateFailedError",
        "InconclusiveError",
        "LatencyReport",
        "LoadtestReport",
        "Option",
        "SfuServer",
        "Swarm",
        "VerdictError",
        "serving",
        "sfu_server",
        "swarm",
    }


def test_pytest_configures_nothing_of_sfukit() -> None:
    """Without hooks, no option and no line of a configuration file reaches the fixtures."""
    assert [name for name in dir(testing) if name.startswith("pytest_")] == []
    assert [name for name in dir(testing.fixtures) if name.startswith("pytest_")] == []


def test_no_other_part_of_sfukit_needs_pytest() -> None:
    package = ROOT / "sfukit"
    files = {path for path in package.rglob("*.py") if "pytest" in set(imported_names(path))}
    assert {path.relative_to(package).parts[0] for path in files} == {"testing"}


def test_sfukit_without_pytest_says_what_is_missing() -> None:
    code = "import sys; sys.modules['pytest'] = None; import sfukit.testing"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.stderr.splitlines()[-1] == (
        "ImportError: sfukit.testing needs pytest: pip install pytest"
    )
