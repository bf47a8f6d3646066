"""aiortc as publisher and viewer: an independent stack that encodes the drawn scene and decodes."""

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


class DrawnVideo(MediaStreamTrack):
    """The scene, drawn once and shown in real time."""

    kind = "video"

    def __init__(self, encoding: Encoding = LOW) -> None:
        super().__init__()
        scene = Scene(encoding.width, encoding.height)
        self.shown = {
            tick: scene.frame(tick) for tick in range(0, LOOP_TICKS, encoding.ticks_per_frame)
        }
        self._frames_per_second = encoding.frames_per_second
        self._number = 0
        self._start: float | None = None

    async def recv(self) -> av.VideoFrame:
        """Wait until the next picture is due."""
        loop = asyncio.get_running_loop()
        self._start = self._start or loop.time()
        due = self._start + self._number / self._frames_per_second
        await asyncio.sleep(max(0, due - loop.time()))
        pictures = list(self.shown.values())
        frame = to_frame(pictures[self._number % len(pictures)])
        frame.pts, frame.time_base = self._number, Fraction(1, self._frames_per_second)
        self._number += 1
        return frame


class DrawnAudio(MediaStreamTrack):
    """The talk, in real time."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self._samples = audio.speech()
        self._position = 0
        self._start: float | None = None

    async def recv(self) -> av.AudioFrame:
        """Wait until the next 20 ms are due."""
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
class Seen:
    """What a viewer saw and heard."""

    ticks: list[int | None] = field(default_factory=list)
    psnr_db: list[float] = field(default_factory=list)
    loudest: float = 0.0

    def assert_is_the_scene(self, least_db: float) -> None:
        """The pictures are those that were drawn, in their order."""
        read = [tick for tick in self.ticks if tick is not None]
        assert len(read) >= 0.95 * len(self.ticks) > 0, self.ticks
        steps = [(b - a) % LOOP_TICKS for a, b in itertools.pairwise(read)]
        assert all(0 < step < LOOP_TICKS / 2 for step in steps), read
        assert statistics.median(self.psnr_db) > least_db


async def watch(track: MediaStreamTrack, source: DrawnVideo, frames: int) -> Seen:
    """Decode `frames` pictures and compare each to what was drawn for its barcode."""
    seen = Seen()
    for _ in range(frames):
        picture = await next_picture(track)
        plane = decode.luma(picture)
        tick = barcode.read(plane)
        seen.ticks.append(tick)
        drawn: RawFrame | None = source.shown.get(tick) if tick is not None else None
        if drawn is not None and drawn.shape == picture.shape:
            seen.psnr_db.append(decode.psnr_db(plane, decode.luma(drawn)))
    return seen


async def next_picture(track: MediaStreamTrack) -> RawFrame:
    frame = await asyncio.wait_for(track.recv(), FRAME_S)
    assert isinstance(frame, av.VideoFrame)
    return decode.raw_frame(frame)


async def listen(track: MediaStreamTrack, frames: int) -> float:
    """Decode `frames` blocks of 20 ms; give the loudest sample."""
    loudest = 0.0
    for _ in range(frames):
        heard = await asyncio.wait_for(track.recv(), FRAME_S)
        assert isinstance(heard, av.AudioFrame)
        loudest = max(loudest, float(abs(heard.to_ndarray().astype(float)).max()))
    return loudest


def prefer(connection: RTCPeerConnection, codec: str) -> None:
    """Offer one video codec alone (with its RTX)."""
    wanted = {f"video/{codec}".lower(), "video/rtx"}
    known = RTCRtpReceiver.getCapabilities("video")
    assert known is not None
    chosen = [c for c in known.codecs if c.mimeType.lower() in wanted]
    for transceiver in connection.getTransceivers():
        if transceiver.kind == "video":
            transceiver.setCodecPreferences(chosen)


def srtp_profile(connection: RTCPeerConnection) -> str:
    """Name what DTLS negotiated, as OpenSSL calls it."""
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
        answer = await http.post(url, content=connection.localDescription.sdp, headers=SDP)
        assert answer.status_code == 201, answer.text
        try:
            await connection.setRemoteDescription(RTCSessionDescription(answer.text, "answer"))
            await connected(connection)
            yield
        finally:
            ended = await http.delete(urljoin(url, answer.headers["Location"]))
            await asyncio.wait_for(connection.close(), FRAME_S)
        assert ended.status_code == 200, ended.text
