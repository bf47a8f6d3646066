"""Peers that are the DTLS server publish and receive: FFmpeg, pion, and aiortc told to be one."""

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
from tests.interop.member import member
from tests.interop.server import Server

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
    """Fail a test that takes too long: a peer that waits for ever must not hold up the others."""

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
    source = peers.DrawnVideo()
    async with ffmpeg_publisher(server.url(f"/whip/{room}"), **options):
        profiles = await server.published(room)
        viewer = RTCPeerConnection()
        for kind in ("audio", "video"):
            viewer.addTransceiver(kind, direction="recvonly")
        async with peers.session(viewer, server.url(f"/whep/{room}")):
            heard, shown = (t.receiver.track for t in viewer.getTransceivers())
            seen, loudest = await asyncio.gather(
                peers.watch(shown, source, FRAMES), peers.listen(heard, AUDIO_BLOCKS)
            )
    seen.assert_is_the_scene(LEAST_DB)
    assert loudest > 3000
    assert profiles == {"SRTP_AES128_CM_HMAC_SHA1_80"}  # FFmpeg has no other


@bounded
async def test_a_member_that_answers_passive_sees_and_hears(server: Server) -> None:
    drawn = peers.DrawnVideo()
    async with member(server.websocket, "ann") as ann:
        await ann.join("passive", [peers.DrawnAudio(), drawn])
        async with member(server.websocket, "bob", passive=True) as bob:
            await bob.join("passive")
            seen, loudest = await asyncio.gather(
                peers.watch(await bob.track("ann", "video"), drawn, FRAMES),
                peers.listen(await bob.track("ann", "audio"), AUDIO_BLOCKS),
            )
            assert peers.srtp_profile(bob.subscribing) == GCM
            async with member(server.websocket, "cat") as cat:
                await cat.join("passive", [peers.DrawnAudio()])
                assert await peers.listen(await bob.track("cat", "audio"), AUDIO_BLOCKS) > 3000
            assert bob.subscribing.localDescription.sdp.count("a=setup:passive") == 3
    seen.assert_is_the_scene(LEAST_DB)
    assert loudest > 3000


@pytest.fixture(scope="module")
def pion_member(
    program: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Build the Go program."""
    go = program("go", HOW_GO)
    version = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"go1\.(\d+)", version)
    if found is None or int(found[1]) < OLDEST_GO:
        absent(f"Go 1.{OLDEST_GO}", HOW_GO)
    built = tmp_path_factory.mktemp("pion") / "member"
    subprocess.run([go, "build", "-o", built, "."], cwd=PION, check=True, timeout=BUILD_S)
    return str(built)


@bounded
async def test_pion_as_it_comes_receives_in_a_room(server: Server, pion_member: str) -> None:
    async with member(server.websocket, "ann") as ann:
        await ann.join("pion", [peers.DrawnAudio(), peers.DrawnVideo()])
        process = await asyncio.create_subprocess_exec(
            *(pion_member, "-url", server.websocket, "-room", "pion"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    told = json.loads(out)
    assert told["setup"] == "passive"
    assert min(told["packets"]["audio"], told["packets"]["video"]) >= 50
