"""Bots come by the ramp, failures stay their own, a lost target is noticed."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any

import pytest

from sfukit.loadgen.bots import joining
from sfukit.loadgen.bots.clips import clip_ids
from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.conductor import Conductor
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions, Phase
from sfukit.loadgen.options import Stage as Duration
from sfukit.loadgen.scenario import Size, plan
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.impairment import Impairment
from sfukit.swarm.messages import SetNetwork

Step = Callable[[BotSession], Coroutine[None, None, None]]


class FakeSession:
    """One bot's signalling, as scripted."""

    def __init__(self, target: "FakeTarget", bot_session: BotSession) -> None:
        self._target = target
        self._bot_session = bot_session

    async def join(self) -> None:
        await self._target.on_join(self._bot_session)
        self._bot_session.accepted()

    async def run(self) -> str:
        await self._target.ends.wait()
        return "the connection broke"

    async def leave(self) -> None:
        self._target.left.append(self._bot_session.bot.name)


class FakeTarget:
    """A server as scripted."""

    def __init__(self, on_join: Step) -> None:
        self.on_join = on_join
        self.ends = asyncio.Event()
        self.left: list[str] = []

    def session(self, bot_session: BotSession) -> FakeSession:
        return FakeSession(self, bot_session)


class Stage:
    """A conductor with everything around it faked."""

    def __init__(
        self, target: FakeTarget, options: LoadOptions, timeout_s: float, retries: int
    ) -> None:
        self.plan = plan(options)
        self.swarm = FakeSwarm()
        self.ledger = Ledger(self.plan)
        self.swarm.listen(self.ledger.on_event, lambda command, error: None)
        media = Media(
            clips=clip_ids(self.plan),
            pacing="whole",
            pli_policy="answer",
            unwatched="dynacast",
            ssrc_base=0,
        )
        self.target = target
        self.conductor = Conductor(
            self.plan, target, self.swarm, self.ledger, media, timeout_s, retries=retries
        )


@asynccontextmanager
async def stage(
    on_join: Step,
    *,
    clients: int | None = 4,
    per_s: float = 1000,
    timeout_s: float = 5,
    retries: int = 0,
    **more: Any,
) -> AsyncIterator[Stage]:
    """Join all clients, and let them leave at the end."""
    options = LoadOptions(clients=clients, ramp_per_s=per_s, **more)
    made = Stage(FakeTarget(on_join), options, timeout_s, retries)
    await made.conductor.follow(made.swarm.now_ns())
    for _ in range(5 + 10 * retries):
        await asyncio.sleep(0)
    yield made
    await made.conductor.leave()


async def until(event: asyncio.Event, running: Coroutine[None, None, None]) -> None:
    """Run something without end until an event."""
    task = asyncio.create_task(running)
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait((task, waiting), timeout=5, return_when=asyncio.FIRST_COMPLETED)
    assert event.is_set(), task
    task.cancel()


def connect(bot_session: BotSession) -> None:
    """Connect the transport of a bot."""
    transport = bot_session.swarm.new_id()
    bot_session.ledger.opened(transport, bot_session.bot, decides=True)
    bot_session.swarm.connect(transport)  # type: ignore[attr-defined]


async def welcome(bot_session: BotSession) -> None:
    connect(bot_session)


async def test_clients_join_when_due_and_leave() -> None:
    async with stage(welcome, clients=7, per_s=200) as run:
        assert run.ledger.joined == 7
        scheduled = [one.scheduled_ns for one in run.ledger.join_records.values()]
        gaps = [later - earlier for earlier, later in pairwise(scheduled)]
        assert all(abs(gap - 5_000_000) < 10 for gap in gaps)
        assert run.conductor.target_fault() is None
    assert sorted(run.target.left) == sorted(bot.name for bot in run.plan.bots)
    assert run.ledger.faults == []


async def test_clients_leave_and_others_take_their_places_as_planned() -> None:
    stages = tuple(Duration(0.01, count) for count in (4, 2, 3))
    async with stage(welcome, clients=None, stages=stages, warmup_s=0.01) as run:
        assert run.target.left == ["p4", "p3"]
        assert run.ledger.joined == 5
        assert run.ledger.present == 3
        assert run.ledger.still_connected == 5  # none was disconnected by the target
        assert run.conductor.target_fault() is None
    assert sorted(run.target.left) == ["p1", "p2", "p3", "p3-2", "p4"]
    assert run.ledger.faults == []


