"""A WHIP endpoint that accepts every offer and then fails in one way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from aiohttp import web
from aioice import stun

from sfukit.signaling import sdp
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.transport import Credentials, LocalTransport

Behaviour = Literal[
    "silent", "closed", "stun_alone", "no_candidates", "mdns", "nonsense", "bare", "refuses_ice",
    "slow",
]  # fmt: skip

CREDENTIALS = Credentials("abcd1234", "a" * 24)


@asynccontextmanager
async def whip_stub(behaviour: Behaviour) -> AsyncIterator[str]:
    """Run the endpoint until the block ends; yields its URL."""
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Media(behaviour), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    if behaviour == "closed":
        transport.close()

    ended = asyncio.Event()

    async def post(request: web.Request) -> web.Response:
        offer = await request.text()
        if behaviour == "slow":
            await ended.wait()
        text = answer(behaviour, offer, port)
        return web.Response(status=201, text=text, content_type="application/sdp")

    app = web.Application()
    app.router.add_post("/whip", post)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"whip+http://127.0.0.1:{runner.addresses[0][1]}/whip"
    finally:
        ended.set()
        await runner.cleanup()
        transport.close()


def answer(behaviour: Behaviour, offer: str, port: int) -> str:
    """Return the answer of this behaviour."""
    candidate = f"a=candidate:1 1 udp 2130706431 127.0.0.1 {port} typ host\r\n"
    match behaviour:
        case "nonsense":
            return "\x00<html>"
        case "bare":
            return "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"
        case "no_candidates":
            candidate = ""
        case "mdns":
            name = "7ff15fb1-4a5c-4b0c-8d8e-9d7f6a9a1d6c.local"
            candidate = f"a=candidate:1 1 udp 2130706431 {name} {port} typ host\r\n"
    local = LocalTransport(CREDENTIALS, "sha-256 " + ":".join(["AB"] * 32), candidate)
    return answer_publisher(sdp.parse(offer), local, PublishRules()).sdp


class Media(asyncio.DatagramProtocol):
    """The media port."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._behaviour not in ("stun_alone", "refuses_ice") or data[0] > 3:
            return
        request = stun.parse_message(data)
        is_refused = self._behaviour == "refuses_ice"
        kind = stun.Class.ERROR if is_refused else stun.Class.RESPONSE
        response = stun.Message(stun.Method.BINDING, kind, request.transaction_id)
        if is_refused:
            response.attributes["ERROR-CODE"] = (401, "Unauthorized")
        response.attributes["XOR-MAPPED-ADDRESS"] = addr
        response.add_message_integrity(CREDENTIALS.pwd.encode())
        assert self._transport is not None
        self._transport.sendto(bytes(response), addr)
