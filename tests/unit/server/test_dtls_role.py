"""The DTLS role that a peer leaves to the server goes to the engine and stays (RFC 8842)."""

import pytest

from sfukit.server.native_messages import OpenTransport, RestartIce, SetRemote
from tests.unit.server.stage import RpcError, Stage
from tests.unit.signaling.descriptions import answer_to, audio, offer_of, video

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"}
RESTART = f"a=ice-ufrag:efgh\r\na=ice-pwd:{'z' * 24}\r\n"


def offer(setup: str, direction: str = "sendonly", ufrag: str = "abcd") -> str:
    lines = audio(direction=direction), video(direction=direction)
    return offer_of(*lines, setup=setup, ufrag=ufrag)


def roles(stage: Stage) -> list[str]:
    """The peers' setups that the engine was told with new transports."""
    return [
        command.remote.setup
        for command in stage.engine.commands_of(OpenTransport)
        if command.remote is not None
    ]


@pytest.mark.parametrize(
    ("setup", "told"), [("actpass", "active"), ("active", "active"), ("passive", "passive")]
)
async def test_whip_and_whep_tell_the_engine_the_role(stage: Stage, setup: str, told: str) -> None:
    for path, direction in (("/whip/demo", "sendonly"), ("/whep/demo", "recvonly")):
        url = stage.url(path)
        response = await stage.session.post(url, data=offer(setup, direction), headers=SDP)
        assert response.status == 201
        restart = stage.url(response.headers["Location"])
        restarted = await stage.session.patch(restart, data=RESTART, headers=FRAGMENT)
        assert restarted.status == 200
    assert roles(stage) == [told, told]
    assert [command.remote.setup for command in stage.engine.commands_of(RestartIce)] == [
        told,
        told,
    ]


async def test_a_member_that_answers_passive_is_received(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    told = await bob.note("offer")
    desc = {"type": "answer", "sdp": answer_to(told["sdp"], setup="passive")}
    await bob.call("answer", desc=desc, version=told["version"])
    assert [command.remote.setup for command in stage.engine.commands_of(SetRemote)] == ["passive"]

    await stage.joined("eve")
    told = await bob.note("offer")
    desc = {"type": "answer", "sdp": answer_to(told["sdp"], setup="active")}
    with pytest.raises(RpcError) as caught:
        await bob.call("answer", desc=desc, version=told["version"])
    assert (caught.value.code, caught.value.reason) == (-32006, "setup_refused")
    desc = {"type": "answer", "sdp": answer_to(told["sdp"], setup="passive")}
    assert await bob.call("answer", desc=desc, version=told["version"]) == {}


async def test_a_publisher_in_a_room_keeps_its_role(stage: Stage) -> None:
    ann = await stage.member()
    desc = {"type": "offer", "sdp": offer("passive")}
    joined = await ann.call("join", sid="demo", uid="ann", offer=desc)
    assert "a=setup:active\r\n" in joined["sdp"]
    with pytest.raises(RpcError) as caught:
        await ann.call("offer", desc={"type": "offer", "sdp": offer("active")})
    assert caught.value.reason == "setup_refused"
    renewed = {"type": "offer", "sdp": offer("actpass", ufrag="efgh")}
    assert "a=setup:active\r\n" in (await ann.call("offer", desc=renewed))["sdp"]
    assert roles(stage) == ["passive"]
    assert [command.remote.setup for command in stage.engine.commands_of(RestartIce)] == ["passive"]
