"""Joining a room over the WebSocket: what the engine is told, what the participant is told."""

from sfukit.server.native_messages import OpenRoom, OpenTransport, Publish
from sfukit.signaling import sdp
from tests.unit.server.stage import Stage, offer_text


async def test_join_publishes_and_answers(stage: Stage) -> None:
    member = await stage.member()
    result = await member.call(
        "join", sid="demo", uid="ann", offer={"type": "offer", "sdp": offer_text()}
    )
    assert result["type"] == "answer"
    assert [media.direction for media in sdp.parse(result["sdp"]).media] == ["recvonly"] * 2
    assert [entry["kind"] for entry in result["publications"]] == ["audio", "video"]
    assert len(stage.engine.of(OpenRoom)) == 1
    assert len(stage.engine.of(OpenTransport)) == 2
    assert [command.codec for command in stage.engine.of(Publish)] == ["opus", "VP8"]


async def test_second_participant_is_offered_what_the_first_publishes(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    offer = await bob.note("offer")
    assert offer["version"] == 1
    assert {track["uid"] for track in offer["tracks"]} == {"ann"}
    assert [media.direction for media in sdp.parse(offer["sdp"]).media] == ["sendonly"] * 2
