"""The signaling channel: framing, limits, closing."""

import asyncio
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest
from aiohttp import WSMsgType

from sfukit.server import rpc_session
from sfukit.server.settings import Limits, MethodLimits, Rate, Timing
from tests.unit.server.stage import RpcError, Stage, StageMaker, until


async def exchange(stage: Stage, *frames: str) -> list[Any]:
    """Send raw frames; return the responses before that of a marker request."""
    marker = '{"jsonrpc":"2.0","method":"leave","id":"end"}'
    answers = []
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        for frame in (*frames, marker):
            await socket.send_str(frame)
        async for message in socket:
            content = msgspec.json.decode(message.data)
            if isinstance(content, dict) and content.get("id") == "end":
                break
            answers.append(content)
    return answers


async def test_a_notification_is_never_answered_not_even_by_an_error(stage: Stage) -> None:
    frames = [
        '{"jsonrpc":"2.0","method":"leave"}',
        '{"jsonrpc":"2.0","method":"wibble"}',
        '{"jsonrpc":"2.0","method":"join","params":{"sid":"a b"}}',
    ]
    assert await exchange(stage, *frames) == []


async def test_errors_have_the_codes_of_the_standard(stage: Stage) -> None:
    answers = await exchange(
        stage,
        "{",
        '{"jsonrpc":"2.0","id":1}',
        '{"jsonrpc":"2.0","method":"wibble","id":2}',
        '{"jsonrpc":"2.0","method":"join","params":[],"id":3}',
        '{"jsonrpc":"2.0","method":"join","params":{},"id":4}',
        '{"jsonrpc":"2.0","method":"stats","id":5}',
    )
    codes = [answer["error"]["code"] for answer in answers]
    assert codes == [-32700, -32600, -32601, -32602, -32602, -32003]
    assert [answer["id"] for answer in answers] == [None, None, 2, 3, 4, 5]


async def test_a_batch_is_answered_by_a_batch_without_its_notifications(stage: Stage) -> None:
    leave = '{"jsonrpc":"2.0","method":"leave"%s}'
    batch = "[" + ",".join([leave % ',"id":1', leave % "", leave % ',"id":2']) + "]"
    only_notes = "[" + leave % "" + "]"
    answers = await exchange(stage, batch, only_notes)
    assert [[entry["id"] for entry in answer] for answer in answers] == [[1, 2]]


async def test_binary_frames_of_json_are_accepted(stage: Stage) -> None:
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        await socket.send_bytes(b'{"jsonrpc":"2.0","method":"leave","id":1}')
        assert msgspec.json.decode((await socket.receive()).data)["result"] == {}


async def test_the_subprotocol_is_negotiated_or_absent(stage: Stage) -> None:
    async with stage.session.ws_connect(stage.url("/ws"), protocols=["sfukit.jsonrpc"]) as socket:
        assert socket.protocol == "sfukit.jsonrpc"
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        assert socket.protocol is None


async def test_a_frame_that_is_too_large_ends_the_connection(stage: Stage) -> None:
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        await socket.send_str("x" * (rpc_session.jsonrpc.MAX_FRAME_BYTES + 1))
        message = await socket.receive()
        assert (message.type, socket.close_code) == (WSMsgType.CLOSE, 1009)


@pytest.mark.parametrize(
    "frame",
    [
        "nonsense",
        '{"jsonrpc":"2.0","method":"wibble"}',
        '{"jsonrpc":"2.0","method":"stats"}',
        '{"jsonrpc":"2.0","method":"join","params":{"sid":"a b"}}',
        "[" + ",".join(['{"jsonrpc":"2.0","method":"mute","params":{}}'] * 50) + "]",
    ],
)
async def test_a_websocket_with_too_many_errors_is_closed(
    make_stage: StageMaker, frame: str
) -> None:
    stage = await make_stage(limits=Limits(errors=Rate(1e-6, 50)))
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        for _ in range(51):
            await socket.send_str(frame)
        async for _ in socket:
            pass
        assert socket.close_code == 4008


