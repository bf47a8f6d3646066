"""Two participants made of aiortc in a room; each receives video and audio of the other."""

import asyncio

import pytest

from tests.interop import peers
from tests.interop.participant import Participant, RpcError, participant
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

FRAMES = 45
AUDIO_BLOCKS = 120
LEAST_DB = 35.0
GCM = "SRTP_AEAD_AES_128_GCM"


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


async def receives(client: Participant, publisher: str, source: peers.SceneTrack) -> None:
    video = await client.track(publisher, "video")
    audio = await client.track(publisher, "audio")
    received, peak = await asyncio.gather(
        peers.receive_video(video, source, FRAMES), peers.receive_audio(audio, AUDIO_BLOCKS)
    )
    received.assert_matches_scene(LEAST_DB)
    assert peak > 3000


async def test_two_participants_receive_each_other(server: Server) -> None:
    sources = {"ann": peers.SceneTrack(), "bob": peers.SceneTrack()}
    async with (
        participant(server.websocket, "ann") as ann,
        participant(server.websocket, "bob") as bob,
    ):
        await ann.join("pair", [peers.SpeechTrack(), sources["ann"]])
        joined = await bob.join("pair", [peers.SpeechTrack(), sources["bob"]])
        assert [p["uid"] for p in joined["participants"]] == ["ann"]
        await ann.notification("participant-joined", uid="bob")

        await asyncio.gather(
            receives(ann, "bob", sources["bob"]), receives(bob, "ann", sources["ann"])
        )
        for one in (ann, bob):
            assert peers.srtp_profile(one.publishing) == GCM
            assert peers.srtp_profile(one.subscribing) == GCM

        await bob.call("leave")
        await ann.notification("participant-left", uid="bob")


async def test_the_audience_is_notified_of_a_later_publisher(server: Server) -> None:
    async with (
        participant(server.websocket, "cat") as cat,
        participant(server.websocket, "dan") as dan,
    ):
        await cat.join("late")
        source = peers.SceneTrack()
        await dan.join("late", [source])
        await cat.notification("publication-added", uid="dan", kind="video")
        received = await peers.receive_video(await cat.track("dan", "video"), source, FRAMES)
        received.assert_matches_scene(LEAST_DB)


async def test_a_refusal_has_a_reason(server: Server) -> None:
    async with participant(server.websocket, "eve") as eve:
        with pytest.raises(RpcError, match="not_joined"):
            await eve.call("subscribe", publications=[1])
