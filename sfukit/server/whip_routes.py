"""The HTTP routes of WHIP (RFC 9725) and WHEP, in the order of docs/protocol.md."""

import asyncio
import time
from collections.abc import Iterable

from aiohttp import web

from sfukit.server import whep_extension_routes
from sfukit.server.access import Rights
from sfukit.server.http_sessions import HttpSession
from sfukit.server.participant import Participant
from sfukit.server.paths import prefix_of
from sfukit.server.publish_connection import parse_description
from sfukit.server.requests import (
    ADDRESS,
    AUTHENTICATED,
    SERVER_CONTEXT,
    TRACE_ID,
    authenticate,
    local_address,
)
from sfukit.server.server_context import ServerContext
from sfukit.server.whep_counter_offer import REASONS as COUNTERED
from sfukit.server.whep_viewer import WhepViewer, choose_publisher
from sfukit.signaling import sdp, sdpfrag, whip
from sfukit.signaling.names import participant_name, room_name
from sfukit.signaling.publish_answer import PublishRules
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import IceServerInfo

_POST_METHODS = "GET, HEAD, OPTIONS, POST"
_SESSION_METHODS = "DELETE, OPTIONS, PATCH"


def add_routes(app: web.Application) -> None:
    """Add the routes of endpoints and sessions."""
    for endpoint, handler in (
        ("/whip/{room}", publish),
        ("/whep/{room}", play),
        ("/whep/{room}/{participant}", play),
    ):
        app.router.add_post(endpoint, handler)
        app.router.add_get(endpoint, empty_answer)
        app.router.add_options(endpoint, endpoint_options)
    app.router.add_patch("/sessions/{session}", patch)
    app.router.add_delete("/sessions/{session}", delete)
    app.router.add_options("/sessions/{session}", session_options)
    whep_extension_routes.add_routes(app)


async def publish(request: web.Request) -> web.Response:
    """WHIP POST: publish; replaces an earlier session of the same identity."""
    context, rights, offer = await _admit(request)
    rights.require_publish()
    participant, replaced = context.rooms.join(
        request.match_info["room"],
        rights,
        protocol="whip",
        trace_id=request[TRACE_ID],
        local_address=local_address(request),
    )
    rules = PublishRules(1, 1, True, context.settings.max_publish_bitrate_bps)
    with participant.joining(replaced):
        change = await participant.publish(offer, None, {}, rules)
    session = HttpSession(offer, participant.publish_connection.restart, participant.leave)
    _register(context, session, participant)
    return _created(request, rights, session, change.answer)


async def play(request: web.Request) -> web.Response:
    """WHEP POST: play one participant of the room.

    An offer that cannot be answered gets 406 with an offer of the server.
    """
    context, rights, offer = await _admit(request)
    rights.require_subscribe()
    name = request.match_info.get("participant")
    uid = participant_name(name) if name is not None else None
    context.rooms.require_capacity()
    room, publisher = choose_publisher(context.rooms.find(request.match_info["room"]), uid)
    viewer = WhepViewer(
        context.core,
        room,
        publisher,
        uid,
        rights,
        trace_id=request[TRACE_ID],
        local_address=local_address(request),
    )
    described: sdp.Session | None = offer
    try:
        text = viewer.negotiate(offer)
    except Refusal as refusal:
        if refusal.reason not in COUNTERED:
            raise
        text, described = viewer.counter_offer(refusal), None
    context.rooms.admit_viewer(room, viewer)
    if described is not None:
        await viewer.start()
    session = HttpSession(described, viewer.restart, viewer.leave, needs_tag=False, viewer=viewer)
    _register(context, session, viewer)
    response = _created(request, rights, session, text)
    if described is None:
        response.set_status(406)
    for link in whep_extension_routes.links(request, session.path):
        response.headers.add("Link", link)
    return response