async def test_a_bot_that_leaves_as_planned_is_not_lost_or_overdue() -> None:
    async def slow(bot_session: BotSession) -> None:
        if bot_session.bot.index == 0:
            connect(bot_session)

    stages = (Duration(0.01, 2), Duration(0.01, 1))
    async with stage(slow, clients=None, stages=stages, warmup_s=0.01, timeout_s=0) as run:
        run.conductor.fail_overdue()
        assert run.ledger.faults == []
        assert run.ledger.failures == 0


async def test_sessions_are_told_of_another_speaker_when_it_is_due(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    changed: list[tuple[str, list[str]]] = []
    enough = asyncio.Event()

    class Rearranging(FakeSession):
        async def rearrange(self, sizes: Mapping[str, Size]) -> None:
            large = [name for name, size in sizes.items() if size == "large"]
            changed.append((self._bot_session.name, large))
            if len(changed) == 9:
                enough.set()

    monkeypatch.setattr(FakeTarget, "session", lambda target, bot: Rearranging(target, bot))
    async with stage(welcome, clients=3, speaker_switch_s=0.02) as run:
        await until(enough, run.conductor.switch_speakers(run.swarm.now_ns()))
    for first in range(0, 9, 3):
        at_once = changed[first : first + 3]
        assert [name for name, _ in at_once] == ["p1", "p2", "p3"]
        # all see the speaker large, which sees another one
        assert len({one for _, large in at_once for one in large}) == 2
    assert len({tuple(large) for _, large in changed[::3]}) > 1


async def test_a_target_that_cannot_change_what_is_received_is_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with stage(welcome, clients=2, speaker_switch_s=0.01) as run:
        reported = asyncio.Event()
        monkeypatch.setattr(
            run.ledger, "fault", lambda code, *_: code == "layout_fixed" and reported.set()
        )
        await until(reported, run.conductor.switch_speakers(run.swarm.now_ns()))


async def test_a_refusal_concerns_one_bot() -> None:
    async def fussy(bot_session: BotSession) -> None:
        if bot_session.bot.index == 2:
            raise JoinRefusedError("max_rooms", "enough")
        connect(bot_session)

    async with stage(fussy) as run:
        assert (run.ledger.joined, run.ledger.failures) == (3, 1)
        [fault] = run.ledger.faults
        assert (fault.code, fault.count, fault.first) == ("max_rooms", 1, "room-1 p3")
        assert run.conductor.target_fault() is None


async def test_a_failed_join_is_tried_again_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(joining, "retry_delay_s", lambda attempts: 0.0)
    attempts: list[str] = []

    async def fussy(bot_session: BotSession) -> None:
        attempts.append(bot_session.name)
        if bot_session.name == "p2" and attempts.count("p2") < 3:
            raise JoinRefusedError("overloaded", "not now")
        if bot_session.name == "p3":
            raise JoinRefusedError("max_rooms", "enough")
        connect(bot_session)

    async with stage(fussy, clients=3, retries=2) as run:
        assert [attempts.count(name) for name in ("p1", "p2", "p3")] == [1, 3, 3]
        assert (run.ledger.joined, run.ledger.failures) == (2, 1)
        retried = run.ledger.retried_joins
        assert (retried.attempts, retried.clients, retried.clients_joined) == (4, 2, 1)
        assert retried.codes == {"overloaded": 2, "max_rooms": 2}
        assert [fault.code for fault in run.ledger.faults] == ["max_rooms"]
        record = run.ledger.join_records[1]
        assert record.connected_ns is not None and record.join_ms is not None
        assert record.attempted_ns > record.scheduled_ns  # the times count from the schedule
        assert record.join_ms == (record.connected_ns - record.scheduled_ns) / 1e6
    assert run.target.left.count("p2") == 3  # each failed attempt ended its session


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_transport_that_is_not_connected_in_time_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(joining, "retry_delay_s", lambda attempts: 0.0)
    attempts: list[str] = []

    async def late(bot_session: BotSession) -> None:
        attempts.append(bot_session.name)
        if bot_session.name == "p2" and len(attempts) > 2:
            connect(bot_session)

    async with stage(late, clients=2, retries=1, timeout_s=0) as run:
        assert attempts == ["p1", "p2"]
        run.conductor.fail_overdue()
        assert run.ledger.failures == 0
        await settled()
        assert (attempts, run.ledger.joined) == (["p1", "p2", "p1", "p2"], 1)
        run.conductor.fail_overdue()
        await settled()
        assert attempts.count("p1") == 2  # no second retry
        retried = run.ledger.retried_joins
        assert (retried.attempts, retried.clients, retried.clients_joined) == (2, 2, 1)
        assert retried.codes == {"connect_timeout": 2}
        [fault] = run.ledger.faults
        assert (fault.code, fault.first) == ("connect_timeout", "room-1 p1")
    assert sorted(run.target.left) == ["p1", "p1", "p2", "p2"]


@pytest.mark.parametrize(
    ("reason", "code"), [("dtls_failed", "join_lost"), ("turn_timeout", "turn_timeout")]
)
async def test_a_transport_that_fails_before_it_is_connected_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, reason: str, code: str
) -> None:
    monkeypatch.setattr(joining, "retry_delay_s", lambda attempts: 0.0)
    attempts: list[str] = []

    async def fails_first(bot_session: BotSession) -> None:
        attempts.append(bot_session.name)
        bot_session.ledger.opened(len(attempts), bot_session.bot, decides=True)

    async with stage(fails_first, clients=2, retries=1) as run:
        run.swarm.report_state(1, "failed", reason)
        run.swarm.connect(2)
        await settled()
        assert attempts == ["p1", "p2", "p1"]
        run.swarm.connect(3)
        assert (run.ledger.joined, run.ledger.failures, run.ledger.faults) == (2, 0, [])
        assert run.ledger.retried_joins.codes == {code: 1}
        # what happens later is no failed join
        run.swarm.report_state(3, "failed", "timeout")
        await settled()
        assert (len(attempts), run.ledger.still_connected) == (3, 1)


