"""Bring the bots in by the ramp, keep an eye on them, send them home."""

import asyncio
from collections.abc import Mapping

from sfukit.loadgen.ledger import RATE_LIMITED, TRANSPORT_LOST, Ledger
from sfukit.loadgen.scenario import Bot, Plan
from sfukit.loadgen.seat import Media, Seat
from sfukit.loadgen.targets.base import JoinRefusedError, Session, Target
from sfukit.loadgen.verdict import TargetFault
from sfukit.swarm.native import Swarm

_NS_PER_S = 1_000_000_000
_LEAVE_S = 5.0
_LEAVE_AT_ONCE = 100  # goodbyes under way at a time


class Conductor:
    """All bots of a run."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        swarm: Swarm,
        ledger: Ledger,
        media: Media,
        join_timeout_s: float,
    ) -> None:
        self._plan = plan
        self._target = target
        self._swarm = swarm
        self._ledger = ledger
        self._media = media
        self._join_timeout_s = join_timeout_s
        self._seats: list[tuple[Seat, Session]] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ramp(self, start_ns: int) -> None:
        """Start the join of each bot when it is due; a late start changes no schedule."""
        ramp, bots = self._plan.ramp, self._plan.bots
        started = 0
        while started < len(bots):
            due = ramp.tick((self._swarm.now_ns() - start_ns) / _NS_PER_S)
            for bot in bots[started:due]:
                scheduled_ns = start_ns + round(ramp.due_s(bot.index) * _NS_PER_S)
                self._spawn(bot, scheduled_ns)
            started = max(started, due)
            if started < len(bots):
                next_ns = start_ns + round(ramp.due_s(started) * _NS_PER_S)
                await asyncio.sleep(max(0.0, (next_ns - self._swarm.now_ns()) / _NS_PER_S))

    def note_overdue(self) -> None:
        """Give up joins whose transport did not come up in time."""
        now_ns = self._swarm.now_ns()
        for one in self._ledger.attendance.values():
            overdue = now_ns - one.scheduled_ns > self._join_timeout_s * _NS_PER_S
            if overdue and not one.settled and one.signalled_ns is not None:
                self._ledger.failed(
                    one.bot,
                    "connect_timeout",
                    f"accepted, but ICE and DTLS were not done after {self._join_timeout_s:.3g} s: "
                    "is the target's media port reachable over UDP?",
                )

    def target_fault(self) -> TargetFault | None:
        """Say why going on makes no sense, or None while it does."""
        ledger, planned = self._ledger, len(self._plan.bots)
        if ledger.failures == planned:
            worst = ledger.faults[0]
            text = f"nobody could join: {worst.message} ({worst.code})"
            if worst.code.startswith("token_"):
                text += "; give --token, or --api-key and --api-secret"
            elif worst.code == RATE_LIMITED:
                text += "; give a slower --ramp, or raise the target's limits"
            return TargetFault(text, spoken=ledger.refused == planned)
        if ledger.dropped is not None and ledger.still_there * 2 < ledger.joined:
            spoken = not ledger.usual_loss.startswith(TRANSPORT_LOST)
            return TargetFault(ledger.dropped, spoken=spoken)
        return None

    async def leave(self) -> None:
        """Let everyone say goodbye, for a few seconds at most."""
        for one in self._ledger.attendance.values():
            one.left = True
        for task in self._tasks:
            task.cancel()
        gate = asyncio.Semaphore(_LEAVE_AT_ONCE)

        async def goodbye(seat: Seat, session: Session) -> None:
            async with gate:
                await session.leave()
                seat.leave()

        goodbyes = [asyncio.create_task(goodbye(*one)) for one in self._seats]
        if goodbyes:
            _, late = await asyncio.wait(goodbyes, timeout=_LEAVE_S)
            for task in late:
                task.cancel()
        await asyncio.gather(*self._tasks, *goodbyes, return_exceptions=True)

    def _spawn(self, bot: Bot, scheduled_ns: int) -> None:
        seat = Seat(self._plan, bot, self._swarm, self._ledger, self._media)
        seat.take(scheduled_ns)
        session = self._target.session(seat)
        self._seats.append((seat, session))
        task = asyncio.create_task(self._attend(bot, session))
        self._tasks.add(task)

    async def _attend(self, bot: Bot, session: Session) -> None:
        """See one bot through; whatever goes wrong is told of this bot alone."""
        try:
            async with asyncio.timeout(self._join_timeout_s):
                await session.join()
        except JoinRefusedError as refused:
            self._ledger.failed(bot, refused.code, refused.message)
            return
        except TimeoutError:
            self._note_late(bot)
            return
        self._ledger.lost(bot, await session.stay())

    def _note_late(self, bot: Bot) -> None:
        within = f"within {self._join_timeout_s:.3g} s"
        attendance = self._ledger.attendance[bot.index]
        if attendance.waits:
            times = attendance.refused_by_limit
            self._ledger.failed(
                bot,
                RATE_LIMITED,
                f"refused by the target's rate limit {times} times {within}: its policy, not loss",
            )
            return
        self._ledger.failed(bot, "join_timeout", f"the target did not answer the join {within}")


def clip_ids(plan: Plan) -> Mapping[str, int]:
    """Number the clips: one for each encoding by its rid, and ``audio``."""
    names = [encoding.rid for encoding in plan.encodings] + ["audio"]
    return {name: number for number, name in enumerate(names, 1)}
