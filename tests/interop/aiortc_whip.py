"""A WHIP endpoint made of aiortc: an independent stack with full ICE."""

import contextlib
from collections.abc import AsyncIterator

from aiohttp import web
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.contrib.media import MediaBlackhole


@contextlib.asynccontextmanager
async def aiortc_whip() -> AsyncIterator[str]:
    """Run the endpoint until the block ends; yields its URL."""
    endpoint = Endpoint()
    try:
        yield await endpoint.start()
    finally:
        await endpoint.stop()


class Endpoint:
    """Answers offers and discards the media."""

    def __init__(self) -> None:
        self._peers: list[tuple[RTCPeerConnection, MediaBlackhole]] = []
        app = web.Application()
        app.router.add_options("/whip", self._options)
        app.router.add_post("/whip", self._post)
        app.router.add_delete("/whip/one", self._delete)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/whip"

    async def stop(self) -> None:
        for peer, sink in self._peers:
            await sink.stop()
            await peer.close()
        await self._runner.cleanup()

    async def _options(self, _request: web.Request) -> web.Response:
        return web.Response(headers={"Accept-Post": "application/sdp"})

    async def _post(self, request: web.Request) -> web.Response:
        peer, sink = RTCPeerConnection(), MediaBlackhole()
        self._peers.append((peer, sink))
        peer.on("track", sink.addTrack)
        await peer.setRemoteDescription(RTCSessionDescription(await request.text(), "offer"))
        await peer.setLocalDescription(await peer.createAnswer())
        await sink.start()
        return web.Response(
            status=201,
            text=peer.localDescription.sdp,
            content_type="application/sdp",
            headers={"Location": "/whip/one"},
        )

    async def _delete(self, _request: web.Request) -> web.Response:
        return web.Response()
