"""The WebSocket itself: framing, bounds, and hanging up."""

from typing import Any

import msgspec
import pytest
from aiohttp import WSMsgType

from sfukit.server import rpc_session
from sfukit.server.settings import Timing
from tests.unit.server.stage import RpcError, Stage, StageMaker


async def exchange(stage: Stage, *frames: str) -> list[Any]:
    """Send frames as they are; return what comes back until a marker is answered."""
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


async def test_binary_frames_of_json_are_understood(stage: Stage) -> None:
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        await socket.send_bytes(b'{"jsonrpc":"2.0","method":"leave","id":1}')
        assert msgspec.json.decode((await socket.receive()).data)["result"] == {}


async def test_the_subprotocol_is_agreed_on_or_absent(stage: Stage) -> None:
    async with stage.session.ws_connect(stage.url("/ws"), protocols=["sfukit.jsonrpc"]) as socket:
        assert socket.protocol == "sfukit.jsonrpc"
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        assert socket.protocol is None


async def test_a_frame_that_is_too_large_ends_the_connection(stage: Stage) -> None:
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        await socket.send_str("x" * (rpc_session.jsonrpc.MAX_FRAME_BYTES + 1))
        message = await socket.receive()
        assert (message.type, socket.close_code) == (WSMsgType.CLOSE, 1009)


async def test_who_sends_nonsense_only_is_hung_up_on(stage: Stage) -> None:
    async with stage.session.ws_connect(stage.url("/ws")) as socket:
        for _ in range(rpc_session.MAX_INVALID):
            await socket.send_str("nonsense")
        async for _ in socket:
            pass
        assert socket.close_code == 4008


async def test_who_connects_and_never_joins_is_hung_up_on(make_stage: StageMaker) -> None:
    stage = await make_stage(timing=Timing(negotiation_s=0.1))
    member = await stage.member()
    assert (await member.note("bye"))["reason"] == "negotiation_timeout"
    assert await member.closed() == 4003


async def test_a_participant_that_never_reads_is_dropped_and_others_are_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc_session, "_HANGUP_S", 0.1)
    ann = await stage.joined("ann", config={"no_subscribe": True})
    deaf = await stage.session.ws_connect(stage.url("/ws"))
    await deaf.send_str(
        '{"jsonrpc":"2.0","method":"join","id":1,"params":{"sid":"demo","uid":"deaf"}}'
    )
    await ann.note("participant-joined")
    transport = deaf._response.connection.transport  # type: ignore[union-attr]
    assert transport is not None
    transport.pause_reading()
    text = "x" * 15_000
    left = None
    for _ in range(2_000):
        await ann.call("message", data=text)
        left = next((note for note in ann.notes if note[0] == "participant-left"), None)
        if left:
            break
    assert left is not None
    assert left[1] == {"uid": "deaf", "reason": "slow_reader"}
    exposition = stage.house.metrics.exposition().decode()
    assert "sfukit_signal_queue_dropped_total 0.0" not in exposition
    transport.abort()
    assert (await ann.call("message", data="still here"))["delivered"] == 0


async def test_a_connection_that_breaks_is_a_leave(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob")
    await ann.note("participant-joined")
    await bob.socket.close()
    assert await ann.note("participant-left") == {"uid": "bob", "reason": "connection_lost"}


async def test_messages_reach_everyone_else_or_one(stage: Stage) -> None:
    ann, bob, eve = [await stage.joined(uid) for uid in ("ann", "bob", "eve")]
    assert await ann.call("message", data={"n": [1, None]}, topic="chat") == {"delivered": 2}
    assert await bob.note("message") == {"from": "ann", "topic": "chat", "data": {"n": [1, None]}}
    assert await eve.note("message")
    assert await ann.call("message", data=1, to="bob") == {"delivered": 1}
    with pytest.raises(RpcError, match="participant_unknown"):
        await ann.call("message", data=1, to="zoe")
    with pytest.raises(RpcError, match="message_too_large"):
        await ann.call("message", data="x" * 17_000)
    await eve.call("message", data=1, to="ann")  # its result comes after what was sent before
    assert [note[0] for note in eve.notes].count("message") == 0


async def test_trickled_candidates_are_checked_and_not_needed(stage: Stage) -> None:
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
    stage.engine.answers[RoomStats] = msgspec.json.encode(
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
    assert len(stage.engine.of(RoomStats)) == 1


async def test_a_fault_of_ours_is_an_internal_error_and_the_connection_lives(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann = await stage.joined("ann")
    monkeypatch.setattr(stage.engine, "run", None)
    with pytest.raises(RpcError) as caught:
        await ann.call("stats")
    assert caught.value.code == -32603
    assert await ann.call("leave") == {}
