"""DTLS servers (`a=setup:passive`) publish and receive: FFmpeg, pion, and aiortc in that role."""

import asyncio
import functools
import json
import re
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection

from tests.conftest import absent
from tests.interop import peers
from tests.interop.ffmpeg_whip import ffmpeg_publisher
from tests.interop.participant import participant
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

FRAMES = 45
AUDIO_BLOCKS = 100
LEAST_DB = 30.0
PION = Path(__file__).parent / "pion"
BUILD_S = 600.0
TEST_S = 120.0
OLDEST_GO = 21
HOW_GO = "on Debian 12: apt-get install -t bookworm-backports golang-go"
GCM = "SRTP_AEAD_AES_128_GCM"


def bounded(test: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Limit the time of a test: a peer may wait forever."""

    @functools.wraps(test)
    async def within(**fixtures: object) -> None:
        async with asyncio.timeout(TEST_S):
            await test(**fixtures)

    return within


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


@pytest.mark.parametrize(
    ("role", "options"), [("passive", {}), ("active", {"whip_flags": "dtls_active"})]
)
@bounded
async def test_ffmpeg_publishes_in_either_role(
    server: Server, role: str, options: dict[str, str]
) -> None:
    room = f"ffmpeg-{role}"
    source = peers.SceneTrack()
    async with ffmpeg_publisher(server.url(f"/whip/{room}"), **options):
        profiles = await server.published(room)
        viewer = RTCPeerConnection()
        for kind in ("audio", "video"):
            viewer.addTransceiver(kind, direction="recvonly")
        async with peers.session(viewer, server.url(f"/whep/{room}")):
            audio, video = (t.receiver.track for t in viewer.getTransceivers())
            received, peak = await asyncio.gather(
                peers.receive_video(video, source, FRAMES), peers.receive_audio(audio, AUDIO_BLOCKS)
            )
    received.assert_matches_scene(LEAST_DB)
    assert peak > 3000
    assert profiles == {"SRTP_AES128_CM_HMAC_SHA1_80"}  # FFmpeg has no other


@bounded
async def test_a_participant_that_answers_passive_receives(server: Server) -> None:
    source = peers.SceneTrack()
    async with participant(server.websocket, "ann") as ann:
        await ann.join("passive", [peers.SpeechTrack(), source])
        async with participant(server.websocket, "bob", passive=True) as bob:
            await bob.join("passive")
            received, peak = await asyncio.gather(
                peers.receive_video(await bob.track("ann", "video"), source, FRAMES),
                peers.receive_audio(await bob.track("ann", "audio"), AUDIO_BLOCKS),
            )
            assert peers.srtp_profile(bob.subscribing) == GCM
            async with participant(server.websocket, "cat") as cat:
                await cat.join("passive", [peers.SpeechTrack()])
                assert (
                    await peers.receive_audio(await bob.track("cat", "audio"), AUDIO_BLOCKS) > 3000
                )
            assert bob.subscribing.localDescription.sdp.count("a=setup:passive") == 3
    received.assert_matches_scene(LEAST_DB)
    assert peak > 3000


@pytest.fixture(scope="module")
def pion_client(
    program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Build the Go program."""
    go = program("go", HOW_GO)
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    minor = re.search(r"go1\.(\d+)", version)
    if minor is None or int(minor[1]) < OLDEST_GO:
        absent(f"Go 1.{OLDEST_GO}", HOW_GO)
    binary = tmp_path_factory.mktemp("pion") / "client"
    subprocess.run([go, "build", "-o", binary, "."], cwd=PION, check=True, timeout=BUILD_S)
    return str(binary)


@bounded
async def test_pion_by_default_receives_in_a_room(server: Server, pion_client: str) -> None:
    async with participant(server.websocket, "ann") as ann:
        await ann.join("pion", [peers.SpeechTrack(), peers.SceneTrack()])
        process = await asyncio.create_subprocess_exec(
            *(pion_client, "-url", server.websocket, "-room", "pion"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        stdout, stderr = await process.communicate()
    assert process.returncode == 0, stderr.decode()
    report = json.loads(stdout)
    assert report["setup"] == "passive"
    assert min(report["packets"]["audio"], report["packets"]["video"]) >= 50