async def test_a_connection_that_ignores_rate_limits_is_closed(make_stage: StageMaker) -> None:
    limits = Limits(requests=Rate(1e-6, 1), excess=Rate(1e-6, 10), errors=Rate(1e-6, 1))
    stage = await make_stage(limits=limits)
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        frame = '{"jsonrpc":"2.0","method":"leave","id":1}'
        for _ in range(13):
            await socket.send_str(frame)
        answers = [msgspec.json.decode(message.data) async for message in socket]
        assert socket.close_code == 4008
    assert [answer["error"]["code"] for answer in answers if "error" in answer] == [-32008] * 10
    assert answers[1]["error"]["data"]["reason"] == "rate_limited"
    assert answers[1]["error"]["data"]["retry_after_s"] >= 1
    assert answers[-1]["params"] == {"reason": "too_many_errors"}


async def test_pings_are_answered_within_the_limits(make_stage: StageMaker) -> None:
    limits = Limits(requests=Rate(1e-6, 3.5), excess=Rate(1e-6, 5))
    stage = await make_stage(limits=limits)
    async with stage.session.ws_connect(stage.url("/ws"), autoping=False) as socket:
        for _ in range(9):
            await socket.ping(b"a")
        answers = [await socket.receive() for _ in range(5)]
        assert [answer.type for answer in answers[:3]] == [WSMsgType.PONG] * 3
        assert answers[0].data == b"a"
        assert msgspec.json.decode(answers[3].data)["params"] == {"reason": "too_many_errors"}
        assert socket.close_code == 4008


async def test_a_heartbeat_that_is_answered_keeps_the_connection(make_stage: StageMaker) -> None:
    stage = await make_stage(timing=Timing(ping_s=0.2))
    async with stage.session.ws_connect(stage.url("/ws"), autoping=False) as socket:
        for _ in range(4):
            ping = await socket.receive(5)
            assert ping.type is WSMsgType.PING
            await socket.pong(ping.data)
        await socket.send_str('{"jsonrpc":"2.0","method":"leave","id":1}')
        answers = [await socket.receive(5) for _ in range(2)]
        assert WSMsgType.TEXT in [answer.type for answer in answers]


async def test_a_heartbeat_that_is_not_answered_ends_the_connection(
    make_stage: StageMaker,
) -> None:
    stage = await make_stage(timing=Timing(ping_s=0.2))
    async with stage.session.ws_connect(stage.url("/ws"), autoping=False):
        await until(lambda: len(stage.context.channels) == 1)
        await until(lambda: len(stage.context.channels) == 0)


async def test_each_method_has_a_separate_limit(make_stage: StageMaker) -> None:
    methods = MethodLimits(subscribe=Rate(1e-6, 1), other=Rate(1e-6, 2))
    stage = await make_stage(limits=Limits(methods=methods))
    ann = await stage.joined("ann")
    with pytest.raises(RpcError, match="rate_limited"):
        for _ in range(2):
            await ann.call("subscribe", publications=[])
    assert await ann.call("message", data=1) == {"delivered": 0}
    for _ in range(2):
        await ann.call("leave")
    with pytest.raises(RpcError, match="rate_limited"):
        await ann.call("leave")


async def test_a_message_counts_its_bytes_per_recipient(make_stage: StageMaker) -> None:
    stage = await make_stage(limits=Limits(message_bytes=Rate(1e-6, 3_000)))
    ann, bob, _eve = [await stage.joined(uid) for uid in ("ann", "bob", "eve")]
    assert await ann.call("message", data="x" * 1_000) == {"delivered": 2}
    with pytest.raises(RpcError, match="rate_limited"):
        await ann.call("message", data="x" * 1_000)
    assert await bob.call("message", data="x" * 2_500, to="ann") == {"delivered": 1}


async def test_a_large_frame_counts_as_several_requests(make_stage: StageMaker) -> None:
    stage = await make_stage(limits=Limits(requests=Rate(1e-6, 10)))
    member = await stage.member()
    assert await member.call("leave", padding="x" * 50_000) == {}
    with pytest.raises(RpcError, match="rate_limited"):
        await member.call("leave")


