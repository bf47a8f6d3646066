"""Load shapes against a real private server: few clients, short windows, on loopback."""

import json
import time
from pathlib import Path

import pytest

from tests.integration.loadtest_command import Loadtest


@pytest.fixture
def loadtest(tmp_path: Path) -> Loadtest:
    return Loadtest(tmp_path)


async def test_quick_gives_a_verdict_in_less_than_ten_seconds(loadtest: Loadtest) -> None:
    started_s = time.monotonic()
    outcome = await loadtest("--quick")
    elapsed_s = time.monotonic() - started_s
    assert outcome.code == 0, outcome.out
    scenario = outcome.measured.scenario
    assert (scenario.clients, scenario.warmup_s, scenario.duration_s) == (5, 1.0, 3.0)
    assert elapsed_s < 10


async def test_find_max_lists_its_probes_and_what_broke_first(
    loadtest: Loadtest, tmp_path: Path
) -> None:
    saved = tmp_path / "search.json"
    limit = ("--server-args", "--max-participants 3", "-T", "join_ms.p95<5s")
    short = ("--warmup", "0.5s", "-d", "1s", "--seed", "7", "--rooms", "1")
    outcome = await loadtest("--find-max", "-c", "2", *short, *limit, "--json", str(saved))
    found = json.loads(saved.read_bytes())
    assert [(one["clients"], one["verdict"]) for one in found["probes"]] == [
        (2, "pass"),
        (4, "fail"),
        (3, "pass"),
    ]
    assert found["answer"]["max_clients"] == 3
    assert found["answer"]["broke_first"]["gate"] == "joins == 100 %"
    assert outcome.code == 0
    assert "\nMAX     3 clients pass the gates (within 1)  (seed 7)\n" in outcome.out
    assert "first to break, at 4 clients: server, " in outcome.out
