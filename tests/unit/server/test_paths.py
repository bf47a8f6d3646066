"""Unknown paths are refused with a suggestion; the prefix of a proxy."""

import gzip
from typing import Any

import pytest
from aiohttp import ClientResponse

from sfukit.errors import UsageError
from sfukit.server.settings import load
from tests.unit.server.stage import Member, Stage, StageMaker, offer_text

SDP = {"Content-Type": "application/sdp"}


async def post(stage: Stage, path: str, **headers: str) -> ClientResponse:
    return await stage.session.post(stage.url(path), data=offer_text(), headers=SDP | headers)


async def problem(response: ClientResponse) -> dict[str, Any]:
    assert response.content_type == "application/problem+json"
    content: dict[str, Any] = await response.json()
    assert content["status"] == response.status
    return content


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("/whip/demo/", "POST to /whip/demo,"),
        ("/WHIP/demo", "POST to /whip/demo,"),
        ("/Whep/demo/ann/", "POST to /whep/demo/ann,"),
        ("/whip", "POST to /whip/ROOM,"),
        ("/whep/", "POST to /whep/ROOM,"),
        ("/whip/demo/more", "POST to /whip/demo,"),
        ("/demo/whip", "POST to /whip/demo,"),
        ("/group/demo/.whip", "POST to /whip/ROOM,"),
        ("/rtc/v1/whip/?app=live", "POST to /whip/ROOM,"),
        ("/sfu/whip/demo", "--http-prefix /sfu"),
        ("/sessions/x/", "the URL of a session is the Location of the 201 response: /sessions/ID"),
        ("/whip/a%0Ab/c", "POST to /whip/ROOM,"),
        ("/", "the path supports GET, HEAD"),
        ("/elsewhere", "POST to /whip/ROOM, WHEP viewers to /whep/ROOM"),
    ],
)
async def test_an_unknown_path_is_refused_with_a_suggestion(
    stage: Stage, path: str, meant: str
) -> None:
    content = await problem(await post(stage, path))
    assert content["status"] == (405 if path == "/" else 404)
    assert meant in content["detail"]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE"])
async def test_an_unsupported_method_is_refused_with_the_supported_ones(
    stage: Stage, method: str
) -> None:
    response = await stage.session.request(method, stage.url("/whip/demo"))
    assert response.headers["Allow"] == "GET,HEAD,OPTIONS,POST"
    content = await problem(response)
    assert (content["status"], content["reason"]) == (405, "method_not_allowed")
    assert content["detail"] == "the path supports GET, HEAD, OPTIONS, POST"


async def test_a_form_is_refused_with_the_command_that_sends_an_offer(stage: Stage) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    response = await stage.session.post(stage.url("/whip/demo"), data=offer_text(), headers=form)
    content = await problem(response)
    assert (content["status"], content["reason"]) == (415, "content_type")
    assert "--data-binary" in content["detail"]


async def test_the_prefix_stands_before_the_location_and_is_served(make_stage: StageMaker) -> None:
    stage = await make_stage(http_prefix="/sfu/one")
    for path in ("/whip/demo", "/sfu/one/whip/demo"):
        response = await post(stage, path)
        assert response.status == 201
        location = response.headers["Location"]
        assert location.startswith("/sfu/one/sessions/")
        deleted = await stage.session.delete(stage.url(location.removeprefix("/sfu/one")))
        assert deleted.status == 200
    response = await post(stage, "/whip/demo")
    assert (await stage.session.delete(stage.url(response.headers["Location"]))).status == 200
    content = await problem(await post(stage, "/sfu/one/whip/demo/"))
    assert content["detail"].startswith("POST to /sfu/one/whip/demo,")


async def test_the_page_and_its_socket_are_under_the_prefix(make_stage: StageMaker) -> None:
    stage = await make_stage(http_prefix="/sfu")
    page = await stage.session.get(stage.url("/sfu"))
    assert (page.status, page.url.path) == (200, "/sfu/")
    assert (await stage.session.get(stage.url("/sfu/web/main.js"))).status == 200
    member = Member(await stage.session.ws_connect(stage.url("/sfu/ws")))
    await member.call("join", sid="demo", uid="ann")


async def test_pages_reach_whip_by_token_under_the_prefix(make_stage: StageMaker) -> None:
    stage = await make_stage(http_prefix="/sfu", api_keys={"key": "s" * 32})
    response = await post(stage, "/sfu/whip/demo", Origin="https://page.example")
    assert response.status == 401
    assert response.headers["Access-Control-Allow-Origin"] == "https://page.example"


@pytest.mark.parametrize(
    ("trusted", "forwarded", "begins"),
    [
        (("127.0.0.0/8",), "/outer", "/outer/sessions/"),
        (("127.0.0.0/8",), "/outer/", "/outer/sessions/"),
        (("127.0.0.0/8",), "//evil.example", "/sessions/"),
        (("127.0.0.0/8",), "https://evil.example", "/sessions/"),
        (("10.0.0.0/8",), "/outer", "/sessions/"),
        ((), "/outer", "/sessions/"),
    ],
)
async def test_the_prefix_header_of_a_trusted_proxy_is_used(
    make_stage: StageMaker, trusted: tuple[str, ...], forwarded: str, begins: str
) -> None:
    stage = await make_stage(trusted_proxies=trusted)
    response = await post(stage, "/whip/demo", **{"X-Forwarded-Prefix": forwarded})
    assert response.headers["Location"].startswith(begins)


@pytest.mark.parametrize("prefix", ["sfu", "/sfu/", "//sfu", "/a b", "/{room}", "/" + "x" * 65])
def test_an_invalid_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(UsageError, match="http_prefix has to begin with /"):
        load(None, {"http_prefix": prefix})


@pytest.mark.parametrize(
    ("body", "encoding", "status", "reason"),
    [
        (gzip.compress(offer_text().encode()), "gzip", 201, None),
        (b"not packed", "gzip", 400, "body_unreadable"),
        (b"v=0", "deflate", 400, "body_unreadable"),
        (gzip.compress(b"v=0\r\n" * 100_000), "gzip", 413, "body_too_large"),
        (offer_text().encode(), "x-own", 415, "content_type"),
    ],
)
async def test_a_body_in_another_encoding(
    stage: Stage, body: bytes, encoding: str, status: int, reason: str | None
) -> None:
    headers = SDP | {"Content-Encoding": encoding}
    response = await stage.session.post(stage.url("/whip/demo"), data=body, headers=headers)
    assert response.status == status
    if reason is not None:
        assert (await problem(response))["reason"] == reason
