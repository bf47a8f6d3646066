"""Data channels in rooms: when they are offered, who may send, and where messages go."""

from typing import Any

import msgspec

from sfukit.server.native_messages import (
    DataChannelClosed,
    DataMessage,
    DataMessages,
    DataWanted,
    OpenTransport,
    SendMessages,
    SetData,
)
from sfukit.signaling import sdp
from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.unit.server.stage import Stage, StageMaker, until
from tests.unit.server.test_subscribe_connection import answer
from tests.unit.signaling.descriptions import offer_of, video
from tests.unit.signaling.test_data_section import DATA

SECRET = "a-secret-of-at-least-thirty-two-bytes"


async def joined_with_data(stage: Stage, uid: str, **params: Any) -> SetData:
    """Join with data channels; return the command that began them."""
    desc = {"type": "offer", "sdp": offer_of(video(), DATA)}
    member = await stage.member()
    await member.call("join", sid="demo", uid=uid, offer=desc, **params)
    command = stage.engine.commands_of(SetData)[-1]
    assert isinstance(command, SetData)
    return command


def sent(stage: Stage) -> list[tuple[list[int], Any]]:
    """List the messages that were sent by channels, with their transports."""
    commands = stage.engine.commands_of(SendMessages)
    return [(entry.transports, msgspec.json.decode(entry.text)) for entry in commands]


async def test_after_the_first_channel_all_participants_are_offered_one(stage: Stage) -> None:
    bob = await stage.joined("bob", offer=None)
    ann = await joined_with_data(stage, "ann")
    assert ann.data.send
    assert ann.data.negotiated
    assert not ann.data.receive
    await answer(bob)
    stage.engine.emit(DataWanted(room=1))
    offer = await answer(bob)
    kinds = [media.kind for media in sdp.parse(offer["sdp"]).media]
    assert kinds == ["video", "application"]
    command = stage.engine.commands_of(SetData)[-1]
    opened = stage.engine.commands_of(OpenTransport)[0]
    assert (command.transport, command.data.receive) == (opened.transport, True)
    assert (opened.data.negotiated, command.data.negotiated) == (False, True)
    late = await stage.joined("late")
    assert "m=application" in (await late.note("offer"))["sdp"]


async def test_an_offer_without_them_ends_them(stage: Stage) -> None:
    desc = {"type": "offer", "sdp": offer_of(video(), DATA)}
    member = await stage.member()
    await member.call("join", sid="demo", uid="ann", offer=desc)
    desc = {"type": "offer", "sdp": offer_of(video(), DATA.replace(" 9 ", " 0 "), bundle=False)}
    await member.call("offer", desc=desc)
    begun, ended = stage.engine.commands_of(SetData)
    assert (begun.data.negotiated, begun.data.send) == (True, True)
    assert (ended.data.negotiated, ended.data.send) == (False, False)
    await member.call("offer", desc=desc)
    assert len(stage.engine.commands_of(SetData)) == 2


async def test_without_can_publish_data_nothing_may_be_sent(make_stage: StageMaker) -> None:
    stage = await make_stage(api_keys={"key": SECRET})
    grants = VideoGrants(room="demo", room_create=True, room_join=True, can_publish_data=False)
    token = sign(claims_for("key", "ann", grants, valid_s=60), SECRET)
    member = await stage.member(headers={"Authorization": f"Bearer {token}"})
    desc = {"type": "offer", "sdp": offer_of(video(), DATA)}
    await member.call("join", sid="demo", offer=desc)
    [command] = stage.engine.commands_of(SetData)
    assert (command.data.send, command.data.name) == (False, "ann")
    stage.engine.emit(DataChannelClosed(command.transport, "chat", "data_denied"))
    note = await member.note("data-channel-closed")
    assert note == {"target": 0, "label": "chat", "reason": "data_denied"}


async def test_a_message_arrives_once_by_channel_or_websocket(stage: Stage) -> None:
    ann = await joined_with_data(stage, "ann")
    bob = await stage.joined("bob")
    await stage.joined("cat")
    stage.engine.emit(DataMessages(ann.transport, open=True))
    await bob.call("message", data=[1], topic="t")
    assert sent(stage) == [([ann.transport], {"from": "bob", "topic": "t", "data": [1]})]
    stage.engine.emit(DataMessage(ann.transport, '{"data": [2], "to": "bob"}'))
    assert (await bob.note("message"))["data"] == [2]
    stage.engine.emit(DataMessages(ann.transport, open=False))
    await bob.call("message", data=[3])
    assert len(sent(stage)) == 1


async def test_a_refused_message_is_answered_on_its_channel(stage: Stage) -> None:
    ann = await joined_with_data(stage, "ann")
    stage.engine.emit(DataMessages(ann.transport, open=True))
    for text in ("no JSON", '{"data": 1, "to": "zoe"}', '{"data": "%s"}' % ("x" * 16_400)):
        stage.engine.emit(DataMessage(ann.transport, text))
    await until(lambda: len(sent(stage)) == 3)
    errors = [content["error"] for _, content in sent(stage)]
    assert errors == ["message_invalid", "participant_unknown", "message_too_large"]


async def test_messages_of_a_channel_are_limited(stage: Stage) -> None:
    ann = await joined_with_data(stage, "ann")
    stage.engine.emit(DataMessages(ann.transport, open=True))
    await stage.joined("bob")
    for _ in range(3_000):
        stage.engine.emit(DataMessage(ann.transport, '{"data": "%s"}' % ("x" * 16_000)))
    assert {content["error"] for _, content in sent(stage)} == {"rate_limited"}
