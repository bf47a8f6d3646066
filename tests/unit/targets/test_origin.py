"""Credentials stay with the origin they were given for; redirects are followed or named."""

import gzip
import itertools
import zlib
from collections.abc import AsyncIterator, Callable

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import SecurityError
from websockets.http11 import Request, Response

from sfukit.targets import http_request, room_socket
from sfukit.targets.origin import Credentials, denied_reason
from sfukit.targets.redirect import MOST, RedirectError

SECRETS = {"Authorization": "Bearer t", "X-Api-Key": "k"}
OFFER = "v=0"

Handler = Callable[[httpx.Request], httpx.Response]


class Net:
    """Every server there is: answers by a table of URLs, and keeps what it was asked."""

    def __init__(self, table: dict[str, httpx.Response]) -> None:
        self.asked: list[httpx.Request] = []
        self._table = table

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        return self._table.get(str(request.url), httpx.Response(201, text="v=0"))


def moved(status: int, to: str) -> httpx.Response:
    return httpx.Response(status, headers={"Location": to})


async def post(
    net: Handler, url: str, *, secrets: bool = True, allowed: frozenset[str] = frozenset()
) -> http_request.Response:
    given = Credentials(home=url, headers=SECRETS if secrets else {}, allowed=allowed)
    async with httpx.AsyncClient(transport=httpx.MockTransport(net)) as client:
        return await http_request.send(
            client, "POST", url, limit_s=5, credentials=given, content=OFFER, follow=True
        )


@pytest.mark.parametrize(
    ("home", "url", "why"),
    [
        ("https://h/a", "https://h/b", None),
        ("https://h/a", "https://H:443/b", None),
        ("https://h/a", "https://h./b", None),
        ("http://h:80/", "http://h/", None),
        ("http://h/", "ws://h/", None),
        ("http://[::1]:1/", "http://[::1]:1/x", None),
        ("https://h/", "https://h:8443/", "to another origin"),
        ("https://h/", "https://h.example/", "to another origin"),
        ("http://h/", "https://h/", "to another origin"),
        ("http://127.0.0.1:1/", "http://localhost:1/", "to another origin"),
        ("https://h/", "http://h/", "from https to http"),
        ("wss://h/", "ws://h/", "from https to http"),
    ],
)
def test_where_credentials_may_go(home: str, url: str, why: str | None) -> None:
    assert denied_reason(home, url, frozenset()) == why


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://Other:8443/", None),
        ("http://other/", "from https to http"),
        ("https://another/", "to another origin"),
    ],
)
def test_a_host_that_was_allowed(url: str, why: str | None) -> None:
    given = Credentials(home="https://h/", headers=SECRETS, allowed=frozenset({"other"}))
    assert given.denied_reason(url) == why
    assert given.headers_for(url) == (SECRETS if why is None else {})


@pytest.mark.parametrize("status", [307, 308])
async def test_an_offer_follows_within_its_origin(status: int) -> None:
    net = Net({"https://h/whip": moved(status, "/there?x=1")})
    reply = await post(net, "https://h/whip")
    assert reply.url == "https://h/there?x=1"
    assert [one.method for one in net.asked] == ["POST", "POST"]
    assert net.asked[1].content == OFFER.encode()
    assert net.asked[1].headers["x-api-key"] == "k"


@pytest.mark.parametrize(
    ("status", "to", "cause", "named"),
    [
        (301, "/there", "redirect_301", "https://h/there"),
        (302, "https://login.example/", "redirect_302", "https://login.example/"),
        (303, "/there", "redirect_303", "https://h/there"),
        (307, "https://other/whip", "redirect_elsewhere", "https://other/whip"),
        (307, "https://h:8443/whip", "redirect_elsewhere", "https://h:8443/whip"),
        (308, "http://h/whip", "redirect_downgrade", "http://h/whip"),
        (307, "/whip", "redirect_loop", "https://h/whip -> https://h/whip"),
        (307, "ftp://h/whip", "redirect_nowhere", "ftp://h/whip"),
        (307, "https://h:99999/", "redirect_nowhere", "99999"),
    ],
)
async def test_redirects_that_are_not_followed(
    status: int, to: str, cause: str, named: str
) -> None:
    net = Net({"https://h/whip": moved(status, to)})
    with pytest.raises(RedirectError) as refused:
        await post(net, "https://h/whip")
    assert refused.value.cause == cause
    assert named in str(refused.value)
    assert refused.value.hint
    assert len(net.asked) == 1


async def test_a_redirect_without_a_location() -> None:
    with pytest.raises(RedirectError) as refused:
        await post(Net({"https://h/whip": httpx.Response(307)}), "https://h/whip")
    assert refused.value.cause == "redirect_nowhere"


