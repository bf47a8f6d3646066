"""Estimates of the target: asked for in rooms, recorded for traced downlinks alone."""

import asyncio
import json
from typing import Any

import pytest

from sfukit.loadgen import estimates
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.result.paths import MOST_ESTIMATES
from sfukit.loadgen.scenario import Bot, Plan, plan
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.impairment import Impairment
from sfukit.swarm.messages import TransportState
from tests.unit.loadgen.test_room_client import Room

NARROW = LoadOptions(clients=3, net_down=Impairment(rate_bps=1_000_000))


class AskedSession:
    """A session that answers with an estimate, and counts."""

    def __init__(self, estimate_bps: float | None) -> None:
        self.asked = 0
        self._estimate_bps = estimate_bps

    async def join(self) -> None: ...

    async def run(self) -> str:
        return ""

    async def leave(self) -> None: ...

    async def estimate_bps(self) -> float | None:
        self.asked += 1
        return self._estimate_bps


def connected(whole: Plan) -> Ledger:
    ledger = Ledger(whole)
    for bot in whole.bots:
        ledger.scheduled(bot, 0)
        ledger.opened(bot.index, bot, decides=True)
        state = TransportState(
            transport=bot.index,
            state="connected",
            reason="",
            srtp_profile=None,
            ice_ms=None,
            dtls_ms=None,
            at_ns=1,
        )
        ledger.on_event(state)
    return ledger


async def once(whole: Plan, ledger: Ledger, sessions: list[tuple[Bot, Any]]) -> None:
    """Follow until every session was asked, or cannot be."""
    task = asyncio.create_task(estimates.follow(whole, FakeSwarm(), ledger, lambda: sessions))
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()


async def test_estimates_of_traced_downlinks_are_recorded() -> None:
    whole = plan(NARROW)
    ledger = connected(whole)
    known, unknown = AskedSession(5e5), AskedSession(None)
    await once(whole, ledger, [(whole.bots[0], known), (whole.bots[1], unknown)])
    assert known.asked == unknown.asked == 1
    assert [bps for _, bps in ledger.estimates[0]] == [5e5]
    assert 1 not in ledger.estimates


async def test_free_links_and_large_rooms_are_not_asked_for() -> None:
    free = plan(LoadOptions(clients=3))
    session = AskedSession(5e5)
    await once(free, connected(free), [(free.bots[0], session)])
    large = plan(
        LoadOptions(
            clients=estimates.MOST_CLIENTS + 1,
            scenario="broadcast",
            net_down=Impairment(rate_bps=1_000_000),
        )
    )
    await once(large, connected(large), [(large.bots[1], session)])
    assert session.asked == 0


def test_estimates_are_bounded() -> None:
    whole = plan(NARROW)
    ledger = Ledger(whole)
    for number in range(2 * MOST_ESTIMATES):
        ledger.estimated(whole.bots[0], number, 1.0)
    assert len(ledger.estimates[0]) == MOST_ESTIMATES


@pytest.mark.parametrize(
    ("result", "estimate_bps"),
    [
        ({"transports": [{"target": 1, "estimate_bps": 7e5, "budget_bps": 5e5}]}, 7e5),
        ({"transports": [{"target": 0, "estimate_bps": 1.0}, {"target": 1, "budget_bps": 5}]}, 5),
        ({"transports": [{"target": 1, "estimate_bps": None, "rtt_ms": 3.0}]}, None),
        ({"transports": [{"target": "one"}]}, None),
        ({}, None),
        ([], None),
    ],
)
async def test_the_estimate_is_that_of_the_connection_that_receives(
    result: object, estimate_bps: float | None
) -> None:
    room = Room()
    assert room.client.stats_request() is None  # not joined
    await room.join()
    request = json.loads(room.client.stats_request() or b"")
    assert request["method"] == "stats"
    await room.tell({"jsonrpc": "2.0", "id": request["id"], "result": result})
    assert (room.client.estimate_bps, room.client.stats_received) == (estimate_bps, 1)


async def test_refused_statistics_are_no_fault() -> None:
    room = Room()
    await room.join()
    request = json.loads(room.client.stats_request() or b"")
    error = {"code": -32000, "message": "too many", "data": {"reason": "rate_limited"}}
    await room.tell({"jsonrpc": "2.0", "id": request["id"], "error": error})
    assert room.ledger.faults == []
