"""Rooms: states, admission, announcements."""

import asyncio
import gc
import weakref

import pytest

from sfukit.server import memory, server_context
from sfukit.server import room as room_module
from sfukit.server.counters import ServerCounters
from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import CloseRoom, OpenRoom, RoomClosed
from sfukit.server.room import RoomState
from sfukit.server.settings import Limits, Timing
from tests.unit.server.stage import RpcError, Stage, StageMaker, until


async def test_a_room_is_idle_then_active_then_idle_then_closed(stage: Stage) -> None:
    ann = await stage.joined("ann")
    room = stage.context.rooms.find("demo")
    assert room is not None
    assert room.state is RoomState.ACTIVE
    await ann.call("leave")
    assert room.state is RoomState.IDLE
    await until(lambda: stage.context.rooms.find("demo") is None)
    assert room.state is RoomState.CLOSED
    assert stage.engine.commands_of(CloseRoom) == [CloseRoom(room=room.number)]


async def test_a_room_that_is_joined_again_before_the_idle_timeout_stays_open(stage: Stage) -> None:
    ann = await stage.joined("ann")
    await ann.call("leave")
    await ann.call("join", sid="demo", uid="ann")
    later = await stage.joined("bob", sid="later")
    await later.call("leave")
    await until(lambda: stage.context.rooms.find("later") is None)
    assert stage.context.rooms.find("demo") is not None
    assert [command.room for command in stage.engine.commands_of(OpenRoom)] == [1, 2]


async def test_no_state_remains_after_the_last_leave(stage: Stage) -> None:
    before = asyncio.all_tasks()
    members = [await stage.joined(uid) for uid in ("ann", "bob", "eve")]
    for member in members:
        await member.socket.close()
        await member.closed()
    await until(lambda: not list(stage.context.rooms) and not asyncio.all_tasks() - before)
    core = stage.context.core
    assert (core.transports, core.publications, core.subscriptions) == ({}, {}, {})


async def test_memory_is_released_once_after_the_last_room(
    make_stage: StageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[bool] = []
    monkeypatch.setattr(server_context, "_MEASURE_INTERVAL_S", 0.02)
    monkeypatch.setattr(memory, "trim_allocator", lambda: given.append(True))
    stage = await make_stage()
    looks = 0
    counters = stage.engine.counters

    def look() -> ServerCounters:
        nonlocal looks
        looks += 1
        return counters()

    async def looked(times: int) -> None:
        wanted = looks + times
        await until(lambda: looks >= wanted)

    monkeypatch.setattr(stage.engine, "counters", look)
    ann, bob = await stage.joined("ann"), await stage.joined("bob", sid="other")
    await ann.call("leave")
    await until(lambda: stage.context.rooms.find("demo") is None)
    await looked(4)
    assert given == []
    await bob.call("leave")
    await until(lambda: given)
    await looked(4)
    assert given == [True]


async def test_reference_cycles_are_collected_after_the_last_room(
    make_stage: StageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cycle:
        def __init__(self) -> None:
            self.self = self

    monkeypatch.setattr(server_context, "_MEASURE_INTERVAL_S", 0.02)
    monkeypatch.setattr(memory, "trim_allocator", lambda: None)
    gc.disable()  # an automatic collection would hide a missing explicit one
    try:
        stage = await make_stage()
        ann = await stage.joined("ann")
        left = weakref.ref(Cycle())
        await ann.call("leave")
        assert left() is not None
        await until(lambda: left() is None)
    finally:
        gc.enable()


async def test_joins_leaves_and_publications_are_announced(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob", name="Bob B.")
    assert await ann.note("participant-joined") == {"uid": "ann", "name": "ann", "role": "speaker"}
    joined = await ann.note("participant-joined")
    assert joined == {"uid": "bob", "name": "Bob B.", "role": "speaker"}
    added = [await ann.note("publication-added") for _ in range(4)][-1]
    assert (added["uid"], added["codec"], added["rids"]) == ("bob", "VP8", ["q", "h", "f"])
    await bob.call("leave")
    assert (await ann.note("publication-removed"))["reason"] == "left"
    assert await ann.note("participant-left") == {"uid": "bob", "reason": "left"}


async def test_a_large_room_announces_the_size_of_its_audience(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room_module, "LARGE_ROOM", 2)
    monkeypatch.setattr(room_module, "_SIZE_INTERVAL_S", 0.02)
    ann = await stage.joined("ann")
    for number in range(4):
        await (await stage.member()).call("join", sid="demo", uid=f"w{number}")
    sizes = {(await ann.note("room-size"))["participants"] for _ in range(1)}
    assert max(sizes) > 2
    late = await stage.member()
    result = await late.call("join", sid="demo", uid="late")
    assert result["participant_count"] == 6
    assert [entry["uid"] for entry in result["participants"]] == ["ann", "w0", "w1"]


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(max_rooms=1), "max_rooms"),
        (Limits(max_participants=1), "max_participants"),
        (Limits(max_egress_bps=1_000_000), "max_egress"),
    ],
)
async def test_joins_above_a_limit_are_refused(
    make_stage: StageMaker, limits: Limits, reason: str
) -> None:
    engine = MockEngine()
    stage = await make_stage(engine, limits=limits)
    await stage.joined("ann")
    if reason == "max_egress":
        engine.snapshot = ServerCounters(bytes_sent=10**9)
        await until(lambda: stage.context.rooms.egress_bps)
    bob = await stage.member()
    with pytest.raises(RpcError) as caught:
        await bob.call("join", sid="other", uid="bob")
    assert (caught.value.code, caught.value.reason) == (-32007, reason)
    assert caught.value.data["retry_after_s"] > 0
    text = stage.context.metrics.exposition().decode()
    assert f'sfukit_refused_total{{reason="{reason}"}} 1.0' in text


