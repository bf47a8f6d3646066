"""When participants change their address, and what becomes of a change that does not complete."""

import asyncio
from itertools import pairwise

import pytest

from sfukit.errors import UsageError
from sfukit.loadgen.metrics.handovers import Handovers
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions, RunOptions, Stage
from sfukit.loadgen.scenario import Plan, handovers, plan, plan_line
from sfukit.loadgen.verdict.decision import applied_gates
from sfukit.swarm.messages import AddressChanged, ChangeAddress
from tests.unit.loadgen.test_conductor import stage, until, welcome

_NS_PER_S = 1_000_000_000


def planned(**more: object) -> Plan:
    given = {"clients": 5, "handover_s": 20.0, "warmup_s": 2.0, "seed": 7}
    return plan(LoadOptions(**(given | more)))  # type: ignore[arg-type]


def ended(
    transport: int, failure: str | None = None, gap_ms: float | None = None
) -> AddressChanged:
    return AddressChanged(
        transport=transport, gap_ms=gap_ms, ice_ms=None, failure=failure, at_ns=9 * _NS_PER_S
    )


def test_every_participant_changes_its_address_at_even_times_within_the_window() -> None:
    whole = planned(duration_s=60.0)
    [window] = whole.windows
    times = [one.at_s for one in whole.handovers]
    # 60 s less the last 5 s, every 20 s: two or three times each, one after the other
    assert len(times) == 14
    assert all(later - earlier == pytest.approx(4.0) for earlier, later in pairwise(times))
    assert times[0] == pytest.approx(window.start_s + 0.25 + 2.0)
    assert times[-1] < window.end_s - 5.0
    first = [one.bot.index for one in whole.handovers[:5]]
    assert sorted(first) == [0, 1, 2, 3, 4]
    assert first != [one.bot.index for one in planned(seed=8).handovers[:5]]
    assert planned(duration_s=60.0).handovers == whole.handovers


def test_a_participant_that_is_about_to_leave_or_has_just_joined_stays_where_it_is() -> None:
    whole = planned(clients=10, handover_s=3.0, duration_s=60.0, churn_per_s=0.05)
    assert any(one.bot.replaces is not None for one in whole.handovers)
    for one in whole.handovers:
        visit = whole.attendance.visit(one.bot)
        assert visit.joins_s + 1.0 <= one.at_s <= visit.leaves_s - 1.0


def test_a_window_without_a_change_is_refused_and_named() -> None:
    with pytest.raises(
        UsageError, match="--handover 5m00: no participant is due within 3 s measured"
    ):
        planned(handover_s=300.0, duration_s=3.0)
    with pytest.raises(UsageError, match="within stage 2, 2 s measured"):
        planned(clients=None, stages=(Stage(60, 2), Stage(2, 3)))


def test_without_the_option_no_address_changes_and_no_gate_is_added() -> None:
    for handover_s, added in ((None, False), (20.0, True)):
        whole = planned(handover_s=handover_s)
        gates = [str(gate) for gate in applied_gates(whole, RunOptions(load=whole.options))]
        assert ("handovers == 100 %" in gates) is added
        assert bool(whole.handovers) is added
        assert ("another local address every 20 s" in plan_line(whole)) is added


@pytest.mark.parametrize("text", ["0.5s", "-3s", "often"])
def test_a_faulty_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--handover"):
        handovers.parse(text)


def test_changes_end_once_and_failures_have_a_reason() -> None:
    bots = planned().bots
    record = Handovers()
    record.started([1, 2], bots[0], 1 * _NS_PER_S)
    record.started([3], bots[1], 2 * _NS_PER_S)
    assert record.ended(ended(1, gap_ms=40.0)) is None
    failure = record.ended(ended(3, "no_media"))
    assert failure is not None and failure.bot is bots[1]
    assert failure.code == "handover_no_media" and "old address" in failure.message
    assert record.ended(ended(3, "no_media")) is None, "it is known"
    [unfinished] = record.window_ended(4 * _NS_PER_S)
    assert unfinished.code == "handover_unfinished"
    assert unfinished.message == "not complete 3.0 s later, when the window ended"
    assert record.window_ended(5 * _NS_PER_S) == []
    found = list(record.within([(0, 9 * _NS_PER_S)]))
    assert [(one.gap_ms, one.failure) for one in found] == [
        (40.0, ""),
        (None, "no_media"),
        (None, "unfinished"),
    ]
    assert [one.bot for one in record.within([(0, 9 * _NS_PER_S)], {1})] == [bots[1]]
    assert list(record.within([(3 * _NS_PER_S, 9 * _NS_PER_S)])) == []


def test_the_change_of_a_bot_that_leaves_is_no_failure() -> None:
    bots = planned().bots
    record = Handovers()
    record.started([1], bots[0], 0)
    record.left(bots[0])
    assert record.window_ended(_NS_PER_S) == [] and record.changes == []


def test_failures_are_faults_of_the_report() -> None:
    whole = planned()
    ledger = Ledger(whole)
    ledger.handovers.started([1], whole.bots[0], 0)
    ledger.on_event(ended(1, "dtls_timeout"))
    ledger.handovers.started([2], whole.bots[1], 0)
    ledger.window_ended(_NS_PER_S)
    assert [(one.code, one.message, one.first) for one in ledger.faults] == [
        ("handover_dtls_timeout", "the transport failed: dtls_timeout", "room-1 p1"),
        ("handover_unfinished", "not complete 1.0 s later, when the window ended", "room-1 p2"),
    ]


async def test_connected_clients_are_told_when_they_are_due() -> None:
    options = {"handover_s": 1.0, "warmup_s": 0.01, "duration_s": 4.0, "seed": 3}
    async with stage(welcome, clients=3, **options) as run:
        enough = asyncio.Event()
        send, told = run.swarm.send, []

        def watched(commands: list[ChangeAddress]) -> None:
            told.extend(one for one in commands if isinstance(one, ChangeAddress))
            send(commands)
            if len(told) >= 1:
                enough.set()

        run.swarm.send = watched  # type: ignore[method-assign, assignment]
        bot = run.plan.handovers[0].bot
        running = run.conductor._running[bot.index]
        running.bot_session._transports.opened.append(77)
        begin_ns = run.swarm.now_ns() - round((run.plan.handovers[0].at_s - 0.01) * _NS_PER_S)
        await until(enough, run.conductor.change_addresses(begin_ns))
        assert [one.transport for one in told] == [77]
        [unfinished] = run.ledger.handovers.window_ended(run.swarm.now_ns())
        assert unfinished.bot is bot
