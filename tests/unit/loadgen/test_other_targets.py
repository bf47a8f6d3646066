"""LiveKit and Galene as targets: recognised by asking, what they need, the missing extra."""

import sys

import httpx
import pytest

from sfukit.errors import MachineError, TargetError, UsageError
from sfukit.loadgen import other_targets
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.targets.galene import GaleneTarget
from sfukit.loadgen.targets.livekit import LivekitTarget
from sfukit.targets import galene_group
from sfukit.targets.access import Access
from sfukit.targets.detect import DetectedTarget, Kind, detect, parse_target
from sfukit.targets.galene_group import GroupUrl

STATUS = {"name": "t", "location": "http://h/group/t/", "endpoint": "ws://h/ws"}
LIVEKIT = DetectedTarget("livekit", "http://h:7880", None)
GALENE = DetectedTarget("galene", "https://h/group/t", None)


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


async def test_targets_are_opened_and_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    options = RunOptions(load=LoadOptions(), access=Access(insecure=True))
    async with httpx.AsyncClient() as client:
        assert isinstance(other_targets.open_target(LIVEKIT, options, client), LivekitTarget)
        assert isinstance(other_targets.open_target(GALENE, options, client), GaleneTarget)
        for name in [name for name in sys.modules if "livekit" in name]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "livekit", None)
        with pytest.raises(MachineError, match="need livekit-protocol") as missing:
            other_targets.open_target(LIVEKIT, options, client)
    assert missing.value.hint == "pip install 'sfukit[livekit]'"
