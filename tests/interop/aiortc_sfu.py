"""An SFU made of aiortc: WHIP in, WHEP out, RTP payloads forwarded as they are.

It sends receiver reports to the publisher. It sends no sender reports, and answers no extended
reports (RFC 3611), as most SFUs.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole
from aiortc.rtp import HeaderExtensionsMap, RtpPacket

_NO_EXTENSIONS = HeaderExtensionsMap()
_NOT_LIVE = 409


@contextlib.asynccontextmanager
async def aiortc_sfu(*, forwards: bool = True) -> AsyncIterator[tuple[str, str]]:
    """Run the SFU until the block ends; yields its WHIP and WHEP URLs."""
    sfu = Sfu(forwards)
    try:
        yield await sfu.start()
    finally:
        await sfu.stop()


class Sfu:
    """One publisher, any number of viewers; without ``forwards`` no media is sent to them."""

    def __init__(self, forwards: bool) -> None:
        self._forwards = forwards
        self._peers: list[RTCPeerConnection] = []
        self._sinks: list[MediaBlackhole] = []
        self._senders: list[Any] = []
        app = web.Application()
        app.router.add_options("/whip", self._options)
        app.router.add_post("/whip", self._publish)
        app.router.add_post("/whep", self._play)
        app.router.add_delete("/session", self._delete)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start(self) -> tuple[str, str]:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return f"{base}/whip", f"{base}/whep"

    async def stop(self) -> None:
        for sink in self._sinks:
            await sink.stop()
        for peer in self._peers:
            await peer.close()
        await self._runner.cleanup()

    async def _options(self, _request: web.Request) -> web.Response:
        return web.Response(headers={"Accept-Post": "application/sdp"})

    async def _publish(self, request: web.Request) -> web.Response:
        peer, sink = RTCPeerConnection(), MediaBlackhole()
        self._peers.append(peer)
        self._sinks.append(sink)
        peer.on("track", sink.addTrack)
        response = await _answered(peer, await request.text())
        for transceiver in peer.getTransceivers():
            self._forward_from(transceiver.receiver)
        await sink.start()
        return response

    async def _play(self, request: web.Request) -> web.Response:
        if not self._peers:
            return web.Response(status=_NOT_LIVE)
        peer = RTCPeerConnection()
        self._peers.append(peer)
        peer.addTransceiver("video", direction="sendonly")
        response = await _answered(peer, await request.text())
        self._senders += [one.sender for one in peer.getTransceivers()]
        return response

    async def _delete(self, _request: web.Request) -> web.Response:
        return web.Response()

    def _forward_from(self, receiver: Any) -> None:
        handle = receiver._handle_rtp_packet
        media: set[int] = set()

        async def forward(packet: RtpPacket, arrival_time_ms: int) -> None:
            await handle(packet, arrival_time_ms=arrival_time_ms)
            media.add(packet.ssrc)
            if not self._forwards or len(media) > 1:
                return
            for sender in self._senders:
                copy = RtpPacket(
                    payload_type=packet.payload_type,
                    marker=packet.marker,
                    sequence_number=packet.sequence_number,
                    timestamp=packet.timestamp,
                    ssrc=sender._ssrc,
                    payload=packet.payload,
                )
                with contextlib.suppress(ConnectionError):
                    await sender.transport._send_rtp(copy.serialize(_NO_EXTENSIONS))

        receiver._handle_rtp_packet = forward


async def _answered(peer: RTCPeerConnection, offer: str) -> web.Response:
    await peer.setRemoteDescription(RTCSessionDescription(offer, "offer"))
    await peer.setLocalDescription(await peer.createAnswer())
    return web.Response(
        status=201,
        text=peer.localDescription.sdp,
        content_type="application/sdp",
        headers={"Location": "/session"},
    )
