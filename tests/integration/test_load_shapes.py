"""Load shapes against a real private server: few clients, short windows, on loopback."""

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
