"""Readings during a run: figures of the swarm, use of both processes, the series of intervals."""

import asyncio
import os

import msgspec

from sfukit.errors import MachineError
from sfukit.loadgen.host import processes
from sfukit.loadgen.metrics.figures import Figures
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import UsageSample
from sfukit.loadgen.metrics.series import Counts, Reach, Series
from sfukit.loadgen.result.series import Interval, Phase
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.swarm.messages import Snapshot
from sfukit.swarm.native import Swarm

_NS_PER_S = 1_000_000_000


class Sampling:
    """What is read of swarm, server and machine."""

    def __init__(self, swarm: Swarm, opened: OpenedTarget, ledger: Ledger) -> None:
        self._swarm = swarm
        self._opened = opened
        self._ledger = ledger
        self._series = Series(1.0, 0)
        self._pending: asyncio.Task[None] | None = None

    @property
    def intervals(self) -> list[Interval]:
        """The intervals so far."""
        return self._series.intervals

    @property
    def next_ns(self) -> int:
        """The end of the interval that is open."""
        return self._series.next_ns

    def begin(self, interval_s: float, start_ns: int, *, histograms: bool = False) -> None:
        """Begin the series of intervals, which keep their histograms where asked for."""
        self._series = Series(interval_s, start_ns, histograms=histograms)

    def restart(self, figures: Figures, usage: UsageSample) -> None:
        """Begin the intervals of the window."""
        self._series.restart(Reach(figures, usage.swarm, usage.server))

    def end_interval(self, phase: Phase) -> None:
        """Complete an interval in the background, unless the last one is not complete yet."""
        if self._pending is None or self._pending.done():
            self._pending = asyncio.create_task(self.interval(phase))

    async def interval(self, phase: Phase, *, until_ns: int | None = None) -> None:
        """Complete an interval, at ``until_ns`` where the window has closed then.

        An overloaded swarm that does not respond leaves a longer interval.
        """
        try:
            figures = await self.figures(streams=False)
        except MachineError:
            return
        if until_ns is not None and figures.at_ns > until_ns:
            figures = msgspec.structs.replace(figures, at_ns=until_ns)
        swarm, server = self._processes()
        ledger = self._ledger
        counts = Counts(ledger.joined, ledger.failures, ledger.tracks)
        self._series.add(Reach(figures, swarm, server), phase, counts)

    async def settled(self) -> None:
        """Wait for an interval that is being completed."""
        if self._pending is not None:
            await self._pending

    def close(self) -> None:
        """Abandon an interval that is not complete."""
        if self._pending is not None:
            self._pending.cancel()

    async def figures(self, *, streams: bool, links: bool = False) -> Figures:
        """Return the figures of the swarm."""
        snapshot = Snapshot(bots=streams, links=links, traces=streams and links)
        return await self._swarm.request(snapshot, Figures)

    async def usage(self) -> UsageSample:
        """Return the use of both processes so far."""
        swarm, server = self._processes()
        busy_s = processes.busy_cores_s()
        opened = self._opened
        if opened.server is None:
            return UsageSample(swarm, server, None, busy_s)
        return UsageSample(swarm, server, await opened.server.traffic(opened.client), busy_s)

    def _processes(self) -> tuple[processes.Reading, processes.Reading | None]:
        at_s = self._swarm.now_ns() / _NS_PER_S
        swarm = processes.read(os.getpid(), at_s)
        assert swarm is not None
        pid = self._opened.described.pid
        return swarm, None if pid is None else processes.read(pid, at_s)