async def test_a_burst_of_messages_does_not_close_recipients(stage: Stage) -> None:
    """All frames arrive in one socket read."""
    ann = await stage.joined("ann", config={"no_subscribe": True})
    others = [await stage.joined(f"reader{number}") for number in range(3)]
    frame = '{"jsonrpc":"2.0","method":"message","params":{"data":1}}'
    batch = "[" + ",".join([frame] * 50) + "]"
    written: list[bytes] = []
    writer = ann.socket._writer
    assert writer is not None
    transport, writer.transport = writer.transport, Mock(is_closing=lambda: False)
    writer.transport.write = lambda data: written.append(bytes(data))
    for _ in range(25):
        await ann.socket.send_str(batch)
    writer.transport = transport
    transport.write(b"".join(written))
    with pytest.raises(RpcError, match="rate_limited"):
        await ann.call("message", data=2)
    for reader in others:
        assert await reader.call("leave") == {}
    assert [reader.socket.close_code for reader in others] == [None] * 3
    assert stage.context.metrics.participants_ended.labels("slow_reader")._value.get() == 0


async def test_other_connections_are_served_during_a_batch(stage: Stage) -> None:
    ann = await stage.joined("ann", config={"no_subscribe": True})
    bob = await stage.member()
    turns = []
    loop = asyncio.get_running_loop()

    def turn() -> None:
        turns.append(len(answered))
        if len(answered) < 50:
            loop.call_soon(turn)

    answered: list[str] = []
    call = rpc_session.Methods.call

    async def counting(methods: Any, method: str, params: Any) -> Any:
        answered.append(method)
        return await call(methods, method, params)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(rpc_session.Methods, "call", counting)
        loop.call_soon(turn)
        await bob.socket.send_str("[" + ",".join(['{"jsonrpc":"2.0","method":"leave"}'] * 50) + "]")
        await until(lambda: len(answered) == 50)
    assert len(set(turns)) > 25  # the loop ran between the entries of the batch
    assert await ann.call("leave") == {}


async def test_a_websocket_that_never_joins_is_closed(make_stage: StageMaker) -> None:
    stage = await make_stage(timing=Timing(negotiation_s=0.1))
    member = await stage.member()
    assert (await member.note("bye"))["reason"] == "negotiation_timeout"
    assert await member.closed() == 4003


async def test_a_slow_reader_is_removed_and_others_are_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_session, "_CLOSE_TIMEOUT_S", 0.1)
    ann = await stage.joined("ann", config={"no_subscribe": True})
    deaf = await stage.session.ws_connect(stage.url("/ws"))
    await deaf.send_str(
        '{"jsonrpc":"2.0","method":"join","id":1,"params":{"sid":"demo","uid":"deaf"}}'
    )
    await ann.note("participant-joined")
    transport = deaf._response.connection.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.pause_reading()
    room = stage.context.rooms.find("demo")
    assert room is not None
    await until(lambda: "deaf" in room.participants)
    text = b'"' + b"x" * 100_000 + b'"'
    for _ in range(100):
        room.participants["deaf"].send(text, lossy=True)
    assert stage.context.metrics.queue_dropped._value.get() >= 89
    assert room.participants["deaf"].leave_reason is None
    for _ in range(11):
        room.participants["deaf"].send(text)
    left = await ann.note("participant-left")
    assert left == {"uid": "deaf", "reason": "slow_reader"}
    transport.abort()
    assert (await ann.call("message", data="still here"))["delivered"] == 0


async def test_the_messages_of_one_iteration_of_the_event_loop_are_written_together(
    stage: Stage,
) -> None:
    ann = await stage.joined("ann")
    (session,) = stage.context.channels
    assert isinstance(session, rpc_session.RpcSession)
    session._transport = Mock(wraps=session._transport)
    for number in range(3):
        session.notify("test", {"number": number})
    assert [(await ann.note("test"))["number"] for _ in range(3)] == [0, 1, 2]
    assert session._transport.write.call_count == 1


async def test_nothing_is_written_behind_the_close_frame(stage: Stage) -> None:
    ann = await stage.joined("ann")
    (session,) = stage.context.channels
    assert isinstance(session, rpc_session.RpcSession)
    session._transport = Mock(wraps=session._transport)
    session.close("removed")
    session.notify("test", {})
    session._flush()
    assert (await ann.note("bye"))["reason"] == "removed"
    assert await ann.closed() == 4006
    session._flush()
    assert session._transport.write.call_count == 1


