"""The measurement by aiortc: join, wait for decoded frames, one sample per interval."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np

from sfukit.loadgen.latency.independent.connections import Publishing, Receiving
from sfukit.loadgen.latency.independent.frame_log import FrameLog
from sfukit.loadgen.latency.independent.participant import AiortcParticipant
from sfukit.loadgen.latency.independent.reading import Reading, read
from sfukit.loadgen.latency.measure import Observer
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.result import Sample
from sfukit.loadgen.metrics.histogram import metric_of_values
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.stopping import StoppedError, unless_stopped
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.loadgen.targets.base import JoinRefusedError, Session
from sfukit.loadgen.verdict.decision import TargetFault

_STEP_S = 0.02
_SETTLE_S = 1.5  # from the first decoded frame to the window: both ends have sent reports
_LEAVE_S = 5.0
_BITS = 8
_ROLES = ("publisher", "subscriber")


@dataclass
class Measured:
    """What aiortc measured; delays are in ms."""

    samples: list[Sample] = field(default_factory=list)
    network_ms: list[float] = field(default_factory=list)
    encode_ms: list[float] = field(default_factory=list)
    decoded_ms: list[float] = field(default_factory=list)
    late_ms: list[float] = field(default_factory=list)
    fault: TargetFault | None = None


class Measurement:
    """One measurement by aiortc against a target that is ready."""

    def __init__(
        self,
        options: LatencyOptions,
        plan: Plan,
        opened: OpenedTarget,
        observer: Observer,
        stop: asyncio.Event,
    ) -> None:
        self._options = options
        self._plan = plan
        self._opened = opened
        self._observer = observer
        self._stop = stop
        self._log = FrameLog()
        self._measured = Measured()
        self._participants: list[AiortcParticipant] = []
        self._sessions: list[Session] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self, loop_frames: list[np.ndarray]) -> Measured:
        """Join, wait for media, measure, leave."""
        self._tasks.append(asyncio.create_task(self._watch_loop()))
        try:
            if await self._joined(loop_frames) and await self._frames_arrive():
                await self._sample_window()
        finally:
            await self._leave()
        return self._measured

    async def _joined(self, loop_frames: list[np.ndarray]) -> bool:
        """Let the publisher join, then the subscriber."""
        late_ms = self._measured.late_ms
        for bot, role in zip(self._plan.bots, _ROLES, strict=True):
            participant = AiortcParticipant(self._plan, bot, self._log, loop_frames, late_ms)
            session = self._opened.target.session(participant)
            self._participants.append(participant)
            self._sessions.append(session)
            try:
                async with asyncio.timeout(self._options.run.join_timeout_s):
                    await unless_stopped(session.join(), self._stop)
                    self._tasks.append(asyncio.create_task(self._follow(session, role)))
                    if role == "publisher":
                        await self._until_connected(participant)
            except StoppedError:
                return False
            except JoinRefusedError as refused:
                text = f"aiortc, the {role} could not join: {refused.message} ({refused.code})"
                return self._fail(text, stated_by_target=True)
            except TimeoutError:
                limit_s = self._options.run.join_timeout_s
                return self._fail(f"aiortc, the {role} was not connected within {limit_s:.3g} s")
        return True

    async def _until_connected(self, participant: AiortcParticipant) -> None:
        while not self._ended() and not any(  # noqa: ASYNC110 - a fault ends it too
            one.connected for one in participant.connections if isinstance(one, Publishing)
        ):
            await asyncio.sleep(_STEP_S)

    async def _follow(self, session: Session, role: str) -> None:
        reason = await session.run()
        self._fail(f"aiortc, the target disconnected the {role}: {reason}", stated_by_target=True)

    async def _frames_arrive(self) -> bool:
        limit_s = self._options.run.join_timeout_s
        started_s = time.monotonic()
        while not self._ended():
            if self._log.frames_decoded:
                return await self._until(time.monotonic() + _SETTLE_S)
            if time.monotonic() - started_s > limit_s:
                return self._fail(f"aiortc decoded no frame within {limit_s:.3g} s")
            await asyncio.sleep(_STEP_S)
        return False

    async def _sample_window(self) -> None:
        measured = self._measured
        self._log.take()
        measured.late_ms.clear()
        start_s = due_s = time.monotonic()
        end_s = start_s + self._plan.options.duration_s
        before = await self._read()
        while due_s < end_s:
            due_s = min(due_s + self._options.interval_s, end_s)
            if not await self._until(due_s):
                return
            after = await self._read()
            sample = self._sample(before, after, start_s)
            measured.samples.append(sample)
            self._observer.sample(sample)
            before = after

    def _sample(self, before: Reading, after: Reading, start_s: float) -> Sample:
        """Return what happened between two readings."""
        delays = self._log.take()
        measured = self._measured
        measured.network_ms += delays.network
        measured.encode_ms += delays.encode
        measured.decoded_ms += delays.decoded
        network = metric_of_values(delays.network, "ms")
        wall_s = after.at_s - before.at_s
        received = after.packets_received - before.packets_received
        lost = after.packets_lost - before.packets_lost
        return Sample(
            at_s=after.at_s - start_s,
            frames=after.frames - before.frames,
            packets_received=received,
            packets_expected=received + lost,
            packets_lost_raw=lost,
            packets_lost_after_rtx=None,
            e2e_frame_ms=network.p50,
            e2e_frame_max_ms=network.max,
            rtt_pub_ms=after.rtt_pub_ms,
            rtt_sub_ms=None,
            sfu_residence_ms=None,
            jitter_ms=after.jitter_ms,
            bitrate_in=(after.bytes_received - before.bytes_received) * _BITS / wall_s,
            bitrate_out=(after.bytes_sent - before.bytes_sent) * _BITS / wall_s,
        )

    async def _read(self) -> Reading:
        connections = [one for each in self._participants for one in each.connections]
        publishing = [await one.stats() for one in connections if isinstance(one, Publishing)]
        received = [one.streams for one in connections if isinstance(one, Receiving)]
        return read(self._log, publishing, received, time.monotonic())

    async def _watch_loop(self) -> None:
        """Note how late the event loop is: packets and timers wait as long."""
        while True:
            due_s = time.monotonic() + _STEP_S
            await asyncio.sleep(_STEP_S)
            self._measured.late_ms.append(max(0.0, time.monotonic() - due_s) * 1000)

    async def _until(self, at_s: float) -> bool:
        while (left_s := at_s - time.monotonic()) > 0:
            if self._ended():
                return False
            await asyncio.sleep(min(_STEP_S, left_s))
        return not self._ended()

    def _ended(self) -> bool:
        server = self._opened.server
        if server is not None and server.ended:
            self._fail(server.ended, stated_by_target=True)
        lost = any(one.ended for each in self._participants for one in each.connections)
        if lost and self._measured.fault is None:
            self._fail("aiortc, a connection to the target was lost")
        return self._stop.is_set() or self._measured.fault is not None

    def _fail(self, text: str, *, stated_by_target: bool = False) -> bool:
        self._measured.fault = self._measured.fault or TargetFault(text, stated_by_target)
        return False

    async def _leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError):
            async with asyncio.timeout(_LEAVE_S):
                await asyncio.gather(*(one.leave() for one in self._sessions))
        for participant in self._participants:
            await participant.close()
