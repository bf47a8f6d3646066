"""Start the sessions of all bots when they are due, supervise them, end them."""

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from sfukit.loadgen import estimates
from sfukit.loadgen.bots import joining
from sfukit.loadgen.bots.joining import Failure
from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.metrics.ledger import RATE_LIMITED, TRANSPORT_LOST, JoinRecord, Ledger
from sfukit.loadgen.scenario import Bot, Plan
from sfukit.loadgen.targets.base import FaultyTarget, RearrangingSession, Session, Target
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.swarm.native import Swarm

_NS_PER_S = 1_000_000_000
_LEAVE_S = 5.0
_MAX_LEAVING = 100  # sessions ended at a time
_LAYOUT_FIXED = "--speaker-switch: the signaling of this target cannot change what is received"


class _Running(NamedTuple):
    """The session of one bot, and the task that runs it."""

    bot_session: BotSession
    session: Session
    task: asyncio.Task[None]

    async def leave(self) -> None:
        """End the session and its transports."""
        await self.session.leave()
        self.bot_session.leave()


class Conductor:
    """The sessions of all bots."""

    def __init__(
        self,
        plan: Plan,
        target: Target,
        swarm: Swarm,
        ledger: Ledger,
        media: Media,
        join_timeout_s: float,
        bots: Sequence[Bot] | None = None,
        *,
        retries: int = 0,
    ) -> None:
        """Create the conductor of ``bots``, by default of those of this process."""
        self._plan = plan
        self._target = target
        self._swarm = swarm
        self._ledger = ledger
        self._media = media
        self._join_timeout_s = join_timeout_s
        self._retries = retries
        first = plan.windows[0]
        self._first = plan.own_clients(first) if bots is None else min(len(bots), first.clients)
        self._changes = [
            change
            for change in plan.attendance.changes
            if (plan.is_own(change.bot) if bots is None else change.bot in bots)
        ]
        self._running: dict[int, _Running] = {}
        self._leaving: set[asyncio.Task[None]] = set()

    async def follow(self, start_ns: int) -> None:
        """Let each bot join and leave when it is due; a late start does not shift the others."""
        for change in self._changes:
            due_ns = start_ns + round(change.at_s * _NS_PER_S)
            await asyncio.sleep(max(0.0, (due_ns - self._swarm.now_ns()) / _NS_PER_S))
            if change.joins:
                self._spawn(change.bot, due_ns, change.at_s)
            else:
                self._end(change.bot)

    async def switch_speakers(self, start_ns: int) -> None:
        """Let the clients of a room see another speaker large whenever one is due."""
        for at_s, room in self._plan.views.changes():
            due_ns = start_ns + round(at_s * _NS_PER_S)
            await asyncio.sleep(max(0.0, (due_ns - self._swarm.now_ns()) / _NS_PER_S))
            here = [one for one in self._running.values() if one.bot_session.bot.room == room.index]
            await asyncio.gather(*(self._rearrange(one, at_s) for one in here))

    async def change_addresses(self, start_ns: int) -> None:
        """Let each client continue from another local address whenever that is due."""
        for one in self._plan.handovers:
            due_ns = start_ns + round(one.at_s * _NS_PER_S)
            await asyncio.sleep(max(0.0, (due_ns - self._swarm.now_ns()) / _NS_PER_S))
            running = self._running.get(one.bot.index)
            if running is not None and self._ledger.is_connected(one.bot):
                running.bot_session.change_address()

    async def follow_phases(self, start_ns: int) -> None:
        """Change the networks of the impaired clients whenever a phase begins."""
        for at_s in sorted({phase.at_s for phase in self._plan.options.phases}):
            due_ns = start_ns + round(at_s * _NS_PER_S)
            await asyncio.sleep(max(0.0, (due_ns - self._swarm.now_ns()) / _NS_PER_S))
            here = (one.bot_session for one in self._running.values())
            self._swarm.send([one.enter_phase(at_s) for one in here if one.bot.impaired])

    async def follow_pauses(self, start_ns: int) -> None:
        """Let the clients of paused groups see nothing for that time."""
        changes = sorted(
            (at_s, bot.slot)
            for bot in self._plan.own_slots
            if bot.group is not None
            for at_s in bot.group.paused_s or ()
        )
        for at_s, slot in changes:
            due_ns = start_ns + round(at_s * _NS_PER_S)
            await asyncio.sleep(max(0.0, (due_ns - self._swarm.now_ns()) / _NS_PER_S))
            here = [one for one in self._running.values() if one.bot_session.bot.slot == slot]
            await asyncio.gather(*(self._rearrange(one, at_s) for one in here))

    async def follow_estimates(self) -> None:
        """Record the target's estimates of traced downlinks."""
        await estimates.follow(
            self._plan,
            self._swarm,
            self._ledger,
            lambda: [(one.bot_session.bot, one.session) for one in self._running.values()],
        )

    async def _rearrange(self, running: _Running, at_s: float) -> None:
        group = running.bot_session.bot.group
        paused_s = group.paused_s if group is not None else None
        if paused_s is not None and paused_s[0] <= at_s < paused_s[1]:
            running.bot_session.pause()
        else:
            running.bot_session.rearrange(at_s)
        if isinstance(running.session, RearrangingSession):
            await running.session.rearrange(running.bot_session.subscriptions)
        else:
            running.bot_session.fault("layout_fixed", _LAYOUT_FIXED)

    def fail_overdue(self) -> None:
        """Fail the joins whose transport was not connected in time."""
        now_ns = self._swarm.now_ns()
        for one in self._ledger.join_records.values():
            overdue = now_ns - one.attempted_ns > self._join_timeout_s * _NS_PER_S
            if overdue and not one.settled and not one.left and one.signalled_ns is not None:
                self._ledger.failed(
                    one.bot,
                    "connect_timeout",
                    f"accepted, but ICE and DTLS were not done after {self._join_timeout_s:.3g} s: "
                    "is the target's media port reachable over UDP?",
                )

    def target_fault(self) -> TargetFault | None:
        """Return why the run has to end; None while it can continue."""
        if isinstance(self._target, FaultyTarget) and self._target.fault is not None:
            return TargetFault(self._target.fault, stated_by_target=True)
        ledger = self._ledger
        scheduled = len(ledger.join_records)
        if ledger.failures == scheduled >= max(1, self._first):
            worst = ledger.faults[0]
            text = f"no client could join: {worst.message} ({worst.code})"
            if worst.code.startswith("token_"):
                text += "; give --token, or --api-key and --api-secret"
            elif worst.code == RATE_LIMITED:
                text += "; give a slower --ramp, or raise the target's limits"
            return TargetFault(text, stated_by_target=ledger.refused == scheduled)
        if ledger.dropped is not None and ledger.still_connected * 2 < ledger.joined:
            stated_by_target = not ledger.most_common_loss.startswith(TRANSPORT_LOST)
            return TargetFault(ledger.dropped, stated_by_target=stated_by_target)
        return None

    async def leave(self) -> None:
        """End all sessions, within a few seconds."""
        for one in self._ledger.join_records.values():
            one.left = True
        for running in self._running.values():
            running.task.cancel()
        gate = asyncio.Semaphore(_MAX_LEAVING)

        async def leave(running: _Running) -> None:
            async with gate:
                await running.leave()

        leaving = [asyncio.create_task(leave(one)) for one in self._running.values()]
        leaving += self._leaving
        if leaving:
            _, late = await asyncio.wait(leaving, timeout=_LEAVE_S)
            for task in late:
                task.cancel()
        tasks = [running.task for running in self._running.values()]
        await asyncio.gather(*tasks, *leaving, return_exceptions=True)

    def _spawn(self, bot: Bot, scheduled_ns: int, at_s: float) -> None:
        bot_session = BotSession(self._plan, bot, self._swarm, self._ledger, self._media)
        bot_session.add(scheduled_ns)
        bot_session.enter_phase(at_s)  # opening a transport sends it
        session = self._target.session(bot_session)
        task = asyncio.create_task(self._run_bot(bot))
        self._running[bot.index] = _Running(bot_session, session, task)

    def _end(self, bot: Bot) -> None:
        """Let one bot leave as planned."""
        running = self._running.pop(bot.index)
        self._ledger.planned_leave(bot)
        running.task.cancel()
        task = asyncio.create_task(running.leave())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _run_bot(self, bot: Bot) -> None:
        """Run the session of one bot; errors are recorded for this bot only."""
        record = self._ledger.join_records[bot.index]
        attempts = 1
        while failure := await self._attempt(bot, record, again=attempts <= self._retries):
            if attempts > self._retries:
                self._ledger.failed(bot, failure.code, failure.message)
                return
            self._ledger.join_retried(bot, failure.code)
            await self._running[bot.index].leave()
            await asyncio.sleep(joining.retry_delay_s(attempts))
            attempts += 1
            record.attempted_ns = self._swarm.now_ns()
            record.backing_off = False
            running = self._running[bot.index]
            self._running[bot.index] = running._replace(
                session=self._target.session(running.bot_session)
            )

    async def _attempt(self, bot: Bot, record: JoinRecord, *, again: bool) -> Failure | None:
        """Join, and run the session until it ends; return why the join failed, if it did.

        What follows the accepted join, as ICE, is part of it where it may be tried ``again``.
        """
        session = self._running[bot.index].session
        failure = await joining.attempt(session, self._join_timeout_s, record)
        if failure is not None:
            return failure
        ended = await (joining.run_until_failed(session, record) if again else session.run())
        if isinstance(ended, Failure):
            return ended
        self._ledger.lost(bot, ended)
        return None
