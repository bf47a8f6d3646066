"""The search for the largest load: which loads are tried, what it answers, what broke first."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit import gates, report
from sfukit.cli import find_max_text
from sfukit.errors import ExitCode
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.result.report import Fault, LoadtestReport, Resource, Saturation, Side
from sfukit.loadgen.search import search
from sfukit.loadgen.search.bisection import Bisection
from sfukit.loadgen.search.search import Search, find_max
from sfukit.loadgen.search.search_report import Probe, SearchReport
from sfukit.loadgen.verdict.gate_figures import catalogue
from sfukit.report import Verdict
from tests.unit.loadgen.test_summary import Run

SCHEMA = Path(__file__).parents[3] / "docs" / "schema" / "loadtest-find-max.json"
GATE = gates.parse("e2e_frame_ms.p95 < 400ms", catalogue())


def tried(bisection: Bisection, largest: int) -> list[int]:
    """Return the loads tried where loads up to ``largest`` pass."""
    loads = []
    while (load := bisection.next()) is not None:
        loads.append(load)
        bisection.record(load, passes=load <= largest)
    return loads


@pytest.mark.parametrize(
    ("bisection", "largest", "loads"),
    [
        (Bisection(10, 10_000), 85, [10, 20, 40, 80, 160, 120, 100, 90, 85, 87]),
        (Bisection(10, 10_000, 5), 85, [10, 20, 40, 80, 160, 120, 100, 90, 85]),
        (Bisection(10, 10_000), 3, [10, 5, 2, 3, 4]),
        (Bisection(10, 10_000), 0, [10, 5, 2, 1]),
        (Bisection(10, 35), 1_000, [10, 20, 35]),
        (Bisection(10, 35, 10), 1_000, [10, 20, 30]),
        (Bisection(10, 10), 1_000, [10]),
    ],
)
def test_loads_are_doubled_and_then_halved(
    bisection: Bisection, largest: int, loads: list[int]
) -> None:
    assert tried(bisection, largest) == loads


@given(st.integers(1, 50), st.integers(0, 3_000), st.integers(1, 10))
def test_the_answer_is_within_the_resolution(first: int, largest: int, unit: int) -> None:
    bisection = Bisection(first * unit, 20_000, unit)
    loads = tried(bisection, largest)
    assert len(loads) == len(set(loads)) < 40
    assert bisection.passed <= largest < (bisection.failed or 20_001)
    if bisection.failed is not None:
        assert bisection.failed - bisection.passed <= max(bisection.resolution, unit)


class Machine:
    """A server and a load generator with limits: each probe takes its planned time."""

    def __init__(self, judge: Callable[[int], LoadtestReport]) -> None:
        self.judge = judge
        self.now_s = 0.0
        self.search = Search(RunOptions(load=LoadOptions(ramp_per_s=50.0)), 10, 20_000, 5)
        self.stop = asyncio.Event()

    async def run(self, options: RunOptions) -> LoadtestReport:
        assert options.load.clients is not None
        self.now_s += self.search.probe_s(options.load.clients)
        return self.judge(options.load.clients)

    async def found(self) -> SearchReport:
        return await find_max(self.search, self.run, ignore, self.stop, lambda: self.now_s)


def ignore(_probe: Probe) -> None:
    """Do not print."""


def ran(
    clients: int,
    verdict: Verdict = "pass",
    side: Side = "none",
    resources: Sequence[Resource] = (),
    exit_code: int | None = None,
) -> LoadtestReport:
    """Return a run as it ended."""
    made = Run()
    made.join()
    usual = made.report()
    delay_ms = 10.0 if verdict == "pass" else 612.0
    codes = {"pass": ExitCode.OK, "fail": ExitCode.FAILED, "inconclusive": ExitCode.INCONCLUSIVE}
    return msgspec.structs.replace(
        usual,
        verdict=verdict,
        exit_code=codes[verdict] if exit_code is None else exit_code,
        reasons=[] if verdict == "pass" else [f"{GATE}: it is 612 ms"],
        scenario=msgspec.structs.replace(usual.scenario, clients=clients),
        gates=gates.judge([GATE], {GATE.path: delay_ms}),
        saturation=Saturation(side=side, reasons=[side] * len(resources), resources=[*resources]),
    )


async def test_the_answer_names_side_resource_and_gate() -> None:
    def judge(clients: int) -> LoadtestReport:
        return ran(clients) if clients <= 85 else ran(clients, "fail", "server", ["thread"])

    found = await Machine(judge).found()
    assert (found.verdict, found.exit_code) == ("pass", 0)
    answer = found.answer
    assert (answer.max_clients, answer.at_least, answer.ended) == (85, False, "found")
    broke = answer.broke_first
    assert broke is not None
    assert (broke.clients, broke.side, broke.resource) == (90, "server", "thread")
    assert broke.gate == "e2e_frame_ms.p95 < 400 ms"
    assert [probe.clients for probe in found.probes] == [10, 20, 40, 80, 160, 120, 100, 90, 85]
    lines = find_max_text.result_lines(found)
    assert lines[0] == "MAX     85 clients pass the gates (within 5)  (seed 71)"
    assert lines[1] == "        first to break, at 90 clients: server, thread"
    assert lines[2] == "        e2e_frame_ms.p95 < 400 ms: it is 612 ms"


@pytest.mark.parametrize(
    ("side", "cause"), [("swarm", "load generator"), ("shared", "shared core"), ("none", "unknown")]
)
async def test_a_limit_of_the_generator_is_a_lower_bound(side: Side, cause: str) -> None:
    def judge(clients: int) -> LoadtestReport:
        return ran(clients) if clients <= 40 else ran(clients, "inconclusive", side, ["schedule"])

    found = await Machine(judge).found()
    assert (found.verdict, found.exit_code) == ("inconclusive", ExitCode.INCONCLUSIVE)
    answer = found.answer
    assert (answer.max_clients, answer.at_least, answer.ended) == (40, True, "generator_limit")
    assert answer.broke_first is not None and answer.broke_first.side == cause
    assert find_max_text.result_lines(found)[0].startswith("MAX     at least 40 clients: ")


async def test_a_busy_machine_on_which_no_load_passes_is_inconclusive() -> None:
    found = await Machine(lambda clients: ran(clients, "inconclusive", "swarm")).found()
    assert (found.verdict, found.exit_code) == ("inconclusive", ExitCode.INCONCLUSIVE)
    assert (found.answer.max_clients, found.answer.ended) == (None, "generator_limit")
    assert find_max_text.result_lines(found)[0].startswith(
        "MAX     no load passed the gates: the load generator, or a core that it shares, was at "
    )


async def test_a_failure_of_the_server_below_a_limit_of_the_generator_decides() -> None:
    def judge(clients: int) -> LoadtestReport:
        if clients > 100:
            return ran(clients, "inconclusive", "swarm", ["sockets"])
        return ran(clients) if clients <= 85 else ran(clients, "fail", "none")

    answer = (await Machine(judge).found()).answer
    assert (answer.max_clients, answer.at_least) == (85, False)
    assert answer.broke_first is not None
    assert (answer.broke_first.side, answer.broke_first.resource) == ("server", None)


async def test_no_probe_starts_that_would_end_after_the_time_is_over() -> None:
    machine = Machine(ran)
    machine.search = Search(RunOptions(load=LoadOptions(duration_s=200.0)), 10, 20_000, 5)
    found = await machine.found()
    assert machine.now_s <= search.BUDGET_S
    assert [probe.clients for probe in found.probes] == [10, 20, 40, 80]
    assert (found.answer.max_clients, found.answer.ended) == (80, "time_limit")
    assert (found.answer.at_least, found.exit_code) == (True, ExitCode.INCONCLUSIVE)


async def test_a_target_that_cannot_be_used_ends_the_search() -> None:
    found = await Machine(lambda clients: ran(clients, "fail", exit_code=ExitCode.TARGET)).found()
    assert len(found.probes) == 1
    assert (found.verdict, found.exit_code) == ("fail", ExitCode.TARGET)
    assert (found.answer.max_clients, found.answer.ended) == (None, "none")


async def test_an_interrupted_search_keeps_what_passed() -> None:
    def judge(clients: int) -> LoadtestReport:
        if clients < 40:
            return ran(clients)
        machine.stop.set()
        interrupted = ran(clients, "inconclusive", exit_code=ExitCode.INTERRUPTED)
        return msgspec.structs.replace(interrupted, interrupted=True)

    machine = Machine(judge)
    found = await machine.found()
    assert (found.answer.max_clients, found.answer.ended) == (20, "interrupted")
    assert found.exit_code == ExitCode.INTERRUPTED
    assert [probe.clients for probe in found.probes] == [10, 20, 40]


async def test_a_rate_limit_is_policy_of_the_server() -> None:
    def judge(clients: int) -> LoadtestReport:
        refused = Fault(code="rate_limited", message="slow down", count=9, first="room-1 p1")
        failed = msgspec.structs.replace(ran(clients, "fail"), errors=[refused])
        return ran(clients) if clients <= 20 else failed

    broke = (await Machine(judge).found()).answer.broke_first
    assert broke is not None
    assert (broke.side, broke.resource) == ("server", "rate limit (policy)")


async def test_a_saved_search_prints_every_probe() -> None:
    found = await Machine(lambda n: ran(n) if n <= 20 else ran(n, "fail", "server")).found()
    lines = find_max_text.render_saved(msgspec.json.encode(found))
    assert len(lines) == 2 + len(found.probes) + len(find_max_text.result_lines(found))
    assert lines[1].split()[:2] == ["probe", "clients"]
    assert lines[2].split()[:2] == ["10", "pass"]
    assert lines[4].split()[:2] == ["40", "FAIL"]
    assert lines[4].endswith("e2e_frame_ms.p95")
    assert all(len(line) <= 100 for line in lines)


def test_the_published_schema_is_that_of_the_search() -> None:
    assert json.loads(SCHEMA.read_text()) == report.schema(SearchReport)
