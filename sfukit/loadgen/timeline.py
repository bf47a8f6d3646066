"""The phases of a run: ramp, warm-up, measured window, end; and the CPU use of both sides."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from sfukit.loadgen.bot_session import Media
from sfukit.loadgen.conductor import Conductor, clip_ids
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.measured import WindowResult
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result_series import Interval, Phase
from sfukit.loadgen.sampling import Sampling
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.series import interval_s
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.loadgen.verdict import TargetFault
from sfukit.media import cache, catalog
from sfukit.swarm.messages import LoadClip, Window
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
    ) -> None:
        self.ledger = Ledger(plan)
        self._options = options
        self._plan = plan
        self._opened = opened
        self._swarm = swarm
        self._observer = observer
        self._stop = stop
        self._media_timeout_s = max(plan.options.warmup_s, _MIN_MEDIA_TIMEOUT_S)
        self._media = Media(
            clips=clip_ids(plan),
            pacing=options.pacing,
            pli_policy=options.pli_policy,
            unwatched=options.unwatched,
            ssrc_base=(plan.options.seed * 2_654_435_761) & 0x7FFFFFF0,
        )
        self._conductor = Conductor(
            plan, opened.target, swarm, self.ledger, self._media, options.join_timeout_s
        )
        self._sampling = Sampling(swarm, opened, self.ledger)
        self._start_ns = 0

    async def run(self) -> WindowResult:
        """Join, warm up, measure, leave."""
        self._swarm.listen(
            self.ledger.on_event,
            lambda command, error: self.ledger.fault(
                f"swarm_{error.code}", f"{type(command).__name__}: {error.message}"
            ),
        )
        self._load_clips()
        self._start_ns = self._swarm.now_ns() + round(_LEAD_S * _NS_PER_S)
        options = self._plan.options
        window_ns = self._start_ns + round((self._plan.ramp.span_s + options.warmup_s) * _NS_PER_S)
        end_ns = window_ns + round(options.duration_s * _NS_PER_S)
        self._sampling.begin(
            interval_s(self._options.interval_s, self._plan.total_s), self._start_ns
        )
        ramp = asyncio.create_task(self._conductor.ramp(self._start_ns))
        first = await self._sampling.usage()
        try:
            fault = await self._until(window_ns - round(_WINDOW_LEAD_S * _NS_PER_S))
            # until the window is set, figures count since the start
            await self._sampling.settled()
            await self._sampling.interval(self._progress_at(self._swarm.now_ns()).phase)
            self._swarm.send([Window(start_ns=window_ns, end_ns=end_ns)])
            fault = fault or await self._until(window_ns, intervals=False)
            before = after = await self._sampling.usage()
            figures_before = await self._sampling.figures(streams=False)
            self._sampling.restart(figures_before, before)
            if fault is None and not self._stop.is_set():
                fault = await self._until(end_ns)
                after = await self._sampling.usage()
                await self._sampling.settled()
                await self._sampling.interval("measuring", until_ns=end_ns)
            figures = await self._sampling.figures(streams=True)
        finally:
            self._sampling.close()
            ramp.cancel()
            await self._conductor.leave()
        return WindowResult(
            first=first,
            before=before,
            after=after,
            figures_before=figures_before,
            figures=figures,
            intervals=self._sampling.intervals,
            target_fault=fault,
            interrupted=self._stop.is_set(),
        )

    async def refused(self, fault: TargetFault) -> WindowResult:
        """Return the empty result of a target that no bot joined."""
        sample = await self._sampling.usage()
        figures = await self._sampling.figures(streams=True)
        return WindowResult(
            first=sample,
            before=sample,
            after=sample,
            figures_before=figures,
            figures=figures,
            target_fault=fault,
            interrupted=False,
        )

    def _load_clips(self) -> None:
        clips = self._media.clips
        codec = self._plan.options.codec
        commands = [
            LoadClip(clip=clips[encoding.rid], path=str(cache.video_clip(codec, encoding.clip)))
            for encoding in self._plan.encodings
        ]
        commands.append(LoadClip(clip=clips["audio"], path=str(catalog.audio_clip())))
        self._swarm.send(commands)

    async def _until(self, end_ns: int, *, intervals: bool = True) -> TargetFault | None:
        """Run until an instant; return early on stop, or with the fault of the target."""
        while (now_ns := self._swarm.now_ns()) < end_ns and not self._stop.is_set():
            self._conductor.fail_overdue()
            fault = self._fault((now_ns - self._start_ns) / _NS_PER_S)
            if fault is not None:
                return fault
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

    def _progress_at(self, now_ns: int) -> Progress:
        elapsed_s = (now_ns - self._start_ns) / _NS_PER_S
        options, plan, ledger = self._plan.options, self._plan, self.ledger
        phase: Phase = "measuring"
        if elapsed_s < plan.ramp.span_s:
            phase = "ramp"
        elif elapsed_s < plan.ramp.span_s + options.warmup_s:
            phase = "warm-up"
        return Progress(
            phase,
            max(0.0, elapsed_s),
            plan.total_s,
            len(plan.bots),
            ledger.joined,
            ledger.failures,
            ledger.tracks,
            plan.tracks,
            self._sampling.intervals,
        )
