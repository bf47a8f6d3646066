"""aiortc as publisher and subscriber: an independent stack that encodes and decodes the scene."""

import asyncio
import itertools
import statistics
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any
from urllib.parse import urljoin

import av
import httpx
from aiortc import (
    MediaStreamTrack,
    RTCPeerConnection,
    RTCRtpReceiver,
    RTCSessionDescription,
)

from sfukit.media import audio, barcode, decode
from sfukit.media.catalog import LOOP_TICKS, LOW, Encoding
from sfukit.media.draw import RawFrame, Scene
from sfukit.media.encode import OPUS_FRAME_SAMPLES, to_frame

FRAME_S = 20.0
SDP = {"Content-Type": "application/sdp"}


class SceneTrack(MediaStreamTrack):
    """The generated scene, in real time."""

    kind = "video"

    def __init__(self, encoding: Encoding = LOW) -> None:
        super().__init__()
        scene = Scene(encoding.width, encoding.height)
        self.frames = {
            tick: scene.frame(tick) for tick in range(0, LOOP_TICKS, encoding.ticks_per_frame)
        }
        self._frames_per_second = encoding.frames_per_second
        self._number = 0
        self._start: float | None = None

    async def recv(self) -> av.VideoFrame:
        """Return the next frame when it is due."""
        loop = asyncio.get_running_loop()
        self._start = self._start or loop.time()
        due = self._start + self._number / self._frames_per_second
        await asyncio.sleep(max(0, due - loop.time()))
        frames = list(self.frames.values())
        frame = to_frame(frames[self._number % len(frames)])
        frame.pts, frame.time_base = self._number, Fraction(1, self._frames_per_second)
        self._number += 1
        return frame


class SpeechTrack(MediaStreamTrack):
    """The generated speech, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._samples = audio.speech()
        self._position = 0
        self._start: float | None = None

    async def recv(self) -> av.AudioFrame:
        """Return the next 20 ms when they are due."""
        loop = asyncio.get_running_loop()
        self._start = self._start or loop.time()
        due = self._start + self._position / audio.SAMPLES_PER_SECOND
        await asyncio.sleep(max(0, due - loop.time()))
        at = self._position % self._samples.size
        block = self._samples[None, at : at + OPUS_FRAME_SAMPLES]
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="mono")
        frame.sample_rate, frame.pts = audio.SAMPLES_PER_SECOND, self._position
        frame.time_base = Fraction(1, audio.SAMPLES_PER_SECOND)
        self._position += OPUS_FRAME_SAMPLES
        return frame


@dataclass
class ReceivedVideo:
    """The decoded frames of a subscriber: tick of the barcode and PSNR of each."""

    ticks: list[int | None] = field(default_factory=list)
    psnr_db: list[float] = field(default_factory=list)

    def assert_matches_scene(self, least_db: float) -> None:
        """Assert that the frames are those of the scene, in order."""
        read = [tick for tick in self.ticks if tick is not None]
        assert len(read) >= 0.95 * len(self.ticks) > 0, self.ticks
        steps = [(b - a) % LOOP_TICKS for a, b in itertools.pairwise(read)]
        assert all(0 < step < LOOP_TICKS / 2 for step in steps), read
        assert statistics.median(self.psnr_db) > least_db


async def receive_video(track: MediaStreamTrack, source: SceneTrack, frames: int) -> ReceivedVideo:
    """Decode `frames` frames and compare each with the generated frame of its barcode."""
    received = ReceivedVideo()
    for _ in range(frames):
        frame = await next_frame(track)
        plane = decode.luma(frame)
        tick = barcode.read(plane)
        received.ticks.append(tick)
        generated: RawFrame | None = source.frames.get(tick) if tick is not None else None
        if generated is not None and generated.shape == frame.shape:
            received.psnr_db.append(decode.psnr_db(plane, decode.luma(generated)))
    return received


async def next_frame(track: MediaStreamTrack) -> RawFrame:
    frame = await asyncio.wait_for(track.recv(), FRAME_S)
    assert isinstance(frame, av.VideoFrame)
    return decode.raw_frame(frame)


async def receive_audio(track: MediaStreamTrack, frames: int) -> float:
    """Decode `frames` blocks of 20 ms; return the peak sample."""
    peak = 0.0
    for _ in range(frames):
        frame = await asyncio.wait_for(track.recv(), FRAME_S)
        assert isinstance(frame, av.AudioFrame)
        peak = max(peak, float(abs(frame.to_ndarray().astype(float)).max()))
    return peak


def prefer(connection: RTCPeerConnection, codec: str) -> None:
    """Offer one video codec with its RTX."""
    mime_types = {f"video/{codec}".lower(), "video/rtx"}
    capabilities = RTCRtpReceiver.getCapabilities("video")
    assert capabilities is not None
    codecs = [c for c in capabilities.codecs if c.mimeType.lower() in mime_types]
    for transceiver in connection.getTransceivers():
        if transceiver.kind == "video":
            transceiver.setCodecPreferences(codecs)


def srtp_profile(connection: RTCPeerConnection) -> str:
    """Return the negotiated SRTP profile by its OpenSSL name."""
    transport: Any = connection.getTransceivers()[0].sender.transport
    return str(transport._ssl.get_selected_srtp_profile().decode())


async def connected(connection: RTCPeerConnection) -> None:
    """Wait for ICE and DTLS."""
    done = asyncio.Event()

    @connection.on("connectionstatechange")
    def changed() -> None:
        if connection.connectionState in ("connected", "failed", "closed"):
            done.set()

    if connection.connectionState != "connected":
        await asyncio.wait_for(done.wait(), 20)
    assert connection.connectionState == "connected"


@asynccontextmanager
async def session(connection: RTCPeerConnection, url: str) -> AsyncIterator[None]:
    """Hold a WHIP or WHEP session (RFC 9725 4.2) while the block runs."""
    async with httpx.AsyncClient(trust_env=False) as http:
        await connection.setLocalDescription(await connection.createOffer())
        response = await http.post(url, content=connection.localDescription.sdp, headers=SDP)
        assert response.status_code == 201, response.text
        try:
            await connection.setRemoteDescription(RTCSessionDescription(response.text, "answer"))
            await connected(connection)
            yield
        finally:
            ended = await http.delete(urljoin(url, response.headers["Location"]))
            await asyncio.wait_for(connection.close(), FRAME_S)
        assert ended.status_code == 200, ended.text