async def test_a_room_that_the_engine_closes_is_removed(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob", "other")
    number = stage.engine.commands_of(OpenRoom)[0].room
    stage.engine.emit(RoomClosed(number, "internal_error"))
    assert (await ann.note("bye"))["reason"] == "internal_error"
    assert await ann.closed() == 1011
    assert stage.context.rooms.find("demo") is None
    assert await bob.call("message", data=1) == {"delivered": 0}


async def test_rooms_are_spread_over_the_workers(make_stage: StageMaker) -> None:
    stage = await make_stage(MockEngine(workers=3), workers=3)
    for number in range(6):
        await stage.joined("ann", f"room{number}")
    workers = [room.worker for room in stage.context.rooms]
    assert sorted(workers) == [0, 0, 1, 1, 2, 2]


async def test_a_drain_refuses_new_rooms_notifies_and_ends_with_the_last_leave(
    make_stage: StageMaker,
) -> None:
    stage = await make_stage(timing=Timing(drain_s=30, debounce_s=0.01))
    ann = await stage.joined("ann")
    drained = asyncio.get_running_loop().create_task(stage.context.drain())
    assert await ann.note("drain") == {"deadline_s": 30}
    bob = await stage.member()
    with pytest.raises(RpcError) as caught:
        await bob.call("join", sid="other", uid="bob")
    assert caught.value.reason == "draining"
    assert (await bob.call("join", sid="demo", uid="bob"))["uid"] == "bob"
    async with stage.session.get(stage.url("/readyz")) as response:
        assert (response.status, await response.text()) == (503, "draining\n")
    async with stage.session.get(stage.url("/livez")) as response:
        assert response.status == 200
    await ann.call("leave")
    await bob.call("leave")
    async with asyncio.timeout(5):
        assert await drained == "drained"


async def test_a_drain_has_a_deadline_and_can_be_cancelled(make_stage: StageMaker) -> None:
    stage = await make_stage(timing=Timing(drain_s=0.2))
    await stage.joined("ann")
    assert await stage.context.drain() == "drain_deadline"
    second = await make_stage(timing=Timing(drain_s=30))
    bob = await second.joined("bob")
    drained = asyncio.get_running_loop().create_task(second.context.drain())
    await bob.note("drain")
    second.context.cancel_drain()
    async with asyncio.timeout(5):
        assert await drained == "cancelled"
    await second.joined("eve", "other")


@pytest.mark.parametrize("turns", range(4))
async def test_a_cancelled_drain_can_end_at_every_turn_of_the_loop(
    stage: Stage, turns: int
) -> None:
    await stage.joined("ann")
    drained = asyncio.create_task(stage.context.drain())
    await until(lambda: bool(stage.context._drained._waiters))
    stage.context.cancel_drain()
    for _ in range(turns):
        await asyncio.sleep(0)
    was_done = drained.done()
    drained.cancel()
    outcome = (await asyncio.gather(drained, return_exceptions=True))[0]
    assert outcome == "cancelled" if was_done else isinstance(outcome, asyncio.CancelledError)
