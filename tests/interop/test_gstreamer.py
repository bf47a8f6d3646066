"""GStreamer publishes by Debian's simple-whip-client, with an RSA certificate."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection

from sfukit.media import decode
from sfukit.media.draw import RawFrame
from tests.interop import peers
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

VIDEO = (
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1"
    " ! videoconvert ! queue ! vp8enc deadline=1 keyframe-max-dist=15 ! rtpvp8pay pt=96 ssrc=2"
    " ! queue ! application/x-rtp,media=video,encoding-name=VP8,payload=96"
)
AUDIO = (
    "audiotestsrc is-live=true wave=sine freq=440 ! audioconvert ! audioresample ! queue"
    " ! opusenc ! rtpopuspay pt=100 ssrc=1"
    " ! queue ! application/x-rtp,media=audio,encoding-name=OPUS,payload=100"
)
STUB = Path(__file__).parent / "upnp_stub.c"
FRAMES = 30
AUDIO_BLOCKS = 60


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


@pytest.fixture
def without_upnp(program: Callable[[str, str], str], tmp_path: Path) -> dict[str, str]:
    """Compile the stub of libgupnp-igd; return the environment that loads it."""
    compiler = program("cc", "on Debian: apt-get install build-essential")
    name = "libgupnp-igd-1.0.so.4"
    options = ["-shared", "-fPIC", f"-Wl,-soname,{name}"]
    subprocess.run([compiler, *options, "-o", tmp_path / name, STUB], check=True)
    return {**os.environ, "LD_LIBRARY_PATH": str(tmp_path)}


@contextlib.asynccontextmanager
async def whip_client(program: str, url: str, environment: dict[str, str]) -> AsyncIterator[None]:
    arguments = ("--url", url, "--video", VIDEO, "--audio", AUDIO, "--disable-colors")
    process = await asyncio.create_subprocess_exec(
        program,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
    )
    try:
        yield
    except BaseException as failure:
        process.kill()
        assert process.stdout is not None
        failure.add_note((await process.stdout.read()).decode(errors="replace"))
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.communicate(), 15)


async def test_media_of_a_peer_with_an_rsa_certificate_is_received(
    server: Server, program: Callable[[str, str], str], without_upnp: dict[str, str]
) -> None:
    client = program("whip-client", "on Debian: apt-get install simple-whip-client")
    async with whip_client(client, server.url("/whip/gstreamer"), without_upnp):
        profiles = await server.published("gstreamer")
        viewer = RTCPeerConnection()
        for kind in ("audio", "video"):
            viewer.addTransceiver(kind, direction="recvonly")
        async with peers.session(viewer, server.url("/whep/gstreamer")):
            audio, video = (t.receiver.track for t in viewer.getTransceivers())
            planes, peak = await asyncio.gather(
                receive_luma(video, FRAMES), peers.receive_audio(audio, AUDIO_BLOCKS)
            )
    # a white ball on black: neither grey noise nor an empty frame
    assert all(plane.max() > 200 and plane.mean() < 60 for plane in planes)
    assert peak > 3000
    assert profiles == {"SRTP_AES128_CM_HMAC_SHA1_80"}  # GStreamer offers no AES-GCM


async def receive_luma(track: MediaStreamTrack, frames: int) -> list[RawFrame]:
    return [decode.luma(await peers.next_frame(track)) for _ in range(frames)]
