"""The asyncio interface of the engine, over a fake extension module."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from types import ModuleType
from typing import Any

import msgspec
import pytest

from sfukit.server import engine as engine_module
from sfukit.server.engine import NativeEngine, first_error, refusal_of
from sfukit.server.native_messages import (
    CloseRoom,
    CommandError,
    EncodingState,
    Event,
    LayerSwitched,
    OpenRoom,
    OpenTransport,
    RidTarget,
    ServerConfig,
    SetTarget,
)
from sfukit.server.native_messages import IceCredentials as Ice
from sfukit.signaling.refusal import Refusal
from tests.unit.server.stage import until

INFO = {"udp_ports": [7081, 7082], "fingerprint": "sha-256 AB", "ipv6": True, "more": 1}


class FakeNative:
    """A fake of the extension module's server, controlled by the test."""

    def __init__(self, config: bytes) -> None:
        self.config = msgspec.json.decode(config)
        self.taken: list[tuple[int, list[dict[str, Any]]]] = []
        self.full = False
        self.unreadable = False
        self.closed = False
        self._reader, self._writer = os.pipe()
        self._waiting: list[dict[str, Any]] = []

    def info(self) -> bytes:
        return msgspec.json.encode(INFO)

    def event_fd(self) -> int:
        return self._reader

    def submit(self, worker: int, commands: bytes) -> bool:
        content = msgspec.json.decode(commands)
        if self.unreadable or any(command.get("room") == -1 for command in content):
            raise NativeError("unknown variant")
        if not self.full:
            self.taken.append((worker, content))
        return not self.full

    def events(self) -> bytes:
        os.read(self._reader, 1)
        events, self._waiting = self._waiting, []
        return msgspec.json.encode(events)

    def counters(self) -> bytes:
        return b'{"packets_sent": 7, "something_new": 1}'

    def close(self) -> None:
        self.closed = True
        os.close(self._reader)
        os.close(self._writer)

    def emit(self, *events: dict[str, Any]) -> None:
        self._waiting += events
        os.write(self._writer, b"x")

    def done(self, *errors: str | None) -> None:
        """Complete the latest commands in the given order."""
        commands = self.taken[-1][1]
        self.emit(
            *(
                {"type": "done", "id": command["id"], "error": error and {"code": error}}
                for command, error in zip(commands, errors, strict=True)
            )
        )


class NativeError(RuntimeError):
    """The exception of the extension module."""


@pytest.fixture
async def pair(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[NativeEngine, FakeNative]]:
    """An engine on a fake extension module."""
    module = ModuleType("sfukit._native")
    module.Server = FakeNative  # type: ignore[attr-defined]
    module.NativeError = NativeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sfukit._native", module)
    monkeypatch.setattr("sfukit._native", module, raising=False)
    engine = NativeEngine(ServerConfig(workers=2))
    native: Any = engine._native
    yield engine, native
    engine.close()


Pair = tuple[NativeEngine, FakeNative]


async def test_the_engine_returns_its_ports_and_fingerprint(pair: Pair) -> None:
    engine, native = pair
    assert (engine.workers, engine.info.udp_ports) == (2, [7081, 7082])
    assert native.config["bind"] == ["0.0.0.0", "::"]
    assert engine.counters().packets_sent == 7


async def test_commands_are_json_objects_with_a_type_and_an_increasing_id(pair: Pair) -> None:
    engine, native = pair
    opening = OpenTransport(room=1, transport=2, local=Ice("frag", "pwd"))
    choosing = SetTarget(subscription=3, target=RidTarget("h"))
    running = asyncio.ensure_future(engine.run(1, [OpenRoom(room=1), opening, choosing]))
    await asyncio.sleep(0)
    worker, commands = native.taken[0]
    assert worker == 1
    assert [command["id"] for command in commands] == [1, 2, 3]
    assert commands[1]["type"] == "open_transport"
    assert commands[1]["remote"] is None
    assert commands[2]["target"] == {"kind": "encoding", "rid": "h"}
    native.done(None, "duplicate", None)
    outcomes = await running
    assert first_error(outcomes) == CommandError("duplicate", "")


async def test_results_may_arrive_in_any_order(pair: Pair) -> None:
    engine, native = pair
    first = asyncio.ensure_future(engine.run(0, [OpenRoom(room=1)]))
    second = asyncio.ensure_future(engine.run(0, [OpenRoom(room=2)]))
    await asyncio.sleep(0)
    native.emit({"type": "done", "id": 2, "result": {"n": 2}})
    native.emit({"type": "done", "id": 1, "result": {"n": 1}})
    assert [bytes((await entry)[0].result) for entry in (first, second)] == [b'{"n":1}', b'{"n":2}']
    assert not engine._batches


