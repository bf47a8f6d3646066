"""A media worker that ends unexpectedly closes its own rooms only."""

import asyncio
from typing import Any

import pytest

from sfukit.errors import ExitCode, SfukitError
from sfukit.server import run as run_module
from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import OpenRoom
from sfukit.server.settings import Settings
from sfukit.signaling.refusal import Refusal
from tests.unit.server.stage import RpcError, StageMaker
from tests.unit.server.test_engine import Pair, pair  # noqa: F401 - a fixture
from tests.unit.server.virtual import Peer, settle, virtual_context

REASON = "panicked: index 7"


async def test_the_rooms_of_an_ended_worker_close_and_the_others_take_the_new_ones() -> None:
    engine = MockEngine(workers=2)
    context, _ = virtual_context(engine)
    first, second = Peer(context), Peer(context)
    await first.call("join", sid="one")
    await second.call("join", sid="two")
    engine.end_worker(0, REASON)
    assert (first.channel.close_reason, second.channel.close_reason) == ("internal_error", None)
    assert [room.name for room in context.rooms] == ["two"]
    for number in range(4):
        await Peer(context).call("join", sid=f"room{number}")
    assert {room.worker for room in context.rooms} == {1}
    assert not context.core.engine_ended.done()
    engine.end_worker(1, REASON)
    assert second.channel.close_reason == "internal_error"
    assert not context.rooms.any
    assert context.core.engine_ended.result() == f"media worker 1 ended: {REASON}"
    with pytest.raises(Refusal, match="overloaded"):
        await Peer(context).call("join", sid="new")


async def test_readiness_and_metrics_name_the_ended_worker(make_stage: StageMaker) -> None:
    stage = await make_stage(MockEngine(workers=2))
    stage.engine.end_worker(1, REASON)
    async with stage.session.get(stage.url("/readyz")) as response:
        assert response.status == 503
        assert await response.text() == f"media worker 1 ended: {REASON}\n"
    text = stage.context.metrics.exposition().decode()
    assert 'sfukit_engine_up{engine="0"} 1.0' in text
    assert 'sfukit_engine_up{engine="1"} 0.0' in text
    async with stage.session.get(stage.url("/livez")) as response:
        assert response.status == 200


async def test_a_room_of_the_last_worker_is_refused_by_code(make_stage: StageMaker) -> None:
    stage = await make_stage()
    stage.engine.end_worker(0, REASON)
    with pytest.raises(RpcError) as caught:
        await stage.joined("ann")
    assert (caught.value.code, caught.value.reason) == (-32007, "overloaded")


async def test_pending_commands_of_an_ended_worker_fail(pair: Pair) -> None:  # noqa: F811
    engine, native = pair
    heard: list[Any] = []
    engine.set_event_handler(heard.append)
    doomed = asyncio.ensure_future(engine.run(1, [OpenRoom(room=1), OpenRoom(room=2)]))
    other = asyncio.ensure_future(engine.run(0, [OpenRoom(room=3)]))
    await asyncio.sleep(0)
    native.full = True
    engine.send(1, [OpenRoom(room=4)])
    await asyncio.sleep(0)
    assert engine.backlog == 1
    native.full = False
    native.emit({"type": "worker_ended", "worker": 1, "reason": REASON})
    async with asyncio.timeout(5):
        outcomes = await doomed
    codes = [outcome.error and outcome.error.code for outcome in outcomes]
    assert codes == ["worker_ended"] * 2
    assert not other.done()
    assert engine.ended_workers == {1: REASON}
    assert [event.worker for event in heard] == [1]
    assert engine.backlog == 0
    engine.send(1, [OpenRoom(room=5)])
    assert engine.backlog == 0
    with pytest.raises(Refusal, match="media worker 1 ended"):
        await engine.run(1, [OpenRoom(room=6)])
    native.done(None)
    assert (await other)[0].error is None


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_process_ends_with_the_reason_when_the_last_worker_has_ended(
    workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = MockEngine(workers=workers)
    monkeypatch.setattr(run_module, "_engine", lambda _settings: engine)
    ready = asyncio.Event()
    settings = Settings(http_port=0, workers=workers)
    serving = asyncio.ensure_future(run_module._serve(settings, lambda _ready: ready.set()))
    async with asyncio.timeout(5):
        await ready.wait()
    for worker in range(workers):
        assert not serving.done()
        engine.end_worker(worker, REASON)
        await settle()
    with pytest.raises(SfukitError, match=f"media worker {workers - 1} ended: {REASON}") as caught:
        async with asyncio.timeout(10):
            await serving
    assert caught.value.exit_code is ExitCode.BUG
    assert engine.closed
