"""Video of bots, received through the server by another stack and decoded."""

import asyncio
import itertools
import os
import sys
from asyncio.subprocess import DEVNULL
from pathlib import Path

import pytest
from aiortc import RTCPeerConnection

from sfukit.media import barcode, catalog, decode, encode
from tests.interop import peers, rtp_video
from tests.interop.server import Server

pytestmark = [pytest.mark.realtime, pytest.mark.computes]

FRAMES = 40
JOIN = {"vp9": rtp_video.vp9_frame, "av1": rtp_video.av1_unit}


@pytest.mark.parametrize("codec", ["vp9", "av1"])
async def test_a_subscriber_decodes_what_bots_send(
    server: Server, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])
    room = f"bots-{codec}"
    media = ["--codec", codec, "--no-simulcast", "--bitrate", "150k", "--audio", "none"]
    bots = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sfukit", "loadtest", f"whip+{server.url(f'/whip/{room}')}"),
        *("-c", "1", *media, "--duration", "60s"),
        stdout=DEVNULL,
        stderr=DEVNULL,
        env=os.environ | {"XDG_STATE_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
    )
    try:
        await server.published(room)
        received = rtp_video.Received(monkeypatch, codec.upper())
        viewer = RTCPeerConnection()
        viewer.addTransceiver("video", direction="recvonly")
        async with peers.session(viewer, server.url(f"/whep/{room}")):
            frames = await received.frames(FRAMES)
    finally:
        bots.kill()
        await bots.wait()
    decoded = list(decode.raw_frames(encode.FOURCC[codec], map(JOIN[codec], frames)))
    ticks = [barcode.read(decode.luma(frame)) for frame in decoded]
    assert len(ticks) == len(frames)
    assert None not in ticks
    steps = {(b - a) % catalog.LOOP_TICKS for a, b in itertools.pairwise(t or 0 for t in ticks)}
    # a keyframe on request is the next one of the clip
    assert min(steps) == catalog.LOW.ticks_per_frame and max(steps) <= catalog.TICKS_PER_SECOND
