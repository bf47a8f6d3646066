"""The swarm beside a Go client: medians of interleaved runs, and a publisher that never joins."""

import sys
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from sfukit.loadgen.result.report import LoadtestReport
from tests.unit.bench.test_load_figures import recorded
from tools.bench import clients
from tools.bench.runs import RunError, Runs


class Scripted(Runs):
    """Runs with given figures: CPU seconds of the swarm, then of pion, per round."""

    def __init__(self, rounds: list[tuple[float, float]]) -> None:
        super().__init__(1.0)
        self._swarm = [swarm for swarm, _ in rounds]
        self._pion = [pion for _, pion in rounds]

    def run_loadtest(self, *options: str) -> LoadtestReport:
        report = recorded("clean")
        assert report.generator is not None
        use = msgspec.structs.replace(
            report.generator, cpu_s=self._swarm.pop(0), packets_received=1_000_000
        )
        return msgspec.structs.replace(report, generator=use)

    def go_program(self, folder: Path) -> Path:
        assert (folder / "main.go").exists()
        return folder / "pion"

    def program(self, binary: Path, *options: str) -> str:
        figures = {"subscribers": 120, "packets": 1_000_000, "cpu_s": self._pion.pop(0)}
        return msgspec.json.encode({**figures, "wall_s": 10.0}).decode()


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace server and publisher by nothing."""
    server = SimpleNamespace(url="http://127.0.0.1:1")
    monkeypatch.setattr(clients, "serving", lambda: nullcontext(server))


def test_the_medians_of_interleaved_runs_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_publishing", lambda *_: nullcontext())
    rounds = [(4.0, 13.0), (9.0, 12.0), (3.9, 30.0)]
    swarm, pion, compared = clients.beside_pion(Scripted(rounds))
    assert swarm.value == pytest.approx(4.0)
    assert pion.value == pytest.approx(13.0)
    assert compared.value == pytest.approx(4 / 13)
    assert compared.met is True


def test_a_publisher_that_does_not_join_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "_COMMAND", (sys.executable, "-c", "print('0/1 joined')"))
    with pytest.raises(RunError, match="did not join"):
        clients.beside_pion(Scripted([(4.0, 13.0)]))
