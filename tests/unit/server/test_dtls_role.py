"""The DTLS role of the peer is passed to the engine and kept (RFC 8842)."""

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
    """The ``setup`` of the remote parameters of all opened transports."""
    return [
        command.remote.setup
        for command in stage.engine.commands_of(OpenTransport)
        if command.remote is not None
    ]


@pytest.mark.parametrize(
    ("setup", "role"), [("actpass", "active"), ("active", "active"), ("passive", "passive")]
)
async def test_whip_and_whep_pass_the_dtls_role_to_the_engine(
    stage: Stage, setup: str, role: str
) -> None:
    for path, direction in (("/whip/demo", "sendonly"), ("/whep/demo", "recvonly")):
        url = stage.url(path)
        response = await stage.session.post(url, data=offer(setup, direction), headers=SDP)
        assert response.status == 201
        restart = stage.url(response.headers["Location"])
        restarted = await stage.session.patch(restart, data=RESTART, headers=FRAGMENT)
        assert restarted.status == 200
    assert roles(stage) == [role, role]
    assert [command.remote.setup for command in stage.engine.commands_of(RestartIce)] == [
        role,
        role,
    ]


async def test_an_answer_of_passive_sets_the_dtls_role(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    role = await bob.note("offer")
    desc = {"type": "answer", "sdp": answer_to(role["sdp"], setup="passive")}
    await bob.call("answer", desc=desc, version=role["version"])
    assert [command.remote.setup for command in stage.engine.commands_of(SetRemote)] == ["passive"]

    await stage.joined("eve")
    role = await bob.note("offer")
    desc = {"type": "answer", "sdp": answer_to(role["sdp"], setup="active")}
    with pytest.raises(RpcError) as caught:
        await bob.call("answer", desc=desc, version=role["version"])
    assert (caught.value.code, caught.value.reason) == (-32006, "setup_refused")
    desc = {"type": "answer", "sdp": answer_to(role["sdp"], setup="passive")}
    assert await bob.call("answer", desc=desc, version=role["version"]) == {}


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