async def test_a_lost_connection_is_a_leave(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob")
    await ann.note("participant-joined")
    await bob.socket.close()
    assert await ann.note("participant-left") == {"uid": "bob", "reason": "connection_lost"}


async def test_messages_reach_all_others_or_one(stage: Stage) -> None:
    ann, bob, eve = [await stage.joined(uid) for uid in ("ann", "bob", "eve")]
    assert await ann.call("message", data={"n": [1, None]}, topic="chat") == {"delivered": 2}
    assert await bob.note("message") == {"from": "ann", "topic": "chat", "data": {"n": [1, None]}}
    assert await eve.note("message")
    assert await ann.call("message", data=1, to="bob") == {"delivered": 1}
    with pytest.raises(RpcError, match="participant_unknown"):
        await ann.call("message", data=1, to="zoe")
    with pytest.raises(RpcError, match="message_too_large"):
        await ann.call("message", data="x" * 17_000)
    await eve.call("message", data=1, to="ann")  # its response follows earlier messages
    assert [note[0] for note in eve.notifications].count("message") == 0


async def test_messages_are_lossy_and_notifications_are_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[bool, bytes]] = []
    put = rpc_session.Outbox.put

    def noting(outbox: Any, message: bytes, *, lossy: bool = False, **more: Any) -> bool:
        told.append((lossy, message))
        return put(outbox, message, lossy=lossy, **more)

    monkeypatch.setattr(rpc_session.Outbox, "put", noting)
    ann, bob = [await stage.joined(uid) for uid in ("ann", "bob")]
    await ann.call("message", data="hello")
    assert await bob.note("message")
    assert {lossy for lossy, message in told if b'"hello"' in message} == {True}
    assert {lossy for lossy, message in told if b'"hello"' not in message} == {False}


async def test_trickled_candidates_are_validated_only(stage: Stage) -> None:
    ann = await stage.joined("ann")
    line = "candidate:1 1 udp 1 0e7ff1f7.local 54321 typ host"
    candidate = {"candidate": line, "sdpMid": "0", "sdpMLineIndex": 0}
    before = len(stage.engine.commands)
    assert await ann.call("trickle", target=0, candidate=candidate) == {}
    assert await ann.call("trickle", target=1, candidate={"candidate": ""}) == {}
    assert await ann.call("trickle", target=1, candidate=None) == {}
    assert len(stage.engine.commands) == before
    with pytest.raises(RpcError) as caught:
        await ann.call("trickle", target=0, candidate={"candidate": "wibble"})
    assert (caught.value.code, caught.value.reason) == (-32602, "candidate_malformed")
    with pytest.raises(RpcError) as caught:
        await ann.call("trickle", target=2, candidate=candidate)
    assert caught.value.code == -32602


async def test_stats_are_those_of_the_participant(stage: Stage) -> None:
    from sfukit.server.native_messages import RoomStats

    ann = await stage.joined("ann")
    await stage.joined("bob")
    stage.engine.results[RoomStats] = msgspec.json.encode(
        {
            "transports": [{"transport": number, "rtt_ms": number} for number in (1, 2, 3, 4)],
            "publications": [{"publication": number, "encodings": []} for number in (1, 2, 3, 4)],
            "subscriptions": [{"subscription": 9, "rid": "h"}],
        }
    )
    stats = await ann.call("stats")
    assert [row["publication"] for row in stats["publications"]] == [1, 2]
    assert [row["target"] for row in stats["transports"]] == [1, 0]
    assert stats["subscriptions"] == []
    await ann.call("stats")
    assert len(stage.engine.commands_of(RoomStats)) == 1


async def test_an_exception_is_an_internal_error_and_the_websocket_stays_open(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await stage.joined("ann")
    monkeypatch.setattr(stage.engine, "run", None)
    with pytest.raises(RpcError) as caught:
        await ann.call("stats")
    assert caught.value.code == -32603
    assert await ann.call("leave") == {}
