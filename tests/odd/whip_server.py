"""A WHIP and WHEP endpoint with odd HTTP; the first part of the path selects the oddity.

There is no media behind it: its one candidate is a port where nothing listens. ``auth`` keeps the
Authorization of every request by method and host.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from aiohttp import web

from sfukit.signaling import sdp
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.transport import Credentials, LocalTransport

SDP = "application/sdp"
_FINGERPRINT = "sha-256 " + ":".join(["5C"] * 32)


class Asked(NamedTuple):
    """One request as it came."""

    method: str
    host: str
    path: str
    authorization: str | None


@dataclass
class OddWhip:
    """The server: its URL, and the received requests."""

    port: int = 0
    asked: list[Asked] = field(default_factory=list)

    def url(self, mode: str, endpoint: str = "whip") -> str:
        """Name the endpoint of a mode."""
        return f"http://127.0.0.1:{self.port}/{mode}/{endpoint}"


@asynccontextmanager
async def odd_whip() -> AsyncIterator[OddWhip]:
    """Serve on loopback until the block ends."""
    server = OddWhip()

    async def handle(request: web.Request) -> web.Response:
        shown = request.headers.get("Authorization")
        server.asked.append(Asked(request.method, request.host, request.path_qs, shown))
        mode = request.path.split("/")[1]
        match request.method:
            case "OPTIONS":
                return _options(mode)
            case "POST":
                return _MODES.get(mode, _created)(server, await request.text(), request)
            case "DELETE":
                return web.Response(status=404 if mode == "del404" else 200)
        return web.Response(status=404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.port = runner.addresses[0][1]
    try:
        yield server
    finally:
        await runner.cleanup()


def answer(offer: str, *, candidate: bool = True) -> str:
    """Answer as a server does that has a media port where nothing listens."""
    line = "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\n" if candidate else ""
    local = LocalTransport(Credentials("oddufrag", "o" * 24), _FINGERPRINT, line)
    plays = "a=recvonly" in offer
    published = offer.replace("a=recvonly", "a=sendonly")
    text = answer_publisher(sdp.parse(published), local, PublishRules()).sdp
    return text.replace("a=recvonly", "a=sendonly") if plays else text


def _options(mode: str) -> web.Response:
    if mode == "nooptions":
        return web.Response(status=404)
    if mode == "noacceptpost":
        return web.Response(status=204)
    if mode == "moved":
        return web.Response(status=301, headers={"Location": "https://sfu.example/moved"})
    return web.Response(headers={"Accept-Post": f"{SDP}, application/json"})


Mode = Callable[[OddWhip, str, web.Request], web.Response]


def _created(
    _server: OddWhip,
    offer: str,
    _request: web.Request,
    *,
    status: int = 201,
    location: str | None = "/session/0",
    text: str | None = None,
    kind: str = SDP,
) -> web.Response:
    place = {} if location is None else {"Location": location}
    body = (answer(offer) if text is None else text).encode()
    return web.Response(status=status, body=body, headers={**place, "Content-Type": kind})


def _with(**changes: object) -> Mode:
    return lambda server, offer, request: _created(server, offer, request, **changes)  # type: ignore[arg-type]


def _altered(change: Callable[[str], str], kind: str = SDP) -> Mode:
    return lambda server, offer, request: _created(
        server, offer, request, text=change(answer(offer)), kind=kind
    )


def _moved(status: int, to: str) -> Mode:
    return lambda server, _offer, _request: web.Response(
        status=status, headers={"Location": to.replace("PORT", str(server.port))}
    )


def _elsewhere(server: OddWhip, offer: str, request: web.Request) -> web.Response:
    place = f"http://localhost:{server.port}/session/2"
    return _created(server, offer, request, location=place)


def _turned_off(text: str, how: str) -> str:
    """Turn the video of an answer off."""
    head, video = text.split("m=video ")
    if how == "port":
        return f"{head}m=video 0 {video.partition(' ')[2]}"
    return f"{head}m=video {video.replace('a=recvonly', f'a={how}')}"


_MODES: dict[str, Mode] = {
    "ok200": _with(status=200),
    "noloc": _with(location=None),
    "relloc": _with(location="whip/4f2a"),
    "query": _with(location="/rtc/v1/whip/?action=delete&token=k2&session=s%3A4f2a"),
    "otherhost": _elsewhere,
    "lower": lambda _s, offer, _r: web.Response(
        status=201,
        body=answer(offer).encode(),
        headers={"location": "/session/3", "etag": 'W/"weak"', "content-type": SDP},
    ),
    "charset": _altered(lambda text: text.replace("\r\n", "\n"), f"{SDP}; charset=utf-8"),
    "untyped": _with(kind="text/plain"),
    "nocandidate": lambda s, offer, r: _created(s, offer, r, text=answer(offer, candidate=False)),
    "videoinactive": _altered(lambda text: _turned_off(text, "inactive")),
    "videoport0": _altered(lambda text: _turned_off(text, "port")),
    "videosendonly": _altered(lambda text: _turned_off(text, "sendonly")),
    "login": _with(
        status=200, text="<html><body>log in first</body></html>", kind="text/html; charset=utf-8"
    ),
    "json": _with(status=200, text='{"code": 0, "sdp": "v=0"}', kind="application/json"),
    "empty": _with(status=201, text="", kind="application/octet-stream"),
    "escapes": _with(status=201, text="\x1b[2J\x1b]0;x\x07 no", kind="text/plain"),
    "busy": lambda _s, _o, _r: web.Response(
        status=409, text="already publishing", headers={"Retry-After": "30"}
    ),
    "full": lambda _s, _o, _r: web.json_response(
        {"error": "no room is left"},
        status=503,
        headers={"Retry-After": "Wed, 21 Oct 2026 07:28 GMT"},
    ),
    "redir301": _moved(301, "/ok201/whip"),
    "redir302": _moved(302, "https://login.example/?next=whip"),
    "redir303": _moved(303, "/ok201/whip"),
    "redir307": _moved(307, "/ok201/whip?x=1"),
    "redir308": _moved(308, "/ok201/whip?x=1"),
    "redirpublic": _moved(307, "http://192.0.2.7/ok201/whip"),
    "redirhost": _moved(307, "http://localhost:PORT/ok201/whip"),
    "redirnowhere": _moved(307, "mailto:sfu@example"),
    "loop": _moved(307, "/loop/whip"),
    "ping": _moved(308, "/pong/whip"),
    "pong": _moved(307, "/ping/whip"),
}
