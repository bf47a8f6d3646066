"""What a bot shows to its target goes to no other server."""

from collections.abc import Callable, Mapping

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from sfukit.loadgen import target_setup
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.targets import websocket
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.rooms import RoomsTarget
from sfukit.loadgen.targets.whip import WhipTarget
from sfukit.targets import load_permission
from sfukit.targets.access import Access

from .test_room_client import Room
from .test_targets import Endpoint, Pair, client

TOKEN = Access(token="secret", headers=(("X-Api-Key", "secret"),))
ALLOWED = Access(token="secret", allow_hosts=frozenset({"other"}))


def moved(to: str) -> httpx.Response:
    return httpx.Response(307, headers={"Location": to})


def shown(endpoint: Endpoint) -> Mapping[str, bool]:
    """Return for each requested URL whether the request carried a secret."""
    return {str(one.url): "secret" in str(one.headers.raw) for one in endpoint.requests}


def secured(endpoint: Endpoint, how: Access) -> Pair:
    pair = Pair(endpoint)
    pair.target = WhipTarget(client(endpoint), "https://h/whip", None, how, join_timeout_s=5)
    return pair


async def test_a_redirect_within_the_origin_keeps_the_token() -> None:
    endpoint = Endpoint(moved("https://h:443/whip?to=2"))
    await secured(endpoint, TOKEN).session(0).join()
    assert shown(endpoint) == {"https://h/whip": True, "https://h/whip?to=2": True}


@pytest.mark.parametrize(
    ("to", "code", "hint"),
    [
        ("https://other/whip", "redirect_elsewhere", "--allow-host other"),
        ("https://h:8443/whip", "redirect_elsewhere", "--allow-host h"),
        ("http://h/whip", "redirect_downgrade", "redirect to https"),
        ("https://h/whip", "redirect_loop", "correct the redirects"),
    ],
)
async def test_a_redirect_elsewhere_gets_no_token(to: str, code: str, hint: str) -> None:
    endpoint = Endpoint(moved(to))
    with pytest.raises(JoinRefusedError) as refused:
        await secured(endpoint, TOKEN).session(0).join()
    assert (refused.value.code, hint in refused.value.message) == (code, True)
    assert shown(endpoint) == {"https://h/whip": True}


async def test_an_allowed_host_gets_the_token_but_never_without_tls() -> None:
    endpoint = Endpoint(moved("https://other/whip"))
    await secured(endpoint, ALLOWED).session(0).join()
    assert shown(endpoint) == {"https://h/whip": True, "https://other/whip": True}
    endpoint = Endpoint(moved("http://other/whip"))
    with pytest.raises(JoinRefusedError, match="from https to http"):
        await secured(endpoint, ALLOWED).session(0).join()
    assert shown(endpoint) == {"https://h/whip": True}


@pytest.mark.parametrize(
    ("location", "is_shown"),
    [("/session/1", True), ("https://other/session/1", False), ("http://h/session/1", False)],
)
async def test_a_session_elsewhere_is_ended_without_the_token(
    location: str, is_shown: bool
) -> None:
    endpoint = Endpoint()
    answered: Callable[[httpx.Request], httpx.Response] = endpoint.__call__

    def elsewhere(request: httpx.Request) -> httpx.Response:
        response = answered(request)
        response.headers["Location"] = location
        return response

    pair = Pair(endpoint)
    pair.target = WhipTarget(client(elsewhere), "https://h/whip", None, TOKEN, join_timeout_s=5)
    session = pair.session(0)
    await session.join()
    await session.leave()
    post, delete = endpoint.requests
    assert "secret" in str(post.headers.raw)
    assert (delete.method, "secret" in str(delete.headers.raw)) == ("DELETE", is_shown)


async def test_an_answer_is_read_with_a_bound() -> None:
    def endless(_: httpx.Request) -> httpx.Response:
        return httpx.Response(201, content=b"v=0\r\n" * 1_000_000, headers={"Location": "/1"})

    with pytest.raises(JoinRefusedError) as refused:
        await Pair(endless).session(0).join()
    assert refused.value.code == "answer_unusable"
    assert "longer than 65536 bytes" in refused.value.message


@pytest.mark.parametrize(
    ("hosts", "seen"), [(frozenset(), []), (frozenset({"localhost"}), ["secret"])]
)
async def test_a_room_elsewhere_gets_the_token_where_allowed(
    hosts: frozenset[str], seen: list[str]
) -> None:
    there: list[str] = []

    def answered(_: ServerConnection, request: Request) -> Response:
        if request.headers["Host"].startswith("localhost"):
            there.append(request.headers.get("X-Api-Key", ""))
            return Response(403, "Forbidden", Headers({"Content-Length": "0"}))
        place = {"Location": f"ws://localhost:{port}/ws", "Content-Length": "0"}
        return Response(307, "Temporary Redirect", Headers(place))

    async def never(_: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=answered) as server:
        port = server.sockets[0].getsockname()[1]
        how = Access(headers=(("X-Api-Key", "secret"),), allow_hosts=hosts)
        session = RoomsTarget(f"http://127.0.0.1:{port}", how, 5).session(Room().bot_session)
        with pytest.raises(JoinRefusedError) as refused:
            await session.join()
    assert refused.value.code == ("http_403" if hosts else "connect")
    assert there == seen


