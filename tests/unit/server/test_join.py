"""Joining a room over the WebSocket: commands to the engine, notifications."""

import pytest

from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    CommandError,
    OpenRoom,
    OpenTransport,
    Publish,
)
from sfukit.signaling import sdp
from tests.unit.server.stage import RpcError, Stage, StageMaker, offer_text


async def test_join_publishes_and_answers(stage: Stage) -> None:
    member = await stage.member()
    result = await member.call(
        "join", sid="demo", uid="ann", offer={"type": "offer", "sdp": offer_text()}
    )
    assert (result["type"], result["version"], result["role"]) == ("answer", 1, "speaker")
    assert [media.direction for media in sdp.parse(result["sdp"]).media] == ["recvonly"] * 2
    assert [entry["kind"] for entry in result["publications"]] == ["audio", "video"]
    assert result["publications"][1]["rids"] == ["q", "h", "f"]
    assert len(stage.engine.commands_of(OpenRoom)) == 1
    assert len(stage.engine.commands_of(OpenTransport)) == 2
    assert [command.codec for command in stage.engine.commands_of(Publish)] == ["opus", "VP8"]


async def test_the_room_is_opened_before_its_transports(stage: Stage) -> None:
    await stage.joined("ann")
    kinds = [type(command) for command in stage.engine.commands]
    assert kinds == [OpenRoom, OpenTransport, OpenTransport, Publish, Publish]


async def test_join_without_an_offer_is_audience(stage: Stage) -> None:
    await stage.joined("ann")
    member = await stage.member()
    result = await member.call("join", sid="demo", uid="bob")
    assert "sdp" not in result
    assert result["participants"][0]["uid"] == "ann"
    assert len(result["participants"][0]["publications"]) == 2
    assert len((await member.note("offer"))["tracks"]) == 2


async def test_the_first_offer_follows_the_result(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.member()
    await bob.call("join", sid="demo", uid="bob", offer={"type": "offer", "sdp": offer_text()})
    offer = await bob.note("offer")
    assert offer["version"] == 1
    assert {track["uid"] for track in offer["tracks"]} == {"ann"}
    assert {track["source"] for track in offer["tracks"]} == {"camera", "microphone"}
    assert [media.direction for media in sdp.parse(offer["sdp"]).media] == ["sendonly"] * 2


async def test_the_same_join_again_has_the_same_result(stage: Stage) -> None:
    member = await stage.joined("ann")
    commands = len(stage.engine.commands)
    again = await member.call("join", sid="demo", uid="ann")
    assert (again["uid"], len(again["publications"])) == ("ann", 2)
    assert len(stage.engine.commands) == commands


async def test_one_connection_is_one_participant(stage: Stage) -> None:
    member = await stage.joined("ann")
    for change in ({"sid": "other", "uid": "ann"}, {"sid": "demo", "uid": "bob"}):
        with pytest.raises(RpcError) as caught:
            await member.call("join", **change)
        assert (caught.value.code, caught.value.reason) == (-32009, "already_joined")


async def test_after_leaving_one_may_join_again(stage: Stage) -> None:
    member = await stage.joined("ann")
    assert await member.call("leave") == {}
    assert await member.call("leave") == {}
    result = await member.call("join", sid="other", uid="ann")
    assert result["sid"] == "other"


async def test_a_participant_without_uid_gets_a_name(stage: Stage) -> None:
    member = await stage.member()
    result = await member.call("join", sid="demo")
    assert result["uid"].startswith("websocket-")


async def test_a_second_join_with_the_same_uid_replaces_the_first(stage: Stage) -> None:
    watcher = await stage.joined("zoe")
    first = await stage.joined("ann")
    await watcher.note("participant-joined")
    await stage.joined("ann")
    assert (await first.note("bye"))["reason"] == "replaced"
    assert await first.closed() == 4000
    assert (await watcher.note("publication-removed"))["reason"] == "replaced"
    room = stage.context.rooms.find("demo")
    assert room is not None
    assert sorted(room.participants) == ["ann", "zoe"]
    assert not [entry for entry in watcher.notifications if entry[0] == "participant-left"]


async def test_a_failed_join_does_not_replace_a_participant(stage: Stage) -> None:
    first = await stage.joined("ann")
    second = await stage.member()
    idle = offer_text().replace("a=setup:actpass", "a=setup:holdconn")
    with pytest.raises(RpcError) as caught:
        await second.call("join", sid="demo", uid="ann", offer={"type": "offer", "sdp": idle})
    assert caught.value.reason == "setup_refused"
    assert (await first.call("join", sid="demo", uid="ann"))["uid"] == "ann"


@pytest.mark.parametrize(
    ("change", "code", "reason"),
    [
        ({"sid": "a room"}, -32602, "name_invalid"),
        ({"uid": "a/b"}, -32602, "name_invalid"),
        ({"sources": {"1": "a cinema"}}, -32602, "name_invalid"),
        ({"offer": {"type": "offer", "sdp": "v=0\r\nnonsense"}}, -32006, "sdp_malformed"),
        ({"offer": {"type": "answer", "sdp": "v=0"}}, -32602, None),
        ({"offer": {"type": "offer"}}, -32602, None),
        ({"sid": 5}, -32602, None),
    ],
)
async def test_join_errors_have_reason_codes(
    stage: Stage, change: dict[str, object], code: int, reason: str | None
) -> None:
    member = await stage.member()
    offer = {"type": "offer", "sdp": offer_text()}
    with pytest.raises(RpcError) as caught:
        await member.call("join", **{"sid": "demo", "uid": "ann", "offer": offer, **change})
    assert (caught.value.code, caught.value.reason) == (code, reason)
    assert stage.context.rooms.population == 0


async def test_malformed_sdp_is_refused_with_its_line(stage: Stage) -> None:
    member = await stage.member()
    with pytest.raises(RpcError) as caught:
        await member.call("join", sid="demo", offer={"type": "offer", "sdp": "v=0\r\nnonsense"})
    assert caught.value.data["line"] == 2


async def test_a_join_that_the_engine_refuses_leaves_no_state(make_stage: StageMaker) -> None:
    def judge(command: Command) -> CommandError | None:
        return CommandError("codec_unsupported", "no") if isinstance(command, Publish) else None

    stage = await make_stage(MockEngine(error_of=judge))
    member = await stage.member()
    with pytest.raises(RpcError) as caught:
        await member.call("join", sid="demo", offer={"type": "offer", "sdp": offer_text()})
    assert caught.value.reason == "codec_unsupported"
    opened = {command.transport for command in stage.engine.commands_of(OpenTransport)}
    assert {command.transport for command in stage.engine.commands_of(CloseTransport)} == opened
    assert not stage.context.core.transports
    assert stage.context.rooms.population == 0


async def test_with_no_subscribe_there_is_no_offer(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob", config={"no_subscribe": True})
    assert len(stage.engine.commands_of(OpenTransport)) == 3
    with pytest.raises(RpcError, match="subscribe_denied"):
        await bob.call("subscribe", publications=[1])