def test_retries_wait_longer_each_time_up_to_a_limit() -> None:
    assert [joining.retry_delay_s(one) for one in (1, 2, 3, 9)] == [0.5, 1.0, 2.0, 8.0]


async def test_a_target_that_refuses_all_joins_is_a_fault() -> None:
    async def closed(bot_session: BotSession) -> None:
        raise JoinRefusedError("draining", "no new rooms")

    async with stage(closed) as run:
        fault = run.conductor.target_fault()
        assert fault == TargetFault(
            "no client could join: no new rooms (draining)", stated_by_target=True
        )


async def test_a_target_that_never_answers_times_out() -> None:
    async def silent(bot_session: BotSession) -> None:
        await asyncio.Event().wait()

    async with stage(silent, timeout_s=0.01) as run:
        attending = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*attending)  # each ends by itself once it has given up
        assert [(fault.code, fault.count) for fault in run.ledger.faults] == [("join_timeout", 4)]
        fault = run.conductor.target_fault()
        assert fault is not None and not fault.stated_by_target


async def test_a_transport_that_never_comes_up_is_a_failed_join(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def only_signalling(bot_session: BotSession) -> None:
        return None

    async with stage(only_signalling) as run:
        run.conductor.fail_overdue()
        assert run.ledger.failures == 0
        later_ns = run.swarm.now_ns() + 6_000_000_000
        monkeypatch.setattr(run.swarm, "now_ns", lambda: later_ns)
        run.conductor.fail_overdue()
        assert [(one.code, one.count) for one in run.ledger.faults] == [("connect_timeout", 4)]


async def test_a_target_that_disconnects_half_of_the_clients_is_a_fault() -> None:
    async with stage(welcome) as run:
        run.target.ends.set()
        for _ in range(5):
            await asyncio.sleep(0)
        fault = run.conductor.target_fault()
        text = "the target disconnected 4 of 4 clients: the connection broke"
        assert fault == TargetFault(text, stated_by_target=True)


async def test_a_transport_without_traffic_counts_as_disconnected() -> None:
    async with stage(welcome) as run:
        assert run.ledger.dropped is None
        run.swarm.report_state(1, "disconnected", "no_traffic")
        assert run.ledger.still_connected == 3
        lost = "the target disconnected 1 of 4 clients: transport disconnected: no_traffic"
        assert run.ledger.dropped == lost
        assert run.conductor.target_fault() is None


async def test_the_networks_of_impaired_clients_change_with_the_phases() -> None:
    slow, slower = Impairment(delay_ms=5), Impairment(delay_ms=9)
    phases = (Phase(0.0, None, slow), Phase(0.01, None, slower))
    async with stage(
        welcome, scenario="broadcast", net_share=0.67, phases=phases, duration_s=5
    ) as here:
        impaired = {bot.index + 1 for bot in here.plan.slots if bot.impaired}
        await here.conductor.follow_phases(here.swarm.now_ns())
        changes = here.swarm.of(SetNetwork)
    assert len(impaired) == 2
    for bot in impaired:
        delays = [one.net_down.delay_ms for one in changes if one.bot == bot and one.net_down]
        assert delays == [5, 9]
    assert {change.bot for change in changes} == impaired
