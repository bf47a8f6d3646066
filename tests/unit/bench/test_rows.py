"""The rows: their names, their scale, and the arithmetic of servers watched from outside."""

import pytest

from tools.bench.own_server import Remains, Sample, held, joining_cost
from tools.bench.rows import ROWS, cycle_figures
from tools.bench.runs import Runs


def test_what_is_slow_is_measured_only_when_asked_for() -> None:
    assert [name for name, row in ROWS.items() if not row.usual] == ["cycles"]


def test_a_trial_is_smaller_in_clients_and_time() -> None:
    whole, trial = Runs(1.0), Runs(0.05)
    assert (whole.count(240), whole.span(20)) == (240, "20s")
    assert (trial.count(240), trial.span(20)) == (12, "2s")
    assert (trial.count(40, least=12), trial.span(60)) == (12, "3s")


def test_a_join_is_told_from_the_media_that_follows() -> None:
    """Idle for 1 s, 4 s of joining that cost 2 s of CPU, and media at a quarter core in the end."""

    def cpu_s(at_s: float) -> float:
        joined = min(max(at_s - 1, 0) / 4, 1)
        return 0.3 + 2 * joined + 0.25 * (joined * min(max(at_s - 1, 0), 4) / 2 + max(at_s - 5, 0))

    samples = [Sample(i / 20, cpu_s(i / 20)) for i in range(300)]
    cost = joining_cost(samples, ramp_s=4.0, steady_s=9.0)
    assert cost is not None
    used_s, cores, loaded_s = cost
    assert cores == pytest.approx(0.25)
    assert used_s - cores * loaded_s == pytest.approx(2.0, abs=0.05)


def test_nothing_is_made_of_a_server_that_was_gone() -> None:
    assert joining_cost([], 1.0, 5.0) is None
    assert joining_cost([Sample(0.0, 1.0), Sample(0.1, 2.0)], 1.0, 5.0) is None


def test_what_a_server_holds_is_read_from_its_metrics() -> None:
    metrics = """# HELP sfukit_live_objects Objects in the engine
sfukit_live_objects{kind="rooms"} 2.0
sfukit_live_objects{kind="transports"} 9.0
sfukit_participants 5.0
sfukit_participants_ended_total{reason="left"} 77.0
sfukit_participants_ended_created{reason="left"} 1.7e9
sfukit_asyncio_tasks 14.0
sfukit_rooms 2.0
"""
    assert held(metrics) == (16, 14)


def test_cycles_are_held_against_an_early_one_and_the_start() -> None:
    before = Remains(50_000_000, 20, 4, 0)
    after = [Remains(80_000_000, 20, 4, 0)] * 5 + [Remains(82_500_000, 21, 4, 0)] * 15
    figures = {figure.name: figure for figure in cycle_figures(before, after)}
    assert figures["times that after cycle 5"].value == pytest.approx(1.03125)
    assert figures["times that after cycle 5"].met is False
    assert figures["file descriptors more"].met is False
    assert figures["asyncio tasks more"].met
    assert figures["live objects more"].met
