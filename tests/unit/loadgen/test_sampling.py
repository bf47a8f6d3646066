"""Readings during a run: snapshots in the background, an overloaded swarm, the closed window."""

import asyncio
from typing import Any, cast

import msgspec

from sfukit.errors import MachineError
from sfukit.loadgen.metrics.figures import Figures
from sfukit.loadgen.result.report import Target
from sfukit.loadgen.sampling import Sampling
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.swarm.messages import Snapshot
from tests.unit.loadgen.test_series import reach
from tests.unit.loadgen.test_summary import Run

S = 1_000_000_000


class SlowSwarm:
    """A swarm whose snapshots come when the test says so; None is an overloaded one."""

    def __init__(self) -> None:
        self.requests: list[Snapshot] = []
        self.answers: asyncio.Queue[Figures | None] = asyncio.Queue()

    def now_ns(self) -> int:
        return 5 * S

    async def request(self, command: Snapshot, result: type[Figures]) -> Figures:
        self.requests.append(command)
        answer = await self.answers.get()
        if answer is None:
            raise MachineError("the swarm did not carry out Snapshot within 30 s")
        return answer

    def answer(self, at_s: float, received: int = 0) -> None:
        self.answers.put_nowait(reach(at_s, received=received).figures)


class Opened:
    """A target that is not of this machine."""

    server = None
    described = Target(kind="janus", url="ws://h")


def sampling(swarm: SlowSwarm) -> Sampling:
    made = Sampling(cast("Any", swarm), cast("OpenedTarget", Opened()), Run().ledger)
    made.begin(1.0, 0)
    return made


async def test_one_snapshot_at_a_time_is_taken_without_figures_per_stream() -> None:
    swarm = SlowSwarm()
    found = sampling(swarm)
    found.end_interval("ramp")
    await asyncio.sleep(0)
    found.end_interval("ramp")
    await asyncio.sleep(0)
    assert [command.bots for command in swarm.requests] == [False]
    swarm.answer(0)
    await found.settled()
    found.end_interval("ramp")
    swarm.answer(1, received=125)
    await found.settled()
    assert [one.bitrate_in_bps for one in found.intervals] == [1000]


async def test_an_overloaded_swarm_leaves_a_longer_interval() -> None:
    swarm = SlowSwarm()
    found = sampling(swarm)
    swarm.answer(0)
    await found.interval("ramp")
    swarm.answers.put_nowait(None)
    await found.interval("ramp")
    swarm.answer(3, received=375)
    await found.interval("warm-up")
    [interval] = found.intervals
    assert (interval.start_s, interval.end_s, interval.bitrate_in_bps) == (0, 3, 1000)


async def test_the_last_interval_ends_with_the_window() -> None:
    swarm = SlowSwarm()
    found = sampling(swarm)
    swarm.answer(0)
    await found.interval("measuring")
    swarm.answer(1.4, received=125)
    await found.interval("measuring", until_ns=S)
    assert [(one.end_s, one.bitrate_in_bps) for one in found.intervals] == [(1, 1000)]


async def test_closing_abandons_a_snapshot_that_has_not_come() -> None:
    swarm = SlowSwarm()
    found = sampling(swarm)
    found.end_interval("ramp")
    await asyncio.sleep(0)
    pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    found.close()
    await asyncio.gather(*pending, return_exceptions=True)
    assert pending and all(task.cancelled() for task in pending)
    assert msgspec.json.encode(found.intervals) == b"[]"
