"""Probe after probe, each a run of its own, until the largest load that passes is known."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sfukit import machine, units
from sfukit.errors import ExitCode
from sfukit.loadgen import scenario
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.search.bisection import RESOLUTION, Bisection
from sfukit.loadgen.search.cause import broke_first
from sfukit.loadgen.search.search_report import (
    COMMAND,
    SCHEMA,
    Answer,
    Ended,
    Probe,
    SearchReport,
    probe_of,
)
from sfukit.report import Verdict

Run = Callable[[RunOptions], Awaitable[LoadtestReport]]
Clock = Callable[[], float]

BUDGET_S = 900.0  # no probe starts that would end later
_START_S = 3.0  # of a private server, and of the end of a run
_MOST_CLIENTS = 20_000


@dataclass(frozen=True)
class Search:
    """The search as planned: the first load, the largest, the step between loads."""

    options: RunOptions
    first: int
    most: int
    unit: int

    def probe_s(self, clients: int) -> float:
        """Return the time that a probe takes."""
        load = self.options.load
        return clients / load.ramp_per_s + load.warmup_s + load.duration_s + _START_S

    def with_clients(self, clients: int) -> RunOptions:
        """Return the options of one probe."""
        return replace(self.options, load=replace(self.options.load, clients=clients))


def planned(options: RunOptions) -> Search:
    """Return the search of the given options; ``--clients`` is its first load."""
    whole = scenario.plan(options.load)
    first = len(whole.bots)
    most = max(first, min(_MOST_CLIENTS, machine.clients_for(machine.open_files_allowed())))
    return Search(options, first, most, _unit(options.load, first, len(whole.rooms)))


def search_line(search: Search) -> str:
    """Return the plan of the search in one line, with its bound in time."""
    load, probe_s = search.options.load, search.probe_s(search.first)
    return (
        f"from {search.first} clients by doubling, then bisection to {RESOLUTION:.0%}; "
        f"each probe {load.ramp_per_s:.3g} joins/s, {load.warmup_s:.3g} s warm-up, "
        f"{load.duration_s:.3g} s measured ({units.show_duration(probe_s)} for the first); "
        f"at most {units.show_duration(BUDGET_S)}"
    )


async def find_max(
    search: Search,
    run: Run,
    on_probe: Callable[[Probe], None],
    stop: asyncio.Event,
    clock: Clock = time.monotonic,
) -> SearchReport:
    """Probe until the answer is known, the time is over, or ``stop`` is set."""
    started_at, started_s = datetime.now(UTC), clock()
    bisection = Bisection(search.first, search.most, search.unit)
    probes: list[Probe] = []
    first_run: LoadtestReport | None = None
    out_of_time = False
    while not (probes and stop.is_set()) and (clients := bisection.next()) is not None:
        out_of_time = bool(probes) and clock() - started_s + search.probe_s(clients) > BUDGET_S
        if out_of_time:
            break
        probe_started_s = clock()
        finished = await run(search.with_clients(clients))
        first_run = first_run or finished
        probe = probe_of(finished, clock() - probe_started_s)
        probes.append(probe)
        on_probe(probe)
        if finished.interrupted:
            break
        bisection.record(clients, passes=finished.verdict == "pass")
        if not bisection.passed and finished.exit_code == ExitCode.TARGET:
            break  # a target that cannot be used has no largest load
    assert first_run is not None  # the first probe always runs
    answer = _answer(bisection, probes, interrupted=stop.is_set(), out_of_time=out_of_time)
    verdict, exit_code = _verdict(answer, probes)
    return SearchReport(
        schema=SCHEMA,
        command=COMMAND,
        verdict=verdict,
        exit_code=exit_code,
        started_at=started_at.isoformat(timespec="seconds"),
        seed=first_run.seed,
        target=first_run.target,
        scenario=first_run.scenario,
        environment=first_run.environment,
        answer=answer,
        probes=probes,
    )


def _unit(load: LoadOptions, first: int, rooms: int) -> int:
    """Return the step between loads: a whole room where the number of rooms follows the load."""
    return first // rooms if load.rooms is None and rooms > 1 and first % rooms == 0 else 1


def _answer(
    bisection: Bisection, probes: Sequence[Probe], *, interrupted: bool, out_of_time: bool
) -> Answer:
    smallest = next((one for one in probes if one.clients == bisection.failed), None)
    ended: Ended = "machine_limit"
    if interrupted:
        ended = "interrupted"
    elif out_of_time:
        ended = "time_limit"
    elif smallest is not None and smallest.verdict == "inconclusive":
        ended = "generator_limit"
    elif smallest is not None:
        ended = "found" if bisection.passed else "none"
    return Answer(
        max_clients=bisection.passed or None,
        at_least=ended not in ("found", "none"),
        resolution=bisection.resolution,
        ended=ended,
        broke_first=None if smallest is None else broke_first(smallest),
    )


def _verdict(answer: Answer, probes: Sequence[Probe]) -> tuple[Verdict, int]:
    match answer.ended:
        case "found":
            return "pass", ExitCode.OK
        case "none":
            return "fail", probes[-1].exit_code
        case "interrupted":
            return "inconclusive", ExitCode.INTERRUPTED
        case _:
            return "inconclusive", ExitCode.INCONCLUSIVE
