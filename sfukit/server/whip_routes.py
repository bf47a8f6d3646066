"""The HTTP side of WHIP and WHEP: one line of the table in docs/protocol.md for each handler."""

import asyncio
import time

from aiohttp import web

from sfukit.server.access import Rights
from sfukit.server.http_sessions import HttpSession
from sfukit.server.participant import Participant
from sfukit.server.paths import prefix_of
from sfukit.server.publishing import parse_description
from sfukit.server.requests import AUTHENTICATED, SERVER_CONTEXT, TRACE_ID, authenticate, reached
from sfukit.server.server_context import ServerContext
from sfukit.server.viewing import Viewing, choose_publisher
from sfukit.signaling import sdp, sdpfrag, whip
from sfukit.signaling.names import participant_name, room_name
from sfukit.signaling.publish_answer import PublishRules
from sfukit.signaling.refusal import Refusal

_POST_METHODS = "GET, HEAD, OPTIONS, POST"
_SESSION_METHODS = "DELETE, OPTIONS, PATCH"


def add_routes(app: web.Application) -> None:
    """Add endpoints and sessions."""
    for endpoint, handler in (
        ("/whip/{room}", publish),
        ("/whep/{room}", play),
        ("/whep/{room}/{participant}", play),
    ):
        app.router.add_post(endpoint, handler)
        app.router.add_get(endpoint, nothing)
        app.router.add_options(endpoint, endpoint_options)
    app.router.add_patch("/sessions/{session}", patch)
    app.router.add_delete("/sessions/{session}", delete)
    app.router.add_options("/sessions/{session}", session_options)


async def publish(request: web.Request) -> web.Response:
    """WHIP: publish the offer; an earlier session of the same identity ends once this one is up."""
    context, rights, offer = await _admit(request)
    rights.require_publish()
    participant, before = context.rooms.enter(
        request.match_info["room"],
        rights,
        protocol="whip",
        trace_id=request[TRACE_ID],
        reached=reached(request),
    )
    rules = PublishRules(1, 1, True, context.settings.max_publish_bitrate_bps)
    with participant.entering(before):
        change = await participant.publish(offer, None, {}, rules)
    session = HttpSession(offer, participant.publishing.restart, participant.leave)
    _keep(context, session, participant)
    return _created(request, session, change.answer)


async def play(request: web.Request) -> web.Response:
    """WHEP: play one participant of the room."""
    context, rights, offer = await _admit(request)
    rights.require_subscribe()
    named = request.match_info.get("participant")
    uid = participant_name(named) if named is not None else None
    context.rooms.require_space()
    room, publisher = choose_publisher(context.rooms.find(request.match_info["room"]), uid)
    viewing = Viewing(
        context.core,
        room,
        publisher,
        uid,
        rights,
        trace_id=request[TRACE_ID],
        reached=reached(request),
    )
    answer = viewing.negotiate(offer)
    context.rooms.admit_viewer(room, viewing)
    await viewing.start()
    session = HttpSession(offer, viewing.restart, viewing.leave, needs_tag=False)
    _keep(context, session, viewing)
    return _created(request, session, answer)


async def patch(request: web.Request) -> web.Response:
    """Take candidates or restart ICE."""
    context = request.app[SERVER_CONTEXT]
    name = request.match_info["session"]
    session = context.sessions.find(name)
    request[AUTHENTICATED] = True  # the name of a session is a secret of its owner's
    context.limiter.admit_session(name, time.monotonic())
    whip.require_fragment(request.content_type)
    answer = await session.patch(request.headers.get("If-Match"), await _text(request))
    if answer is None:
        return web.Response(status=204)
    return web.Response(
        text=answer, content_type=sdpfrag.CONTENT_TYPE, headers={"ETag": session.etag}
    )


async def delete(request: web.Request) -> web.Response:
    """End a session, whatever ``If-Match`` says; leaving is free of limits."""
    context = request.app[SERVER_CONTEXT]
    context.sessions.delete(request.match_info["session"])
    return web.Response()


async def nothing(_request: web.Request) -> web.Response:
    """Answer GET on an endpoint without content (RFC 9725 section 4.1)."""
    return web.Response(status=204)


async def endpoint_options(request: web.Request) -> web.Response:
    """Say what an endpoint accepts."""
    response = web.Response(headers=whip.preflight(_POST_METHODS, {"Accept-Post": whip.SDP_TYPE}))
    _add_links(response, request.app[SERVER_CONTEXT], credentials=False)
    return response


async def session_options(_request: web.Request) -> web.Response:
    """Say what a session accepts."""
    accepted = {"Accept-Patch": sdpfrag.CONTENT_TYPE}
    return web.Response(headers=whip.preflight(_SESSION_METHODS, accepted))


async def _admit(request: web.Request) -> tuple[ServerContext, Rights, sdp.Session]:
    """Check everything about a POST that does not depend on what it asks for."""
    context = request.app[SERVER_CONTEXT]
    claims = authenticate(request)
    rights = context.access.rights(claims, room_name(request.match_info["room"]))
    whip.require_sdp(request.content_type)
    return context, rights, parse_description(await _text(request))


async def _text(request: web.Request) -> str:
    """Read the body as text; what is no UTF-8 fails later, at the line where it stands."""
    encoding = request.headers.get("Content-Encoding", "").lower()
    if encoding not in ("", "identity", "gzip", "deflate"):
        raise Refusal("content_type", f"Content-Encoding {encoding[:32]!r} is not read: send none")
    limit_s = request.app[SERVER_CONTEXT].settings.timing.request_s
    try:
        async with asyncio.timeout(limit_s):
            return (await request.read()).decode(errors="replace")
    except TimeoutError:
        raise Refusal("request_timeout", f"no whole body within {limit_s:g} s") from None
    except web.RequestPayloadError:
        raise Refusal(
            "body_unreadable", f"the body is not encoded as it says, {encoding or 'chunked'}"
        ) from None


def _keep(context: ServerContext, session: HttpSession, owner: Participant | Viewing) -> None:
    context.sessions.add(session)
    owner.on_end = lambda _reason: context.sessions.forget(session)
    if owner.left is not None:
        context.sessions.forget(session)


def _created(request: web.Request, session: HttpSession, answer: str) -> web.Response:
    response = web.Response(
        status=201,
        text=answer,
        content_type=whip.SDP_TYPE,
        headers={"Location": prefix_of(request) + session.path, "ETag": session.etag},
    )
    _add_links(response, request.app[SERVER_CONTEXT], credentials=True)
    return response


def _add_links(response: web.Response, context: ServerContext, *, credentials: bool) -> None:
    """Tell the ICE servers; those with credentials only to a peer that was admitted."""
    for entry in context.settings.ice_servers:
        if entry.credential is not None and not credentials:
            continue
        link = whip.ice_server_link(entry.url, entry.username, entry.credential)
        response.headers.add("Link", link)
