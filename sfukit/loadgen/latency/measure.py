"""The measurement: join, wait for media, then one sample per interval."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from sfukit.loadgen.bots.media_setup import planned_media, set_up
from sfukit.loadgen.conductor import Conductor
from sfukit.loadgen.latency import ends
from sfukit.loadgen.latency.clock_messages import State
from sfukit.loadgen.latency.options import MAX_SAMPLES, LatencyOptions
from sfukit.loadgen.latency.peer import Peer
from sfukit.loadgen.latency.result import Clock, Sample
from sfukit.loadgen.latency.samples import Sampler
from sfukit.loadgen.metrics.figures import Figures
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.loadgen.targets.base import FaultyTarget
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.swarm.messages import Snapshot, Window
from sfukit.swarm.native import Swarm

_NS_PER_S = 1_000_000_000
_STEP_S = 0.02
_SETTLE_S = 1.0  # from the first frame to the window: the first sender reports are sent meanwhile
_MAX_SILENCE_S = 5.0
_EXIT_S = 1.0  # from the end of a process to the report of its exit


class Observer(Protocol):
    """The receiver of lines and samples."""

    def report(self, label: str, text: str) -> None:
        """Receive a line about the run."""

    def sample(self, sample: Sample) -> None:
        """Receive the sample of an interval."""


@dataclass
class Measured:
    """What was measured; ``first`` and ``last`` are None before the window."""

    samples: list[Sample] = field(default_factory=list)
    first: Figures | None = None
    last: Figures | None = None
    clock: Clock | None = None
    fault: TargetFault | None = None
    interrupted: bool = False


class Measurement:
    """One measurement against a target that is ready."""

    def __init__(
        self,
        options: LatencyOptions,
        plan: Plan,
        opened: OpenedTarget,
        swarm: Swarm,
        peer: Peer,
        observer: Observer,
        stop: asyncio.Event,
    ) -> None:
        self.ledger = Ledger(plan)
        self._options = options
        self._plan = plan
        self._opened = opened
        self._swarm = swarm
        self._peer = peer
        self._observer = observer
        self._stop = stop
        self._bots = ends.bots(plan, options.ends)
        self._publisher, self._subscriber = ends.swarm_ids(plan, options.ends)
        self._media = planned_media(plan, options.run)
        self._conductor = Conductor(
            plan,
            opened.target,
            swarm,
            self.ledger,
            self._media,
            options.run.join_timeout_s,
            self._bots,
        )
        self._measured = Measured()
        self._dropped_ns = 0

    async def run(self) -> Measured:
        """Join, wait for media, measure, leave."""
        set_up(self._swarm, self._plan, self._media, self.ledger)
        try:
            if await self._both_ends_ready():
                await self._sample_window()
        finally:
            await self._conductor.leave()
            await self._peer.close()
        measured = self._measured
        measured.fault = measured.fault or self._raised()
        measured.interrupted = self._stop.is_set()
        if not (measured.samples or measured.fault or measured.interrupted):
            measured.fault = TargetFault("the other end stopped before the window", False)
        bounds = [one.clock_uncertainty_ms or 0.0 for one in measured.samples]
        early = measured.last.totals.frames_early if measured.last is not None else 0
        measured.clock = self._peer.clock(max(bounds, default=0.0), early)
        return measured

    async def _both_ends_ready(self) -> bool:
        """Join and wait for media, in the order that the other end requires."""
        if not await self._wait(lambda: self._peer.may_join):
            return False
        joining = asyncio.create_task(self._conductor.follow(self._swarm.now_ns()))
        try:
            arrives = await self._media_arrives()
        finally:
            joining.cancel()
        self._peer.tell(State.MEDIA if arrives else State.ENDED)
        return arrives and await self._wait(lambda: self._peer.may_measure)

    async def _wait(self, ready: Callable[[], bool]) -> bool:
        """Wait until the other end is ready; return False where the measurement ends before."""
        while not self._ended():
            if ready():
                return True
            await asyncio.sleep(_STEP_S)
        return False

    async def _media_arrives(self) -> bool:
        """Wait until all ends are connected and the first frame has arrived."""
        limit_s = self._options.run.join_timeout_s
        joined_ns: int | None = None
        while not self._ended():
            self._conductor.fail_overdue()
            if self.ledger.joined == len(self._bots):
                joined_ns = joined_ns or self._swarm.now_ns()
                if self._subscriber is None or self.ledger.tracks:
                    return True
                if self._swarm.now_ns() - joined_ns > limit_s * _NS_PER_S:
                    self._measured.fault = self._silent(limit_s)
            await asyncio.sleep(_STEP_S)
        return False

    async def _sample_window(self) -> None:
        """Take one sample per interval until the end of the window."""
        start_ns = self._swarm.now_ns() + round(_SETTLE_S * _NS_PER_S)
        end_ns = start_ns + round(self._window_s() * _NS_PER_S)
        self._swarm.send([Window(start_ns=start_ns, end_ns=end_ns)])
        if not await self._until(start_ns):
            return
        measured = self._measured
        measured.first = measured.last = await self._figures()
        sampler = Sampler(measured.first, self._publisher, self._subscriber, self._peer)
        step_ns = round(self._options.interval_s * _NS_PER_S)
        due_ns = start_ns
        while due_ns < end_ns:
            began_ns, due_ns = due_ns, min(due_ns + step_ns, end_ns)
            reached = await self._until(due_ns)
            measured.last = await self._figures()
            # the rates of an interval that ended early say little
            if reached or measured.last.at_ns - began_ns > step_ns / 2:
                sample = sampler.sample(measured.last)
                measured.samples.append(sample)
                self._observer.sample(sample)
                self._peer.tell(State.MEDIA, sample.rtt_pub_ms)
            if not reached:
                return
            self._check_silence()

    def _window_s(self) -> float:
        """Return the window: that of a publisher ends with the window of the subscriber."""
        if self._options.ends == "publish":
            return MAX_SAMPLES * self._options.interval_s
        return self._plan.options.duration_s

    async def _until(self, at_ns: int) -> bool:
        """Wait until an instant; return False where the measurement ends before."""
        while (left_s := (at_ns - self._swarm.now_ns()) / _NS_PER_S) > 0:
            if self._ended() or self._peer.finished:
                return False
            await asyncio.sleep(min(_STEP_S, left_s))
        return not self._ended()

    def _ended(self) -> bool:
        """Return whether the measurement has to end: interrupted, or the target is not usable."""
        if self._stop.is_set() or self._measured.fault is not None:
            return True
        self._measured.fault = self._fault() or self._peer.fault
        return self._measured.fault is not None

    def _fault(self) -> TargetFault | None:
        server, ledger = self._opened.server, self.ledger
        if server is not None and server.ended:
            return TargetFault(server.ended, stated_by_target=True)
        if raised := self._raised():
            return raised
        if ledger.failures:
            worst = ledger.faults[0]
            text = f"the {self._role(worst.first)} could not join: {worst.message} ({worst.code})"
            if worst.code.startswith("token_"):
                text += "; give --token, or --api-key and --api-secret"
            else:
                text += "; sfukit check names the step that fails"
            return TargetFault(text, stated_by_target=ledger.refused > 0)
        if ledger.dropped is not None and self._server_lives():
            role = next(one.bot for one in ledger.join_records.values() if one.lost)
            text = f"the target disconnected the {_ROLES[role.index]}: {ledger.most_common_loss}"
            return TargetFault(text, stated_by_target=True)
        return None

    def _raised(self) -> TargetFault | None:
        """Return what a plug-in raised."""
        target = self._opened.target
        if not isinstance(target, FaultyTarget) or target.fault is None:
            return None
        return TargetFault(target.fault, stated_by_target=True)

    def _server_lives(self) -> bool:
        """Return whether a disconnect is no sign of the end of a private server.

        Its connections are closed before its exit is known.
        """
        if self._opened.server is None:
            return True
        self._dropped_ns = self._dropped_ns or self._swarm.now_ns()
        return self._swarm.now_ns() - self._dropped_ns > _EXIT_S * _NS_PER_S

    def _role(self, label: str) -> str:
        return next(
            (_ROLES[bot.index] for bot in self._bots if self.ledger.label(bot) == label), ""
        )

    def _silent(self, silent_s: float) -> TargetFault:
        """Return the fault of a target that sends no media."""
        received = self.ledger.expected
        what = (
            "no keyframe of the subscribed track arrived"
            if received
            else "the target offered no track to the subscriber"
        )
        text = f"no media: both ends are connected, but {what} within {silent_s:.3g} s"
        return TargetFault(text, stated_by_target=False)

    def _check_silence(self) -> None:
        """Note the fault of a target that stopped to send media."""
        if self._subscriber is None:
            return
        silent_s = 0.0
        for sample in reversed(self._measured.samples):
            if sample.packets_received:
                break
            silent_s += self._options.interval_s
        if silent_s >= _MAX_SILENCE_S:
            text = f"media stopped: no packet arrived for {silent_s:.3g} s"
            self._measured.fault = TargetFault(text, stated_by_target=False)

    async def _figures(self) -> Figures:
        return await self._swarm.request(Snapshot(bots=True), Figures)


_ROLES = ("publisher", "subscriber")