async def test_an_open_websocket_keeps_no_header_of_its_handshake() -> None:
    seen: list[str] = []

    async def note(connection: ServerConnection) -> None:
        assert connection.request is not None
        seen.append(connection.request.headers["X-Api-Key"])
        await connection.wait_closed()

    async with serve(note, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        options = websocket.Options.of(Access(), url, 5, subprotocol=None)
        connection = await websocket.connect(
            options, Room().bot_session, url, {"X-Api-Key": "secret"}, websocket.refused
        )
        assert connection.request is not None
        assert connection.response is not None
        assert not [*connection.request.headers.raw_items()]
        assert not [*connection.response.headers.raw_items()]
        await connection.close()
    assert seen == ["secret"]


async def test_cookies_of_a_target_are_not_kept() -> None:
    async with target_setup.http_client(RunOptions(load=LoadOptions())) as made:
        for number in range(1_000):
            request = httpx.Request("GET", "http://h/")
            headers = {"Set-Cookie": f"c{number}=v"}
            made.cookies.extract_cookies(httpx.Response(200, headers=headers, request=request))
        assert len(made.cookies.jar) == 0


def loading(clients: int, endpoint: Callable[[httpx.Request], httpx.Response], how: Access) -> Pair:
    """Make a pair with as many clients, none of which has anything secret."""
    pair = Pair(endpoint)
    pair.plan = plan(LoadOptions(clients=clients, shape="pair"))
    pair.target = WhipTarget(client(endpoint), "http://h/whip", None, how, join_timeout_s=5)
    return pair


@pytest.mark.parametrize(
    ("clients", "to", "hosts", "follows"),
    [
        (2, "http://other/whip", frozenset(), True),
        (3, "http://other/whip", frozenset(), False),
        (3, "http://other/whip", frozenset({"Other."}), True),
        (3, "http://192.0.2.1/whip", frozenset({"h"}), False),
        (3, "http://h:8080/whip", frozenset(), True),
        (3, "http://H./whip", frozenset(), True),
        (3, "http://127.0.0.2/whip", frozenset(), True),
        (3, "http://[::1]/whip", frozenset(), True),
        (3, "http://localhost/whip", frozenset(), True),
    ],
)
async def test_a_load_follows_to_hosts_that_permit_it(
    clients: int, to: str, hosts: frozenset[str], follows: bool
) -> None:
    endpoint = Endpoint(moved(to))
    session = loading(clients, endpoint, Access(allow_hosts=hosts)).session(0)
    if follows:
        await session.join()
        assert len(endpoint.requests) == 2
        return
    with pytest.raises(JoinRefusedError, match="3 clients need permission there") as refused:
        await session.join()
    assert refused.value.code == "redirect_elsewhere"
    assert f"--allow-host {httpx.URL(to).host}" in refused.value.message
    assert [str(one.url) for one in endpoint.requests] == ["http://h/whip"]


@pytest.mark.parametrize(("clients", "asked"), [(2, ["POST", "DELETE"]), (3, ["POST"])])
async def test_a_load_ends_its_sessions_where_it_may_go(clients: int, asked: list[str]) -> None:
    endpoint = Endpoint()

    def elsewhere(request: httpx.Request) -> httpx.Response:
        response = endpoint(request)
        response.headers["Location"] = "http://other/session/1"
        return response

    pair = loading(clients, elsewhere, Access())
    session = pair.session(0)
    await session.join()
    await session.leave()
    assert [one.method for one in endpoint.requests] == asked
    assert [fault.code for fault in pair.ledger.faults] == ["delete_failed"] * (clients - 2)


@pytest.mark.parametrize(("clients", "code"), [(2, "http_403"), (3, "connect")])
async def test_a_load_of_rooms_follows_to_hosts_that_permit_it(
    clients: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = 0
    monkeypatch.setattr(load_permission, "_is_loopback", lambda _: False)

    def answered(_: ServerConnection, request: Request) -> Response:
        nonlocal there
        if request.headers["Host"].startswith("localhost"):
            there += 1
            return Response(403, "Forbidden", Headers({"Content-Length": "0"}))
        place = {"Location": f"ws://localhost:{port}/ws", "Content-Length": "0"}
        return Response(307, "Temporary Redirect", Headers(place))

    async def never(_: ServerConnection) -> None:
        raise AssertionError

    async with serve(never, "127.0.0.1", 0, process_request=answered) as server:
        port = server.sockets[0].getsockname()[1]
        room = Room()
        room.bot_session.plan = plan(LoadOptions(clients=clients))
        session = RoomsTarget(f"http://127.0.0.1:{port}", Access(), 5).session(room.bot_session)
        with pytest.raises(JoinRefusedError) as refused:
            await session.join()
    assert refused.value.code == code
    assert there == (clients == 2)
    assert ("3 clients need permission there" in refused.value.message) is (clients == 3)