async def patch(request: web.Request) -> web.Response:
    """Accept candidates, restart ICE, or take the answer to an offer of the server."""
    context = request.app[SERVER_CONTEXT]
    name = request.match_info["session"]
    session = context.sessions.find(name)
    request[AUTHENTICATED] = True  # the session id in the URL is a secret
    context.limiter.admit_session(name, time.monotonic())
    if request.content_type == whip.SDP_TYPE:
        await session.answer(await _read_body(request))
        return web.Response(status=204)
    whip.require_fragment(request.content_type)
    answer = await session.patch(request.headers.get("If-Match"), await _read_body(request))
    if answer is None:
        return web.Response(status=204)
    return web.Response(
        text=answer, content_type=sdpfrag.CONTENT_TYPE, headers={"ETag": session.etag}
    )


async def delete(request: web.Request) -> web.Response:
    """End a session; ignores ``If-Match`` and request limits."""
    context = request.app[SERVER_CONTEXT]
    context.sessions.delete(request.match_info["session"])
    return web.Response()


async def empty_answer(_request: web.Request) -> web.Response:
    """Answer GET on an endpoint with 204 (RFC 9725 section 4.1)."""
    return web.Response(status=204)


async def endpoint_options(request: web.Request) -> web.Response:
    """Return the methods and media types of an endpoint."""
    response = web.Response(headers=whip.preflight(_POST_METHODS, {"Accept-Post": whip.SDP_TYPE}))
    _add_links(response, request.app[SERVER_CONTEXT].core.ice_servers.public)
    return response


async def session_options(_request: web.Request) -> web.Response:
    """Return the methods and media types of a session."""
    accepted = {"Accept-Patch": f"{sdpfrag.CONTENT_TYPE}, {whip.SDP_TYPE}"}
    return web.Response(headers=whip.preflight(_SESSION_METHODS, accepted))


async def _admit(request: web.Request) -> tuple[ServerContext, Rights, sdp.Session]:
    """Check token, room and media type of a POST; return the grants and the parsed offer."""
    context = request.app[SERVER_CONTEXT]
    claims = authenticate(request)
    rights = context.access.rights(claims, room_name(request.match_info["room"]))
    whip.require_sdp(request.content_type)
    return context, rights, parse_description(await _read_body(request))


async def _read_body(request: web.Request) -> str:
    """Return the body as text; invalid UTF-8 is refused by the parser with its line."""
    encoding = request.headers.get("Content-Encoding", "").lower()
    if encoding not in ("", "identity", "gzip", "deflate"):
        raise Refusal("content_type", f"Content-Encoding {encoding[:32]!r} is not supported")
    limit_s = request.app[SERVER_CONTEXT].settings.timing.request_s
    try:
        async with asyncio.timeout(limit_s):
            return (await request.read()).decode(errors="replace")
    except TimeoutError:
        raise Refusal(
            "request_timeout", f"the body was not complete within {limit_s:g} s"
        ) from None
    except web.RequestPayloadError:
        raise Refusal(
            "body_unreadable", f"the body is not valid {encoding or 'chunked'} encoding"
        ) from None


def _register(
    context: ServerContext, session: HttpSession, owner: Participant | WhepViewer
) -> None:
    context.sessions.add(session)
    owner.on_end = lambda _reason: context.sessions.remove(session)
    if owner.leave_reason is not None:
        context.sessions.remove(session)


def _created(
    request: web.Request, rights: Rights, session: HttpSession, answer: str
) -> web.Response:
    response = web.Response(
        status=201,
        text=answer,
        content_type=whip.SDP_TYPE,
        headers={"Location": prefix_of(request) + session.path, "ETag": session.etag},
    )
    ice_servers = request.app[SERVER_CONTEXT].core.ice_servers
    _add_links(response, ice_servers.for_session(rights, request[ADDRESS]))
    return response


def _add_links(response: web.Response, ice_servers: Iterable[IceServerInfo]) -> None:
    """Add a ``Link`` header for each ICE server (RFC 9725 section 4.6)."""
    for entry in ice_servers:
        link = whip.ice_server_link(entry.urls, entry.username, entry.credential)
        response.headers.add("Link", link)
