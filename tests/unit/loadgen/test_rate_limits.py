"""A target's rate limit: bots wait and ask again, and the report calls it the target's policy."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from sfukit.cli import loadtest_text
from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.targets import backoff
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.rooms import RoomsTarget
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.signaling.subscribe_offer import SubscribeOffers
from sfukit.targets.access import Access

from ..signaling.test_descriptions import LOCAL, track_of
from .test_conductor import stage
from .test_room_client import MEDIA, Room, added
from .test_summary import Run
from .test_targets import Endpoint, Pair

AFTER_S = backoff.retry_delay_s
LIMIT = {"reason": "rate_limited", "detail": "too many requests"}


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Skip the backoff delays and record their lengths."""
    waits: list[float] = []

    async def at_once(delay_s: float) -> None:
        waits.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", at_once)
    return waits


def refused(retry_after: str | None, body: dict[str, str] | None = None) -> httpx.Response:
    headers = {"Retry-After": retry_after} if retry_after is not None else {}
    return httpx.Response(429, json=body or LIMIT, headers=headers)


async def test_a_publisher_waits_as_long_as_it_is_told(slept: list[float]) -> None:
    endpoint = Endpoint(refused("3"), refused("2"))
    pair = Pair(endpoint)
    await pair.session(0).join()
    assert slept == [3.0, 2.0]
    assert [one.method for one in endpoint.requests] == ["POST"] * 3
    limited = pair.ledger.rate_limited
    assert (limited.requests, limited.clients, limited.waited_s, limited.clients_refused) == (
        2,
        1,
        5.0,
        0,
    )
    assert (pair.ledger.joined, pair.ledger.faults) == (1, [])


@pytest.mark.parametrize(
    ("retry_after", "waited_s"),
    [
        (None, 1.0),
        ("0", 0.1),
        ("-5", 1.0),
        ("soon", 1.0),
        ("9" * 400, 1.0),
        ("86400", 60.0),
        ("Fri, 31 Dec 1999 23:59:59 GMT", 1.0),
    ],
)
async def test_an_odd_delay_is_bounded(
    retry_after: str | None, waited_s: float, slept: list[float]
) -> None:
    await Pair(Endpoint(refused(retry_after))).session(0).join()
    assert slept == [waited_s]


@pytest.mark.parametrize("told_s", [float("nan"), float("inf"), -1, "2", None, [3], True])
def test_an_odd_delay_in_json_is_bounded(told_s: object) -> None:
    assert backoff.retry_delay_s(Room().bot_session, told_s) == 1.0


async def test_bots_do_not_all_come_back_at_once() -> None:
    room = Room(LoadOptions(clients=20))
    bot_sessions = [
        BotSession(room.plan, bot, room.swarm, room.ledger, MEDIA) for bot in room.plan.bots
    ]
    waits = {backoff.retry_delay_s(bot_session, 10) for bot_session in bot_sessions}
    assert len(waits) == 20
    assert min(waits) == 10
    assert 14 < max(waits) < 15


async def test_any_429_is_a_rate_limit(slept: list[float]) -> None:
    await Pair(Endpoint(refused("1", {"error": "slow down"}))).session(0).join()
    assert slept == [1.0]


async def test_a_join_timeout_during_backoff_is_rate_limited() -> None:
    async def limited(bot_session: BotSession) -> None:
        async def refuse() -> None:
            raise JoinRefusedError("rate_limited", "too many requests", 30)

        await backoff.retry_rate_limited(bot_session, refuse)

    async with stage(limited, timeout_s=0.01) as run:
        attending = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*attending)  # each ends by itself once it has given up
        limits = run.ledger.rate_limited
        assert (limits.requests, limits.clients, limits.clients_refused) == (4, 4, 4)
        [fault] = run.ledger.faults
        assert (fault.code, fault.count) == ("rate_limited", 4)
        assert fault.message == (
            "refused by the target's rate limit 1 times within 0.01 s: policy, not loss"
        )


async def test_a_rate_limit_that_refuses_all_joins_names_the_fix() -> None:
    async def limited(bot_session: BotSession) -> None:
        raise JoinRefusedError("rate_limited", "too many requests")

    async with stage(limited) as run:
        fault = run.conductor.target_fault()
        assert fault == TargetFault(
            "no client could join: too many requests (rate_limited); give a slower --ramp, "
            "or raise the target's limits",
            stated_by_target=True,
        )


def error_for(request: dict[str, Any], retry_after_s: float) -> dict[str, Any]:
    data = {"reason": "rate_limited", "retry_after_s": retry_after_s}
    error = {"code": -32008, "message": "too many calls", "data": data}
    return {"jsonrpc": "2.0", "id": request["id"], "error": error}


