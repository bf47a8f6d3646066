"""The phases of a run: ramp, warm-up, measured window, end; and the CPU use of both sides."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

from sfukit.loadgen.abort import GateWatch
from sfukit.loadgen.bots.media_setup import planned_media, set_up
from sfukit.loadgen.conductor import Conductor
from sfukit.loadgen.decode_sample import Sample
from sfukit.loadgen.metrics import scoped
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.metrics.series import interval_s
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result.series import Interval, Phase
from sfukit.loadgen.rfc8867 import load
from sfukit.loadgen.rfc8867.sampler import PathSampler, Reading
from sfukit.loadgen.sampling import Sampling
from sfukit.loadgen.scenario import Plan, Window
from sfukit.loadgen.shards import start
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.loadgen.targets.base import FaultyTarget
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.swarm.messages import Command
from sfukit.swarm.messages import Window as SetWindow
from sfukit.swarm.native import Swarm

_NS_PER_S = 1_000_000_000
_LEAD_S = 0.05
_STEP_S = 0.25
_WINDOW_LEAD_S = 0.25  # from the command to open the window until it opens
_MIN_MEDIA_TIMEOUT_S = 5.0  # after the ramp, however short the warm-up


@dataclass(frozen=True)
class Progress:
    """The progress of a run."""

    phase: Phase
    elapsed_s: float
    total_s: float
    clients: int
    joined: int
    failed: int
    tracks: int
    planned_tracks: int
    intervals: Sequence[Interval] = ()
    stage: int = 1  # of ``stages``
    stages: int = 1


def summed(shards: Sequence[Progress]) -> Progress:
    """Add up the counts of shards; phase and time are those of the one that is furthest back."""
    last = min(shards, key=lambda one: one.elapsed_s)
    return replace(
        last,
        total_s=max(one.total_s for one in shards),
        clients=sum(one.clients for one in shards),
        joined=sum(one.joined for one in shards),
        failed=sum(one.failed for one in shards),
        tracks=sum(one.tracks for one in shards),
        planned_tracks=sum(one.planned_tracks for one in shards),
        intervals=(),
    )


class Observer(Protocol):
    """The receiver of lines and progress."""

    def report(self, label: str, text: str) -> None:
        """Receive a line about the run."""

    def progress(self, progress: Progress) -> None:
        """Receive the progress, a few times a second."""


class Timeline:
    """The run against a target that is ready."""

    def __init__(
        self,
        options: RunOptions,
        plan: Plan,
        opened: OpenedTarget,
        swarm: Swarm,
        observer: Observer,
        stop: asyncio.Event,
        sample_in: Path | None = None,
    ) -> None:
        self.ledger = Ledger(plan)
        self.started_s: float | None = None
        self._options = options
        self._plan = plan
        self._opened = opened
        self._swarm = swarm
        self._observer = observer
        self._stop = stop
        self._media_timeout_s = max(plan.options.warmup_s, _MIN_MEDIA_TIMEOUT_S)
        self._media = planned_media(plan, options)
        self._conductor = Conductor(
            plan,
            opened.target,
            swarm,
            self.ledger,
            self._media,
            options.join_timeout_s,
            retries=options.retries,
        )
        self._sampling = Sampling(swarm, opened, self.ledger)
        self.sample = Sample(swarm, self.ledger, sample_in) if sample_in else None
        self._watch: GateWatch | None = None
        if options.abort_after_s is not None:
            self._watch = GateWatch(scoped.applied_gates(plan, options), options.abort_after_s)
        self._aborted: str | None = None
        self._running: list[asyncio.Task[None]] = []
        self._paths = PathSampler(swarm)
        self._start_ns = 0
        self._window = plan.windows[0]

    @property
    def readings(self) -> Sequence[Reading]:
        """The readings of the paths of a test case."""
        return self._paths.readings

    @property
    def start_ns(self) -> int:
        """The first scheduled join, in nanoseconds of the swarm's clock."""
        return self._start_ns

    @property
    def intervals(self) -> Sequence[Interval]:
        """The intervals of the run so far."""
        return self._sampling.intervals

    async def run(self) -> list[WindowResult]:
        """Join, and measure each window after its ramp and warm-up; then leave."""
        set_up(self._swarm, self._plan, self._media, self.ledger)
        lead_s = max(_LEAD_S, start.left_s(self._options.start_at_s))
        self._start_ns = self._swarm.now_ns() + round(lead_s * _NS_PER_S)
        self.started_s = time.time() + lead_s
        flows: list[Command] = [*load.tcp_flows(self._plan, self._start_ns)]
        self._swarm.send(flows)
        self._sampling.begin(
            interval_s(self._options.interval_s, self._plan.total_s),
            self._start_ns,
            histograms=self._options.shard is not None,
        )
        self._running = [
            asyncio.create_task(self._conductor.follow(self._start_ns)),
            asyncio.create_task(self._conductor.switch_speakers(self._start_ns)),
            asyncio.create_task(self._conductor.change_addresses(self._start_ns)),
            asyncio.create_task(self._conductor.follow_phases(self._start_ns)),
            asyncio.create_task(self._conductor.follow_pauses(self._start_ns)),
            asyncio.create_task(self._conductor.follow_estimates()),
        ]
        if self._plan.options.rfc8867 is not None:
            window = self._plan.windows[0]
            self._running.append(
                asyncio.create_task(
                    self._paths.follow(self._start_ns, window.start_s, window.end_s)
                )
            )
        results: list[WindowResult] = []
        try:
            for window in self._plan.windows:
                results.append(await self._measure(window))
                if results[-1].ended_early:
                    break
        finally:
            self._sampling.close()
            if self.sample is not None:
                await self.sample.close()
            for task in self._running:
                task.cancel()
            await self._conductor.leave()
        return self._with_late_fault(results)

    def _with_late_fault(self, results: list[WindowResult]) -> list[WindowResult]:
        """Return the results with the fault of a plug-in that raised while leaving."""
        target = self._opened.target
        if not (isinstance(target, FaultyTarget) and target.fault) or results[-1].target_fault:
            return results
        fault = TargetFault(target.fault, stated_by_target=True)
        return [*results[:-1], replace(results[-1], target_fault=fault)]

    async def _measure(self, window: Window) -> WindowResult:
        """Return the figures of one window; without them where the run ends before it."""
        self._window = window
        if self._watch is not None:
            self._watch.reset()
        start_ns, end_ns = (
            self._start_ns + round(at_s * _NS_PER_S) for at_s in (window.start_s, window.end_s)
        )
        sampling = self._sampling
        first = await sampling.usage()
        fault = await self._until_before(start_ns)
        self._swarm.send([SetWindow(start_ns=start_ns, end_ns=end_ns)])
        fault = fault or await self._until(start_ns, intervals=False)
        before = after = await sampling.usage()
        figures_before = await sampling.figures(streams=False, links=True)
        sampling.restart(figures_before, before)
        if self.sample is not None:
            self.sample.begin()
        result = WindowResult(
            first=first,
            before=before,
            after=before,
            figures_before=figures_before,
            figures=figures_before,
            target_fault=fault,
            interrupted=False,
        )
        if fault is None and not self._stop.is_set():
            fault = await self._until(end_ns, begun=result)
            after = await sampling.usage()
            await sampling.settled()
            await sampling.interval("measuring", until_ns=end_ns)
        if self.sample is not None:
            await self.sample.end(end_ns)
        figures = await sampling.figures(streams=True, links=True)
        if fault is None and not self._stop.is_set():
            self.ledger.window_ended(self._swarm.now_ns())
        return replace(
            result,
            after=after,
            figures=figures,
            target_fault=fault,
            interrupted=self._stop.is_set(),
            aborted=self._aborted,
        )

    async def _until_before(self, window_ns: int) -> TargetFault | None:
        """Run until a window has to be set.

        Before the first one figures count since the start. Between two windows they stand, so
        there are no intervals.
        """
        is_first = self._window is self._plan.windows[0]
        lead_ns = round(_WINDOW_LEAD_S * _NS_PER_S)
        fault = await self._until(window_ns - lead_ns, intervals=is_first)
        if is_first:
            await self._sampling.settled()
            await self._sampling.interval(self._progress_at(self._swarm.now_ns()).phase)
        return fault

    async def _judge(self, begun: WindowResult, now_s: float) -> None:
        """Judge the gates on a window so far; set the reason where the run has to end."""
        if self._watch is None or not self._watch.due(now_s):
            return
        so_far = replace(
            begun,
            after=await self._sampling.usage(),
            figures=await self._sampling.figures(streams=True),
        )
        judged = self._watch.judge(self._plan, self.ledger, so_far, self._window)
        self._aborted = self._watch.reason(now_s, judged)

    async def without_bots(self, fault: TargetFault | None) -> list[WindowResult]:
        """Return the empty result of a run that no bot joined: a faulty target, or stopped."""
        sample = await self._sampling.usage()
        figures = await self._sampling.figures(streams=True)
        result = WindowResult(
            first=sample,
            before=sample,
            after=sample,
            figures_before=figures,
            figures=figures,
            target_fault=fault,
            interrupted=self._stop.is_set(),
        )
        return [result]

    async def _until(
        self, end_ns: int, begun: WindowResult | None = None, *, intervals: bool = True
    ) -> TargetFault | None:
        """Run until an instant; return early on stop, or with the fault of the target.

        ``begun`` is the window being measured; its gates may end the run early.
        """
        while (now_ns := self._swarm.now_ns()) < end_ns and not self._stop.is_set():
            for task in self._running:
                if task.done():
                    task.result()  # raises what ended it: the load would be another than planned
            self._conductor.fail_overdue()
            fault = self._fault((now_ns - self._start_ns) / _NS_PER_S)
            if fault is not None:
                return fault
            if begun is not None:
                await self._judge(begun, now_ns / _NS_PER_S)
            if self._aborted is not None:
                return None
            progress = self._progress_at(now_ns)
            if intervals and now_ns >= self._sampling.next_ns:
                self._sampling.end_interval(progress.phase)
            self._observer.progress(progress)
            step_s = min(_STEP_S, (end_ns - now_ns) / _NS_PER_S)
            try:
                async with asyncio.timeout(step_s):
                    await self._stop.wait()
            except TimeoutError:
                continue
        return None

    def _fault(self, elapsed_s: float) -> TargetFault | None:
        server = self._opened.server
        if server is not None and server.ended:
            return TargetFault(server.ended, stated_by_target=True)
        fault = self._conductor.target_fault()
        if fault is not None:
            return fault
        silent_s = elapsed_s - self._plan.ramp.span_s
        if self._plan.tracks and not self.ledger.tracks and silent_s > self._media_timeout_s:
            joined = self.ledger.joined
            text = f"no media: {joined} clients joined, no packet received within {silent_s:.0f} s"
            return TargetFault(text, stated_by_target=False)
        return None

    @cached_property
    def _tracks_planned(self) -> list[int]:
        """The tracks that should have arrived at the end of each window."""
        plan = self._plan
        numbers = range(1, len(plan.windows) + 1)
        return [len(plan.views.expected(plan.windows[:number])) for number in numbers]

    def _progress_at(self, now_ns: int) -> Progress:
        elapsed_s = (now_ns - self._start_ns) / _NS_PER_S
        options, plan, ledger = self._plan.options, self._plan, self.ledger
        window = self._window
        number = plan.windows.index(window) + 1
        phase: Phase = "measuring"
        if elapsed_s < window.start_s:
            settling_s = window.start_s - elapsed_s
            phase = "ramp" if settling_s > options.warmup_s else "warm-up"
        return Progress(
            phase,
            max(0.0, elapsed_s),
            plan.total_s,
            plan.own_clients(window),
            ledger.present,
            ledger.failures,
            ledger.tracks,
            self._tracks_planned[number - 1],
            self._sampling.intervals,
            number,
            len(plan.windows),
        )
