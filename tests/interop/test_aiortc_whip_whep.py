"""aiortc publishes by WHIP and plays by WHEP; the decoded frames are those of the scene."""

import asyncio

import pytest
from aiortc import RTCPeerConnection

from tests.interop import peers
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

FRAMES = 45
AUDIO_BLOCKS = 120
LEAST_DB = 35.0


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_published_video_and_audio_are_received(server: Server, codec: str) -> None:
    room = f"aiortc-{codec}"
    publisher, viewer = RTCPeerConnection(), RTCPeerConnection()
    video, audio = peers.SceneTrack(), peers.SpeechTrack()
    for track in (audio, video):
        publisher.addTransceiver(track, direction="sendonly")
    for kind in ("audio", "video"):
        viewer.addTransceiver(kind, direction="recvonly")
    peers.prefer(publisher, codec)

    async with (
        peers.session(publisher, server.url(f"/whip/{room}")),
        peers.session(viewer, server.url(f"/whep/{room}")),
    ):
        audio_track, video_track = (t.receiver.track for t in viewer.getTransceivers())
        received, peak = await asyncio.gather(
            peers.receive_video(video_track, video, FRAMES),
            peers.receive_audio(audio_track, AUDIO_BLOCKS),
        )
        # this libsrtp has GCM, and the server prefers it to AES_CM
        assert peers.srtp_profile(publisher) == "SRTP_AEAD_AES_128_GCM"
        assert peers.srtp_profile(viewer) == "SRTP_AEAD_AES_128_GCM"
    received.assert_matches_scene(LEAST_DB)
    assert peak > 3000