async def test_a_subscription_is_asked_for_again() -> None:
    room = Room()
    await room.join()
    [request] = await room.tell(added("p2", 1, "audio"))
    assert await room.tell(error_for(request, 2)) == []
    [(number, told_s)] = room.client.take_rate_limited()
    assert (number, told_s) == (request["id"], 2)
    assert room.client.take_rate_limited() == []
    again = json.loads(room.client.retry(number) or b"")
    assert (again["method"], again["params"]) == ("subscribe", request["params"])
    assert again["id"] != request["id"]
    assert room.client.retry(number) is None
    assert room.ledger.faults == []


async def test_an_answer_that_a_newer_offer_overtook_is_not_sent_again() -> None:
    room = Room()
    await room.join()
    offers = SubscribeOffers(LOCAL)
    offers.add(track_of(1, "audio", 100))
    sdp = offers.offer()

    async def offer(version: int) -> dict[str, Any]:
        params = {"type": "offer", "sdp": sdp, "version": version, "tracks": []}
        [answer] = await room.tell({"jsonrpc": "2.0", "method": "offer", "params": params})
        return answer

    await room.tell(error_for(await offer(1), 1))
    [(number, _)] = room.client.take_rate_limited()
    again = json.loads(room.client.retry(number) or b"")
    await room.tell(error_for(again, 1))
    await offer(2)
    [(number, _)] = room.client.take_rate_limited()
    assert (again["method"], room.client.retry(number)) == ("answer", None)


@asynccontextmanager
async def limited_server(*, upgrades: int, joins: int) -> AsyncIterator[tuple[str, list[str]]]:
    """Refuse so many upgrades and joins by the rate limit, and then a join for good."""
    asked: list[str] = []

    def upgrade(_: ServerConnection, request: Request) -> Response | None:
        asked.append("upgrade")
        if asked.count("upgrade") > upgrades:
            return None
        body = json.dumps(LIMIT).encode()
        headers = Headers({"Retry-After": "1", "Content-Length": str(len(body))})
        return Response(429, "Too Many Requests", headers, body)

    async def talk(connection: ServerConnection) -> None:
        async for frame in connection:
            request = json.loads(frame)
            asked.append(request["method"])
            error = error_for(request, 1)
            if asked.count("join") > joins:
                error["error"]["data"] = {"reason": "room_denied"}
            await connection.send(json.dumps(error))

    async with serve(
        talk, "127.0.0.1", 0, process_request=upgrade, subprotocols=["sfukit.jsonrpc"]
    ) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


async def test_upgrades_and_joins_of_a_room_are_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    def quick(bot_session: Any, told_s: object) -> float:
        waits.append(AFTER_S(bot_session, told_s))
        return 0.0

    monkeypatch.setattr(backoff, "retry_delay_s", quick)
    async with limited_server(upgrades=2, joins=2) as (url, asked):
        room = Room()
        session = RoomsTarget(url, Access(), join_timeout_s=5).session(room.bot_session)
        with pytest.raises(JoinRefusedError) as last:
            await session.join()
        await session.leave()
    assert last.value.code == "room_denied"
    assert asked[:6] == ["upgrade", "upgrade", "upgrade", "join", "join", "join"]
    assert waits == [1.0] * 4
    assert room.ledger.rate_limited.requests == 4


def test_the_report_names_the_policy_and_not_a_loss() -> None:
    run = Run()
    run.join()
    first, second = run.plan.bots
    run.ledger.backed_off(first, 1.5)
    run.ledger.retried(first)
    run.ledger.join_records[second.index].connected_ns = None
    run.ledger.backed_off(second, 2.5)
    run.ledger.failed(second, "rate_limited", "refused")
    made = run.report()
    policy = (
        "the target's rate limit refused 1 of 2 clients: policy, not loss; give a slower "
        "--ramp or a longer --join-timeout, or raise its limits"
    )
    assert (made.verdict, made.exit_code, made.reasons[0]) == ("fail", 3, policy)
    assert msgspec.structs.asdict(made.rate_limited) == {
        "requests": 2,
        "clients": 2,
        "waited_s": 4.0,
        "clients_refused": 1,
    }
    assert loadtest_text.result_lines(made)[1].strip() == policy
    assert (
        "limits          rate_limited, the target's policy: 2 requests of 2 clients refused and "
        "retried, 2.0 s of backoff each; 1 did not join" in loadtest_text.result_lines(made)
    )
    assert msgspec.json.decode(msgspec.json.encode(made), type=LoadtestReport) == made


def test_waiting_alone_fails_nothing() -> None:
    run = Run()
    run.join()
    run.ledger.backed_off(run.plan.bots[0], 1.0)
    made = run.report()
    assert (made.verdict, made.reasons) == ("pass", [])
    assert made.rate_limited.requests == 1
