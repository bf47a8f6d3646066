"""aiortc publishes by WHIP and plays by WHEP; what it decodes is what was drawn."""

import asyncio

import pytest
from aiortc import RTCPeerConnection

from tests.interop import peers
from tests.interop.server import Server

FRAMES = 45
AUDIO_BLOCKS = 120
LEAST_DB = 35.0


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


@pytest.mark.parametrize("codec", ["VP8", "H264"])
async def test_what_is_published_is_seen_and_heard(server: Server, codec: str) -> None:
    room = f"aiortc-{codec}"
    publisher, viewer = RTCPeerConnection(), RTCPeerConnection()
    video, audio = peers.DrawnVideo(), peers.DrawnAudio()
    for track in (audio, video):
        publisher.addTransceiver(track, direction="sendonly")
    for kind in ("audio", "video"):
        viewer.addTransceiver(kind, direction="recvonly")
    peers.prefer(publisher, codec)

    async with (
        peers.session(publisher, server.url(f"/whip/{room}")),
        peers.session(viewer, server.url(f"/whep/{room}")),
    ):
        heard_track, seen_track = (t.receiver.track for t in viewer.getTransceivers())
        seen, loudest = await asyncio.gather(
            peers.watch(seen_track, video, FRAMES), peers.listen(heard_track, AUDIO_BLOCKS)
        )
        # libsrtp has GCM here, and the server chooses it before AES_CM
        assert peers.srtp_profile(publisher) == "SRTP_AEAD_AES_128_GCM"
        assert peers.srtp_profile(viewer) == "SRTP_AEAD_AES_128_GCM"
    seen.assert_is_the_scene(LEAST_DB)
    assert loudest > 3000
