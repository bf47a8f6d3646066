"""WHIP (RFC 9725): each row of the table in docs/protocol.md."""

from typing import Any, Literal

import pytest
from aiohttp import ClientResponse

from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    CommandError,
    OpenTransport,
    Publish,
    RestartIce,
    TransportState,
)
from sfukit.server.settings import IceServer, Limits, Timing
from sfukit.signaling import sdp
from tests.unit.server.stage import Stage, StageMaker, offer_text
from tests.unit.signaling.descriptions import audio, offer_of, video

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
CANDIDATE = (
    "a=ice-ufrag:8hQW\r\na=ice-pwd:qMwL3X1oYbHq0Jx7Gf9sZ2Vt\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 2113937151 0e7ff1f7.local 54321 typ host\r\n"
    "a=candidate:2 1 sctp 1 192.0.2.1 1 typ host\r\na=end-of-candidates\r\n"
)
RESTART = f"a=ice-ufrag:neww\r\na=ice-pwd:{'n' * 24}\r\n"


async def post(stage: Stage, text: str | None = None, path: str = "/whip/demo") -> ClientResponse:
    body = offer_text() if text is None else text
    return await stage.session.post(stage.url(path), data=body.encode(), headers=SDP)


async def patch(
    stage: Stage, session: ClientResponse, body: str, if_match: str | None
) -> ClientResponse:
    headers = FRAGMENT | ({"If-Match": if_match} if if_match is not None else {})
    url = stage.url(session.headers["Location"])
    return await stage.session.patch(url, data=body, headers=headers)


async def problem(response: ClientResponse) -> tuple[int, str]:
    assert response.content_type == "application/problem+json"
    content: dict[str, Any] = await response.json()
    assert content["status"] == response.status
    return response.status, content["reason"]


async def test_an_offer_is_answered_with_a_session(stage: Stage) -> None:
    response = await post(stage)
    assert (response.status, response.content_type) == (201, "application/sdp")
    assert response.headers["Location"].startswith("/sessions/")
    assert len(response.headers["Location"]) > 30
    assert response.headers["ETag"].startswith('"')
    session = sdp.parse(await response.text())
    assert [media.direction for media in session.media] == ["recvonly"] * 2
    assert [command.codec for command in stage.engine.commands_of(Publish)] == ["opus", "VP8"]


async def test_members_of_the_room_see_the_publisher(stage: Stage) -> None:
    ann = await stage.joined("ann")
    await post(stage)
    await ann.note("participant-joined")
    joined = await ann.note("participant-joined")
    assert joined["uid"].startswith("whip-")
    assert {track["uid"] for track in (await ann.note("offer"))["tracks"]} == {joined["uid"]}


async def test_ice_servers_are_link_headers(make_stage: StageMaker) -> None:
    servers = (IceServer("stun:s.example"), IceServer("turn:t.example", "u", "p"))
    stage = await make_stage(ice_servers=servers)
    links = (await post(stage)).headers.getall("Link")
    assert links[0] == '<stun:s.example>; rel="ice-server"'
    assert 'credential-type="password"' in links[1]


async def test_credentials_of_ice_servers_need_an_admitted_post(
    make_stage: StageMaker,
) -> None:
    servers = (IceServer("stun:s.example"), IceServer("turn:t.example", "user", "password"))
    stage = await make_stage(ice_servers=servers, api_keys={"key": "s" * 32})
    for path in ("/whip/demo", "/whep/demo", "/whep/demo/ann", "/sessions/any"):
        response = await stage.session.options(stage.url(path))
        links = response.headers.getall("Link", [])
        assert links == ([] if path == "/sessions/any" else ['<stun:s.example>; rel="ice-server"'])
        assert not any("password" in value for value in response.headers.values())
    for method in ("GET", "POST", "PATCH", "DELETE"):
        for path in ("/whip/demo", "/whep/demo", "/sessions/any", "/ws"):
            response = await stage.session.request(method, stage.url(path))
            assert "Link" not in response.headers