async def test_a_full_queue_refuses_submitted_commands_and_queues_sent_ones(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_RETRY_S", 0.001)
    engine, native = pair
    native.full = True
    with pytest.raises(Refusal) as caught:
        await engine.run(0, [OpenRoom(room=1)])
    assert (caught.value.reason, caught.value.status) == ("overloaded", 503)
    engine.send(0, [CloseRoom(room=1)])
    engine.send(0, [CloseRoom(room=2)])
    await asyncio.sleep(0)
    native.full = False
    with pytest.raises(Refusal):  # queued commands come first
        await engine.run(0, [OpenRoom(room=3)])
    await until(lambda: native.taken != [])
    assert rooms(native) == [[1, 2]]


def rooms(native: FakeNative) -> list[list[int]]:
    """List the rooms of the commands, by batch."""
    return [[command["room"] for command in commands] for _, commands in native.taken]


async def test_sent_commands_go_with_submitted_ones_or_together(pair: Pair) -> None:
    engine, native = pair
    engine.send(0, [OpenRoom(room=1)])
    engine.send(1, [OpenRoom(room=2)])
    engine.submit(0, [OpenRoom(room=3)])
    assert rooms(native) == [[1, 3]]
    for room in range(4, 14):
        engine.send(1, [OpenRoom(room=room)])
    await asyncio.sleep(0)
    assert rooms(native) == [[1, 3], [2, *range(4, 11)], [11, 12, 13]]
    engine.send(0, [CloseRoom(room=1)])
    engine.close()
    assert rooms(native)[3:] == [[1]]
    engine.close = lambda: None  # type: ignore[method-assign]


async def test_a_command_that_the_engine_cannot_decode_is_an_internal_error(pair: Pair) -> None:
    engine, native = pair
    native.unreadable = True
    with pytest.raises(Refusal, match="internal_error"):
        await engine.run(0, [OpenRoom(room=1)])
    engine.send(0, [OpenRoom(room=-1)])
    engine.send(0, [OpenRoom(room=2)])
    native.unreadable = False
    await asyncio.sleep(0)
    assert rooms(native) == [[2]]


async def test_commands_without_an_outcome_have_the_id_0(pair: Pair) -> None:
    engine, native = pair
    engine.send(0, [OpenRoom(room=1), CloseRoom(room=1)])
    running = asyncio.ensure_future(engine.run(0, [OpenRoom(room=2)]))
    await until(lambda: native.taken != [])
    ids = [command["id"] for _, commands in native.taken for command in commands]
    assert ids == [0, 0, 1]
    native.done(None)
    assert first_error(await running) is None


async def test_a_command_timeout_is_overloaded(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_COMMAND_DEADLINE_S", 0.01)
    engine, native = pair
    with pytest.raises(Refusal, match="overloaded"):
        await engine.run(0, [OpenRoom(room=1)])
    native.done(None)
    await until(lambda: not engine._batches)


async def test_events_reach_the_handler_and_unknown_ones_are_logged(pair: Pair) -> None:
    engine, native = pair
    received: list[Event] = []
    engine.set_event_handler(received.append)
    events: Sequence[dict[str, Any]] = [
        {"type": "encoding_state", "publication": 1, "rid": "f", "active": False, "reason": "x"},
        {"type": "from_the_future", "what": 1},
        {"type": "layer_switch", "subscription": 4, "from": None, "to": "h", "reason": "r"},
    ]
    native.emit(*events)
    await until(lambda: len(received) == 2)
    assert received == [EncodingState(1, "f", False, "x"), LayerSwitched(4, None, "h", "r")]


async def test_an_exception_in_the_event_handler_does_not_drop_other_events(pair: Pair) -> None:
    engine, native = pair
    received: list[Event] = []

    def handler(event: Event) -> None:
        received.append(event)
        if len(received) == 1:
            raise RuntimeError("broken")

    engine.set_event_handler(handler)
    running = asyncio.ensure_future(engine.run(0, [OpenRoom(room=1)]))
    await asyncio.sleep(0)
    event = {"type": "encoding_state", "publication": 1, "rid": "f", "active": False}
    native.emit(event, event, {"type": "done", "id": 1})
    async with asyncio.timeout(5):
        assert first_error(await running) is None
    assert len(received) == 2


async def test_closing_cancels_pending_commands(pair: Pair) -> None:
    engine, _ = pair
    waiting = asyncio.ensure_future(engine.run(0, [OpenRoom(room=1)]))
    await asyncio.sleep(0)
    engine.close()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    engine.close = lambda: None  # type: ignore[method-assign]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("overloaded", "overloaded"),
        ("codec_unsupported", "codec_unsupported"),
        ("not_found", "internal_error"),
        ("ssrc_reused", "internal_error"),
    ],
)
def test_errors_of_the_engine_have_reason_codes(code: str, reason: str) -> None:
    assert refusal_of(CommandError(code)).reason == reason