async def test_a_circle_of_two_is_named_whole() -> None:
    net = Net({"http://h/a": moved(307, "/b"), "http://h/b": moved(307, "/a")})
    with pytest.raises(RedirectError, match="http://h/a -> http://h/b -> http://h/a"):
        await post(net, "http://h/a")


async def test_redirects_without_end_are_bounded() -> None:
    counter = itertools.count()
    asked = []

    def further(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return moved(307, f"/{next(counter)}")

    with pytest.raises(RedirectError) as refused:
        await post(further, "http://h/whip")
    assert refused.value.cause == "too_many_redirects"
    assert len(asked) == MOST + 1


async def test_another_origin_is_followed_where_it_is_allowed_or_there_is_no_secret() -> None:
    table = {"https://h/whip": moved(307, "https://other/whip")}
    net = Net(table)
    await post(net, "https://h/whip", allowed=frozenset({"other"}))
    assert net.asked[1].headers["authorization"] == "Bearer t"
    net = Net(table)
    reply = await post(net, "https://h/whip", secrets=False)
    assert reply.url == "https://other/whip"
    assert "authorization" not in net.asked[1].headers


async def test_an_offer_never_goes_from_https_to_http() -> None:
    net = Net({"https://h/whip": moved(307, "http://h/whip")})
    with pytest.raises(RedirectError, match="from https to http://h/whip"):
        await post(net, "https://h/whip", secrets=False)
    with pytest.raises(RedirectError):
        await post(net, "https://h/whip", allowed=frozenset({"h"}))


async def test_a_session_elsewhere_is_ended_without_credentials() -> None:
    net = Net({})
    given = Credentials(home="https://h/whip", headers=SECRETS)
    async with httpx.AsyncClient(transport=httpx.MockTransport(net)) as client:
        for url in ("https://h/session", "https://other/session"):
            await http_request.send(client, "DELETE", url, limit_s=5, credentials=given)
    assert [one.headers.get("x-api-key") for one in net.asked] == ["k", None]


class Packed(httpx.AsyncByteStream):
    """A packed body in one piece."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._data


def packed(coding: str, data: bytes) -> Handler:
    return lambda _: httpx.Response(201, headers={"Content-Encoding": coding}, stream=Packed(data))


@pytest.mark.parametrize(
    ("coding", "pack"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("deflate", zlib.compress),
     ("deflate", lambda text: zlib.compress(text, wbits=-15)), ("identity", bytes)],
)  # fmt: skip
async def test_a_packed_answer_is_unpacked(coding: str, pack: Callable[[bytes], bytes]) -> None:
    assert (await post(packed(coding, pack(b"v=0 unpacked")), "http://h/")).text == "v=0 unpacked"


async def test_a_bomb_is_unpacked_only_as_far_as_it_is_read() -> None:
    bomb = gzip.compress(bytes(64 * http_request.LARGEST_BYTES))
    assert len(bomb) < 100_000
    reply = await post(packed("gzip", bomb), "http://h/")
    assert len(reply.body) == http_request.LARGEST_BYTES


@pytest.mark.parametrize(("coding", "data"), [("gzip", b"v=0"), ("br", b"v=0")])
async def test_a_body_that_cannot_be_unpacked(coding: str, data: bytes) -> None:
    with pytest.raises(httpx.DecodingError):
        await post(packed(coding, data), "http://h/")


@pytest.mark.parametrize(
    ("headers", "allowed", "follows"),
    [
        ({"X-Api-Key": "k"}, frozenset(), False),
        ({"X-Api-Key": "k"}, frozenset({"localhost"}), True),
        ({}, frozenset(), True),
    ],
)
async def test_a_socket_sends_credentials_nowhere_else(
    headers: dict[str, str], allowed: frozenset[str], follows: bool
) -> None:
    seen: list[str | None] = []

    def answered(_: ServerConnection, request: Request) -> Response | None:
        if request.headers["Host"].startswith("localhost"):
            seen.append(request.headers.get("X-Api-Key"))
            return None
        place = {"Location": f"ws://localhost:{port}/ws", "Content-Length": "0"}
        return Response(307, "Temporary Redirect", Headers(place))

    async def stay(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(
        stay, "127.0.0.1", 0, process_request=answered, subprotocols=["sfukit.jsonrpc"]
    ) as server:
        port = server.sockets[0].getsockname()[1]
        opening = room_socket.open_socket(f"ws://127.0.0.1:{port}/ws", headers, None, 5, allowed)
        if follows:
            await (await opening).close()
        else:
            with pytest.raises(SecurityError, match="to another origin"):
                await opening
    assert seen == ([headers.get("X-Api-Key")] if follows else [])