async def test_a_join_returns_ice_servers_in_the_format_of_browsers(
    make_stage: StageMaker,
) -> None:
    servers = (IceServer("stun:s.example"), IceServer("turn:t.example", "u", "p"))
    stage = await make_stage(ice_servers=servers)
    member = await stage.member()
    assert (await member.call("join", sid="demo"))["ice_servers"] == [
        {"urls": "stun:s.example"},
        {"urls": "turn:t.example", "username": "u", "credential": "p"},
    ]


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("nonsense", 400, "sdp_malformed"),
        (offer_of(video(), video()), 422, "too_many_media"),
        (offer_of(video("H263/90000")), 422, "codec_unsupported"),
        (offer_of(audio(direction="recvonly")), 422, "nothing_to_publish"),
        (offer_of(video(), setup="holdconn"), 422, "setup_refused"),
        (offer_of(video(), audio(), bundle=False), 422, "bundle_required"),
        ("v=0\r\n" + "a=x\r\n" * 20_000, 413, "body_too_large"),
    ],
)
async def test_bad_offers_are_refused_with_a_reason(
    stage: Stage, text: str, status: int, reason: str
) -> None:
    assert await problem(await post(stage, text)) == (status, reason)
    assert stage.context.rooms.population == 0
    assert len(stage.context.sessions) == 0


async def test_an_offer_is_sdp(stage: Stage) -> None:
    response = await stage.session.post(
        stage.url("/whip/demo"), data=offer_text(), headers={"Content-Type": "text/plain"}
    )
    assert await problem(response) == (415, "content_type")


async def test_invalid_utf8_is_malformed(stage: Stage) -> None:
    response = await stage.session.post(
        stage.url("/whip/demo"), data=b"v=0\r\n\xff\xfe", headers=SDP
    )
    assert await problem(response) == (400, "sdp_malformed")


async def test_candidates_are_accepted_without_body_or_etag(stage: Stage) -> None:
    session = await post(stage)
    before = len(stage.engine.commands)
    response = await patch(stage, session, CANDIDATE, session.headers["ETag"])
    assert (response.status, await response.text()) == (204, "")
    assert "ETag" not in response.headers
    assert len(stage.engine.commands) == before


@pytest.mark.parametrize(
    ("body", "if_match", "status", "reason"),
    [
        (CANDIDATE, None, 428, "etag_missing"),
        (CANDIDATE, '"stale"', 412, "etag_stale"),
        ("wibble", "*", 400, "sdpfrag_malformed"),
        ("a=end-of-candidates\r\n", "*", 422, "restart_missing_credentials"),
        ("a=ice-ufrag:ab\r\na=ice-pwd:short\r\n", "*", 422, "ice_missing"),
    ],
)
async def test_bad_fragments_are_refused_and_the_session_lives(
    stage: Stage, body: str, if_match: str | None, status: int, reason: str
) -> None:
    session = await post(stage)
    assert await problem(await patch(stage, session, body, if_match)) == (status, reason)
    assert (await patch(stage, session, CANDIDATE, session.headers["ETag"])).status == 204


async def test_a_patch_of_a_publisher_has_to_be_an_sdp_fragment(stage: Stage) -> None:
    session = await post(stage)
    url = stage.url(session.headers["Location"])
    response = await stage.session.patch(url, data=CANDIDATE, headers=SDP | {"If-Match": "*"})
    assert await problem(response) == (422, "answer_unexpected")
    response = await stage.session.patch(
        url, data=CANDIDATE, headers={"Content-Type": "text/plain", "If-Match": "*"}
    )
    assert await problem(response) == (415, "content_type")


@pytest.mark.parametrize("star", ["*", '"*"'])
async def test_a_restart_returns_new_credentials_and_a_new_etag(stage: Stage, star: str) -> None:
    session = await post(stage)
    response = await patch(stage, session, RESTART, star)
    assert (response.status, response.content_type) == (200, "application/trickle-ice-sdpfrag")
    command = stage.engine.commands_of(RestartIce)[0]
    assert command.remote.ufrag == "neww"
    assert f"a=ice-ufrag:{command.local.ufrag}\r\n" in await response.text()
    old, new = session.headers["ETag"], response.headers["ETag"]
    assert old != new
    assert (await patch(stage, session, RESTART, old)).status == 412
    assert (await patch(stage, session, RESTART, new)).status == 204


async def test_a_restart_that_fails_keeps_the_session(make_stage: StageMaker) -> None:
    def judge(command: Command) -> CommandError | None:
        return CommandError("internal_error") if isinstance(command, RestartIce) else None

    stage = await make_stage(MockEngine(error_of=judge))
    session = await post(stage)
    assert (await patch(stage, session, RESTART, "*")).status == 500
    assert (await patch(stage, session, CANDIDATE, session.headers["ETag"])).status == 204


async def test_candidates_of_another_generation_are_stale(stage: Stage) -> None:
    session = await post(stage)
    response = await patch(stage, session, RESTART, session.headers["ETag"])
    assert await problem(response) == (412, "etag_stale")


