"""LiveKit, Galene and Janus as targets: recognised by asking, what they need, the missing extra."""

import json
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from sfukit.errors import MachineError, TargetError, UsageError
from sfukit.loadgen import other_targets
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.targets.galene import GaleneTarget
from sfukit.loadgen.targets.janus import JanusTarget
from sfukit.loadgen.targets.livekit import LivekitTarget
from sfukit.targets import galene_group, janus_info, janus_url
from sfukit.targets.access import Access
from sfukit.targets.detect import DetectedTarget, Kind, detect, parse_target
from sfukit.targets.galene_group import GroupUrl
from sfukit.targets.janus_url import JanusUrl

STATUS = {"name": "t", "location": "http://h/group/t/", "endpoint": "ws://h/ws"}
LIVEKIT = DetectedTarget("livekit", "http://h:7880", None)
GALENE = DetectedTarget("galene", "https://h/group/t", None)
JANUS = DetectedTarget("janus", "ws://h:8188/janus", "1.1.2")
JANUS_INFO = '{"janus": "server_info", "version_string": "1.1.2"}'


def galene_server(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/group/room-1/.status":
        assert "authorization" not in request.headers
        return httpx.Response(200, json=STATUS)
    return httpx.Response(404)


def livekit_server(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/rtc/validate":
        return httpx.Response(401, text="no permissions to access the room")
    return httpx.Response(200 if request.url.path == "/" else 404, text="OK")


def other_server(request: httpx.Request) -> httpx.Response:
    return httpx.Response(401, text="log in first")


def transport(handler: Callable[[httpx.Request], httpx.Response]) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        return int(bound.getsockname()[1])


async def recognised(text: str, handler: object) -> Kind:
    async with httpx.AsyncClient(transport=httpx.MockTransport(handler)) as client:  # type: ignore[arg-type]
        return (await detect(parse_target(text), client)).kind


async def test_servers_are_recognised_by_asking() -> None:
    assert await recognised("https://u:p@h/group/{room}", galene_server) == "galene"
    assert await recognised("ws://h:7880", livekit_server) == "livekit"
    with pytest.raises(TargetError):
        await recognised("http://h", other_server)
    with pytest.raises(TargetError):
        await recognised("http://h/group/t", other_server)


async def test_forced_kinds_need_a_server_that_answers() -> None:
    def down(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    for text in ("livekit+ws://h", "galene+https://h/group/t"):
        assert await recognised(text, other_server) == text.partition("+")[0]
        with pytest.raises(TargetError, match="cannot be reached"):
            await recognised(text, down)
    with pytest.raises(UsageError, match="not the URL of a group"):
        await recognised("galene+https://h/other", other_server)


@pytest.mark.parametrize(
    ("url", "group"),
    [
        ("https://h:8443/group/t", GroupUrl("https://h:8443/group/t/", "t", "", "", None)),
        ("https://h/group/a/b/", GroupUrl("https://h/group/a/b/", "a/b", "", "", None)),
        ("https://h/x/group/a%20b", GroupUrl("https://h/x/group/a%20b/", "a b", "", "", None)),
        ("http://u%40:p@h/group/t", GroupUrl("http://h/group/t/", "t", "u@", "p", None)),
        ("http://h/group/t/?token=abc", GroupUrl("http://h/group/t/", "t", "", "", "abc")),
        ("http://h/group/", None),
        ("http://h/groups/t", None),
    ],
)
def test_the_url_of_a_group(url: str, group: GroupUrl | None) -> None:
    assert galene_group.parse(url) == group


@pytest.mark.parametrize(
    ("status", "endpoint"),
    [
        (b'{"name":"t","endpoint":"wss://h/ws"}', "wss://h/ws"),
        (b'{"name":"t","endpoint":"https://h/ws"}', "wss://h/ws"),
        (b'{"name":"t","endpoint":"/ws"}', "wss://h/ws"),
        (b'{"name":"t","endpoint":"ws://h:99999/ws"}', None),
        (b'{"name":"t","endpoint":"file:///etc"}', None),
        (b'{"name":"t","endpoint":7}', None),
        (b"<html>", None),
    ],
)
def test_the_endpoint_of_a_status_document(status: bytes, endpoint: str | None) -> None:
    group = galene_group.parse("https://h/group/t")
    assert group is not None
    assert galene_group.endpoint(group, status) == endpoint


def test_a_group_is_one_room_unless_its_url_names_rooms() -> None:
    load = LoadOptions(clients=20)
    assert other_targets.fit_to_groups(load, "https://h/group/t").rooms == 1
    assert other_targets.fit_to_groups(load, "https://h/group/{room}") is load
    with pytest.raises(UsageError, match="--rooms 4: the URL names one group"):
        other_targets.fit_to_groups(LoadOptions(rooms=4), "https://h/group/t")


@pytest.mark.parametrize(
    ("found", "how", "clients", "says"),
    [
        (GALENE, Access(api_key="k", api_secret="s"), 2, "--api-key: Galene"),
        (JANUS, Access(api_key="k", api_secret="s"), 2, "--api-key: Janus"),
        (JANUS, Access(token="a.b.c", api_secret="s"), 9, None),
        (JANUS._replace(version="0.15.3"), Access(), 9, "is Janus 0.15.3"),
        (JANUS._replace(version=None), Access(), 9, None),
        (LIVEKIT, Access(token="a.b.c"), 2, "--token: a token of LiveKit is for one"),
        (LIVEKIT, Access(token="a.b.c"), None, "--token"),
        (LIVEKIT, Access(token="a.b.c"), 1, None),
        (LIVEKIT, Access(api_key="k", api_secret="s"), 9, None),
        (GALENE, Access(token="a.b.c"), 9, None),
    ],
)
def test_access_that_does_not_fit_is_refused(
    found: DetectedTarget, how: Access, clients: int | None, says: str | None
) -> None:
    options = RunOptions(load=LoadOptions(clients=clients), access=how)
    if says is None:
        other_targets.require_usable(found, options)
        return
    with pytest.raises(UsageError, match=says):
        other_targets.require_usable(found, options)


@asynccontextmanager
async def janus_socket(answer: str = JANUS_INFO) -> AsyncIterator[str]:
    """Serve a WebSocket that answers each message; return its host and port."""

    async def handler(connection: ServerConnection) -> None:
        async for message in connection:
            assert json.loads(message) == {"janus": "info", "transaction": "info"}
            await connection.send(answer)

    protocols = [Subprotocol("janus-protocol")]
    async with serve(handler, "127.0.0.1", 0, subprotocols=protocols) as server:
        [listener] = server.sockets
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("prefix", ["", "janus+"])
async def test_janus_is_recognised_by_its_websocket(prefix: str) -> None:
    async with janus_socket() as host, transport(other_server) as client:
        found = await detect(parse_target(f"{prefix}ws://{host}/janus?room=7"), client)
        assert found == DetectedTarget("janus", f"ws://{host}/janus?room=7", "1.1.2")

    def closes(request: httpx.Request) -> httpx.Response:
        raise httpx.RemoteProtocolError("closed without a response")

    async with janus_socket() as host, transport(closes) as client:
        found = await detect(parse_target(f"{prefix}ws://{host}/janus"), client)
        assert found.kind == "janus"
    async with janus_socket("[]") as host, transport(closes) as client:
        with pytest.raises(TargetError, match="cannot be reached"):
            await detect(parse_target(f"{prefix}ws://{host}/janus"), client)
    async with janus_socket("[]") as host, transport(other_server) as client:
        with pytest.raises(TargetError, match="answer"):
            await detect(parse_target(f"{prefix}ws://{host}/janus"), client)


async def test_the_http_interface_of_janus_leads_to_its_websocket(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def http_interface(request: httpx.Request) -> httpx.Response:
        known = request.url.path == "/janus/info"
        return httpx.Response(200 if known else 404, text=JANUS_INFO if known else "")

    closed = free_port()
    async with janus_socket() as host, transport(http_interface) as client:
        target = parse_target(f"http://127.0.0.1:{closed}/janus?room=7")
        monkeypatch.setitem(janus_info.DEFAULT_PORTS, "http", int(host.partition(":")[2]))
        found = await detect(target, client)
        assert found == DetectedTarget("janus", f"ws://{host}/janus?room=7", "1.1.2")
        monkeypatch.setitem(janus_info.DEFAULT_PORTS, "http", closed)
        with pytest.raises(TargetError, match="HTTP interface of Janus") as without:
            await detect(target, client)
    assert "janus+ws://HOST:8188/janus" in (without.value.hint or "")


@pytest.mark.parametrize(
    ("url", "parsed"),
    [
        ("http://h:8188", JanusUrl("ws://h:8188/janus")),
        ("https://h/x/", JanusUrl("wss://h/x/")),
        ("ws://h/janus?room=7&pin=p&a=b", JanusUrl("ws://h/janus?a=b", "7", "p")),
        ("ws://h/janus?admin_key=k&room=", JanusUrl("ws://h/janus", None, None, "k")),
    ],
)
def test_the_url_of_janus(url: str, parsed: JanusUrl) -> None:
    assert janus_url.parse(url) == parsed


def test_a_room_named_by_the_url_of_janus_is_the_only_one() -> None:
    load, other = LoadOptions(clients=20), LoadOptions(rooms=4)
    named = JANUS._replace(url="ws://h/janus?room=1234")
    each = JANUS._replace(url="ws://h/janus?room=a-{room}")
    assert other_targets.fit_to_rooms(load, JANUS) is load
    assert other_targets.fit_to_rooms(load, named).rooms == 1
    assert other_targets.fit_to_rooms(other, each) is other
    with pytest.raises(UsageError, match="--rooms 4: the URL names one room"):
        other_targets.fit_to_rooms(other, named)


async def test_targets_are_opened_and_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    options = RunOptions(load=LoadOptions(), access=Access(insecure=True))
    async with httpx.AsyncClient() as client:
        assert isinstance(other_targets.open_target(LIVEKIT, options, client), LivekitTarget)
        assert isinstance(other_targets.open_target(GALENE, options, client), GaleneTarget)
        assert isinstance(other_targets.open_target(JANUS, options, client), JanusTarget)
        for name in [name for name in sys.modules if "livekit" in name]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "livekit", None)
        with pytest.raises(MachineError, match="need livekit-protocol") as missing:
            other_targets.open_target(LIVEKIT, options, client)
    assert missing.value.hint == "pip install 'sfukit[livekit]'"
