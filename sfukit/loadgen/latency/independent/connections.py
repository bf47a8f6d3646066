"""The peer connections of one participant, made of aiortc."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from aiortc import (
    MediaStreamTrack,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
    RTCStatsReport,
)
from aiortc.exceptions import InvalidStateError
from aiortc.sdp import candidate_from_sdp

from sfukit.loadgen.latency.independent import forwarder as forwarding
from sfukit.loadgen.latency.independent.forwarder import Forwarder
from sfukit.loadgen.latency.independent.frame_log import FrameLog
from sfukit.loadgen.latency.independent.scene_track import read_frames
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.signaling.sdp import SdpError

_MIME_TYPES = {"vp8": "video/VP8", "h264": "video/H264"}
_STREAMS = "_RTCRtpReceiver__remote_streams"
# of a description that aiortc does not accept: it has no common base of its own
_UNUSABLE = (ValueError, InvalidStateError, AssertionError, KeyError, IndexError, AttributeError)


class Connection:
    """One RTCPeerConnection behind its forwarder."""

    def __init__(self, log: FrameLog, forwarder: Forwarder, codec: str) -> None:
        self.log = log
        self.peer = RTCPeerConnection()
        self._forwarder = forwarder
        self._codec = codec
        self._closed = False

    @property
    def connected(self) -> bool:
        """Whether ICE and DTLS are done."""
        return self.peer.connectionState == "connected"

    @property
    def ended(self) -> bool:
        """Whether the connection is lost."""
        return not self._closed and self.peer.connectionState in ("failed", "closed")

    async def stats(self) -> RTCStatsReport:
        """Return the statistics of aiortc."""
        return await self.peer.getStats()

    async def add_candidate(self, candidate: str) -> None:
        """Add a remote candidate by way of the forwarder."""
        forwarded = await self._forwarder.candidate(candidate)
        if forwarded is None:
            return
        parsed = candidate_from_sdp(forwarded.removeprefix("candidate:"))
        parsed.sdpMLineIndex = 0  # all m-lines are bundled
        await self.peer.addIceCandidate(parsed)

    async def close(self) -> None:
        """Close the connection and the sockets of the forwarder."""
        self._closed = True
        await self.peer.close()
        self._forwarder.close()

    def activate(self, mid: str, rids: Sequence[str]) -> None:
        """Ignore the request: aiortc sends one encoding, without RID."""

    def _prefer(self, transceiver: Any) -> None:
        """Offer the planned codec alone, with its retransmissions."""
        wanted = (_MIME_TYPES[self._codec].lower(), "video/rtx")
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([one for one in codecs if one.mimeType.lower() in wanted])

    async def _local(self, kind: str) -> str:
        description = await (
            self.peer.createOffer() if kind == "offer" else self.peer.createAnswer()
        )
        await self.peer.setLocalDescription(description)
        return forwarding.local(self.peer.localDescription.sdp)

    async def _remote(self, sdp: str, kind: str) -> None:
        """Set the description of the target; raises one of ``_UNUSABLE``."""
        # payload types are those of both descriptions, since aiortc takes over those of an offer
        self.log.media_types |= media_types(sdp)
        forwarded = await self._forwarder.remote(sdp)
        await self.peer.setRemoteDescription(RTCSessionDescription(forwarded, kind))

    async def _accept_answer(self, sdp: str) -> None:
        try:
            await self._remote(sdp, "answer")
        except _UNUSABLE as error:
            text = f"aiortc cannot use the answer: {type(error).__name__}: {error}"
            raise JoinRefusedError("answer_unusable", text) from error


class Publishing(Connection):
    """A ``PublishConnection``."""

    def __init__(
        self, log: FrameLog, forwarder: Forwarder, codec: str, tracks: Sequence[MediaStreamTrack]
    ) -> None:
        super().__init__(log, forwarder, codec)
        for track in tracks:
            transceiver = self.peer.addTransceiver(track, direction="sendonly")
            if track.kind == "video":
                self._prefer(transceiver)

    async def offer(self) -> str:
        """Return the offer."""
        return await self._local("offer")

    async def answered(self, sdp: str) -> None:
        """Start ICE and media."""
        await self._accept_answer(sdp)


class Receiving(Connection):
    """A ``ReceiveConnection``."""

    def __init__(self, log: FrameLog, forwarder: Forwarder, codec: str) -> None:
        super().__init__(log, forwarder, codec)
        self._readers: set[asyncio.Task[None]] = set()
        self.peer.on("track", self._on_track)

    async def offer(self) -> str:
        """Return an offer that receives one video track."""
        self._prefer(self.peer.addTransceiver("video", direction="recvonly"))
        return await self._local("offer")

    @property
    def streams(self) -> Mapping[int, Any]:
        """The ``StreamStatistics`` of each received SSRC.

        ``getStats`` keeps one of a receiver's SSRCs, that of retransmissions once there are some.
        """
        return {
            ssrc: stream
            for receiver in self.peer.getReceivers()
            for ssrc, stream in getattr(receiver, _STREAMS, {}).items()
        }

    async def answered(self, sdp: str, publishers: Mapping[str, str]) -> None:
        """Start ICE and receive."""
        await self._accept_answer(sdp)

    async def answer(self, sdp: str, publishers: Mapping[str, str]) -> str:
        """Receive the tracks of an offer."""
        try:
            await self._remote(sdp, "offer")
            return await self._local("answer")
        except _UNUSABLE as error:
            text = f"aiortc cannot use the offer: {type(error).__name__}: {error}"
            raise SdpError(0, text) from error

    async def close(self) -> None:
        """Close the connection, which ends its tracks."""
        await super().close()
        for reader in self._readers:
            reader.cancel()
        await asyncio.gather(*self._readers, return_exceptions=True)

    def _on_track(self, track: MediaStreamTrack) -> None:
        if track.kind == "video":
            self._readers.add(asyncio.create_task(read_frames(track, self.log)))


def media_types(sdp: str) -> set[int]:
    """Return the payload types of VP8 and H.264 in a description."""
    found = set()
    for line in sdp.splitlines():
        number, _, codec = line.removeprefix("a=rtpmap:").partition(" ")
        known = codec.lower().startswith(("vp8/", "h264/"))
        if line.startswith("a=rtpmap:") and known and number.isdecimal():
            found.add(int(number))
    return found