@pytest.mark.parametrize("headers", [{}, {"If-Match": '"whatever"'}])
async def test_delete_ends_the_session(stage: Stage, headers: dict[str, str]) -> None:
    session = await post(stage)
    url = stage.url(session.headers["Location"])
    assert (await stage.session.delete(url, headers=headers)).status == 200
    assert stage.context.rooms.population == 0
    assert len(stage.engine.commands_of(CloseTransport)) == 1
    assert stage.ended() == {"left": 1}
    assert (await stage.session.delete(url)).status == 200
    assert await problem(await patch(stage, session, CANDIDATE, "*")) == (404, "session_unknown")


async def test_unknown_sessions_are_404(stage: Stage) -> None:
    response = await stage.session.delete(stage.url("/sessions/unknown"))
    assert await problem(response) == (404, "session_unknown")


async def test_options_list_methods_and_media_types(stage: Stage) -> None:
    response = await stage.session.options(stage.url("/whip/demo"))
    assert (response.status, response.headers["Accept-Post"]) == (200, "application/sdp")
    assert "POST" in response.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in response.headers["Access-Control-Allow-Headers"]
    session = await stage.session.options(stage.url("/sessions/any"))
    assert session.headers["Accept-Patch"] == "application/trickle-ice-sdpfrag, application/sdp"
    assert "PATCH" in session.headers["Access-Control-Allow-Methods"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_get_on_an_endpoint_is_204(stage: Stage, method: str) -> None:
    response = await stage.session.request(method, stage.url("/whip/demo"))
    assert (response.status, await response.read()) == (204, b"")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
async def test_a_session_supports_patch_and_delete_only(stage: Stage, method: str) -> None:
    session = await post(stage)
    url = stage.url(session.headers["Location"])
    assert (await stage.session.request(method, url)).status == 405


async def test_a_page_may_read_the_headers_it_needs(stage: Stage) -> None:
    origin = str(stage.server.make_url("")).rstrip("/")
    response = await stage.session.post(
        stage.url("/whip/demo"), data=offer_text(), headers=SDP | {"Origin": origin}
    )
    assert response.headers["Access-Control-Allow-Origin"] == origin
    exposed = response.headers["Access-Control-Expose-Headers"]
    assert {"Location", "Link", "ETag"} <= set(exposed.replace(" ", "").split(","))


async def test_a_page_of_another_origin_is_refused(stage: Stage) -> None:
    response = await stage.session.post(
        stage.url("/whip/demo"), data=offer_text(), headers=SDP | {"Origin": "https://evil.example"}
    )
    assert await problem(response) == (403, "origin_denied")


async def test_the_traceparent_is_propagated_or_generated(stage: Stage) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    response = await stage.session.get(
        stage.url("/livez"), headers={"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
    )
    assert response.headers["traceparent"].split("-")[1] == trace
    other = await stage.session.get(stage.url("/livez"))
    assert len(other.headers["traceparent"].split("-")[1]) == 32


async def test_limits_answer_503_with_a_time_to_retry(make_stage: StageMaker) -> None:
    stage = await make_stage(limits=Limits(max_participants=1))
    assert (await post(stage)).status == 201
    response = await post(stage)
    assert await problem(response) == (503, "max_participants")
    assert int(response.headers["Retry-After"]) > 0


async def test_an_overloaded_engine_is_503(make_stage: StageMaker) -> None:
    def judge(command: Command) -> CommandError | None:
        return CommandError("overloaded") if isinstance(command, OpenTransport) else None

    stage = await make_stage(MockEngine(error_of=judge))
    response = await post(stage)
    assert await problem(response) == (503, "overloaded")
    assert response.headers["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("state", "reason"), [("disconnected", "silent"), ("closed", "closed_by_peer")]
)
async def test_a_session_ends_with_its_transport(
    stage: Stage, state: Literal["disconnected", "closed"], reason: str
) -> None:
    session = await post(stage)
    transport = stage.engine.commands_of(OpenTransport)[0].transport
    stage.engine.emit(TransportState(transport, "connected"))
    stage.engine.emit(TransportState(transport, state, reason))
    assert stage.context.rooms.population == 0
    assert (await patch(stage, session, CANDIDATE, "*")).status == 404
    assert (await stage.session.delete(stage.url(session.headers["Location"]))).status == 200


async def test_a_session_whose_transport_never_connects_ends(make_stage: StageMaker) -> None:
    from tests.unit.server.stage import until

    stage = await make_stage(timing=Timing(negotiation_s=0.05))
    await post(stage)
    await until(lambda: stage.context.rooms.population == 0)
    assert len(stage.engine.commands_of(CloseTransport)) == 1
    assert stage.ended() == {"negotiation_timeout": 1}
