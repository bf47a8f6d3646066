"""How LiveKit refuses the upgrade, and how Galene's endpoint is found: loopback servers."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.galene import GaleneTarget
from sfukit.loadgen.targets.livekit import LivekitTarget
from sfukit.targets.access import Access

from .recordings import ONE_PAIR, Bot

ACCESS = Access(api_key="devkey", api_secret="secretsecretsecretsecretsecretsecret")
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJkZXZrZXkifQ.c2lnbmF0dXJl"


@asynccontextmanager
async def refusing(status: int, text: str) -> AsyncIterator[tuple[str, list[Request]]]:
    requests: list[Request] = []

    def refuse(connection: ServerConnection, request: Request) -> Response:
        requests.append(request)
        headers = Headers({"Content-Type": "text/plain; charset=utf-8", "Connection": "close"})
        return Response(status, "refused", headers, text.encode())

    async def handler(connection: ServerConnection) -> None:
        raise AssertionError("upgraded")

    async with serve(handler, "127.0.0.1", 0, process_request=refuse) as server:
        [socket] = server.sockets
        yield f"http://127.0.0.1:{socket.getsockname()[1]}", requests


@pytest.mark.parametrize(
    ("status", "text", "code"),
    [
        (401, f"invalid token: {JWT}, error: signature is invalid", "token_refused"),
        (401, "invalid API key: nokey", "token_refused"),
        (401, "permissions denied", "token_refused"),
        (403, "no", "token_refused"),
        (400, "identity cannot be empty", "http_400"),
        (404, "requested room does not exist", "room_not_found"),
        (404, "404 page not found", "http_404"),
        (500, "connection closed by media", "room_full"),
        (503, "", "http_503"),
    ],
)
async def test_the_refusals_of_livekit_have_a_code(status: int, text: str, code: str) -> None:
    async with refusing(status, text) as (url, requests):
        session = LivekitTarget(url, ACCESS, 5.0).session(Bot("s1", ONE_PAIR).session)
        with pytest.raises(JoinRefusedError) as refused:
            await session.join()
        await session.leave()
    assert refused.value.code == code
    assert JWT not in refused.value.message
    assert text.partition(":")[0] in refused.value.message
    [request] = requests
    assert request.path.startswith("/rtc?")
    assert "protocol=17" in request.path
    assert "auto_subscribe=0" in request.path
    assert request.headers["Authorization"].startswith("Bearer ey")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://h:7880", "ws://h:7880/rtc?"),
        ("https://h/livekit/", "wss://h/livekit/rtc?"),
        ("https://h/rtc", "wss://h/rtc?"),
    ],
)
def test_the_signaling_url_of_livekit(url: str, path: str) -> None:
    assert LivekitTarget(url, Access(insecure=True), 5.0).url.startswith(path)


async def answers_of_livekit(*frames: bytes) -> str:
    """Return the code of a join to a server that sends frames and closes."""

    async def handler(connection: ServerConnection) -> None:
        for frame in frames:
            await connection.send(frame)

    async with serve(handler, "127.0.0.1", 0) as server:
        [socket] = server.sockets
        url = f"http://127.0.0.1:{socket.getsockname()[1]}"
        session = LivekitTarget(url, ACCESS, 5.0).session(Bot("s1", ONE_PAIR).session)
        with pytest.raises(JoinRefusedError) as refused:
            await session.join()
        await session.leave()
    return refused.value.code


async def test_a_socket_without_join_is_a_refused_join() -> None:
    assert await answers_of_livekit() == "connection_closed"
    assert await answers_of_livekit(b"\xff\xff") == "answer_unusable"


Handler = Callable[[httpx.Request], httpx.Response]


def galene(handler: Handler, how: Access = Access()) -> GaleneTarget:  # noqa: B008
    client = httpx.AsyncClient(transport=httpx.MockTransport(handler))
    return GaleneTarget(client, "http://127.0.0.1:1/group/t", how, 5.0)


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (httpx.Response(404), "group_not_found"),
        (httpx.Response(200, html="<p>"), "not_galene"),
        (
            httpx.Response(200, json={"name": "t", "endpoint": "wss://elsewhere/ws"}),
            "endpoint_elsewhere",
        ),
        (httpx.Response(200, json={"name": "t", "endpoint": "ftp://127.0.0.1/"}), "not_galene"),
        (httpx.Response(200, json={"name": "t", "endpoint": "ws://127.0.0.1:1/ws"}), "connect"),
    ],
)
async def test_the_endpoint_of_a_group(response: httpx.Response, code: str) -> None:
    target = galene(lambda request: response)
    session = target.session(Bot("s1", ONE_PAIR).session)
    with pytest.raises(JoinRefusedError) as refused:
        await session.join()
    await session.leave()
    assert refused.value.code == code


async def test_the_endpoint_of_a_group_is_requested_once() -> None:
    paths = []

    def handler(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.path)
        return httpx.Response(200, json={"name": "t", "endpoint": "ws://127.0.0.1:1/ws"})

    target = galene(handler)
    sessions = [target.session(Bot(name, ONE_PAIR).session) for name in ("p1", "s1")]
    results = await asyncio.gather(*(one.join() for one in sessions), return_exceptions=True)
    assert all(isinstance(one, JoinRefusedError) for one in results)
    assert paths == ["/group/t/.status"]
