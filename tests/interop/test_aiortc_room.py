"""Two aiortc members meet in a room; each sees and hears the other."""

import asyncio

import pytest

from tests.interop import peers
from tests.interop.member import Member, RpcError, member
from tests.interop.server import Server

FRAMES = 45
AUDIO_BLOCKS = 120
LEAST_DB = 35.0
GCM = "SRTP_AEAD_AES_128_GCM"


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


async def see_and_hear(one: Member, other: str, source: peers.DrawnVideo) -> None:
    pictures = await one.track(other, "video")
    sound = await one.track(other, "audio")
    seen, loudest = await asyncio.gather(
        peers.watch(pictures, source, FRAMES), peers.listen(sound, AUDIO_BLOCKS)
    )
    seen.assert_is_the_scene(LEAST_DB)
    assert loudest > 3000


async def test_two_members_see_and_hear_each_other(server: Server) -> None:
    drawn = {"ann": peers.DrawnVideo(), "bob": peers.DrawnVideo()}
    async with member(server.websocket, "ann") as ann, member(server.websocket, "bob") as bob:
        await ann.join("pair", [peers.DrawnAudio(), drawn["ann"]])
        joined = await bob.join("pair", [peers.DrawnAudio(), drawn["bob"]])
        assert [p["uid"] for p in joined["participants"]] == ["ann"]
        await ann.noticed("participant-joined", uid="bob")

        await asyncio.gather(
            see_and_hear(ann, "bob", drawn["bob"]), see_and_hear(bob, "ann", drawn["ann"])
        )
        for one in (ann, bob):
            assert peers.srtp_profile(one.publishing) == GCM
            assert peers.srtp_profile(one.subscribing) == GCM

        await bob.call("leave")
        await ann.noticed("participant-left", uid="bob")


async def test_the_audience_hears_of_a_publisher_that_comes_later(server: Server) -> None:
    async with member(server.websocket, "cat") as cat, member(server.websocket, "dan") as dan:
        await cat.join("late")
        drawn = peers.DrawnVideo()
        await dan.join("late", [drawn])
        await cat.noticed("publication-added", uid="dan", kind="video")
        seen = await peers.watch(await cat.track("dan", "video"), drawn, FRAMES)
        seen.assert_is_the_scene(LEAST_DB)


async def test_a_refusal_says_why(server: Server) -> None:
    async with member(server.websocket, "eve") as eve:
        with pytest.raises(RpcError, match="not_joined"):
            await eve.call("subscribe", publications=[1])
