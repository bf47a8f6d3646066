"""The HTTP application: which path leads where, and what is the same for all of them."""

import re
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from sfukit.server import debug, ids, pages, whip_routes
from sfukit.server.house import House
from sfukit.server.requests import HOUSE, TRACE_ID, bearer
from sfukit.server.rpc_methods import Methods
from sfukit.server.rpc_session import RpcSession
from sfukit.signaling import sdp
from sfukit.signaling.jsonrpc import MAX_FRAME_BYTES
from sfukit.signaling.refusal import Refusal

log = structlog.get_logger()

SUBPROTOCOL = "sfukit.jsonrpc"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(house: House) -> web.Application:
    """Put the application together."""
    app = web.Application(middlewares=[_outermost], client_max_size=sdp.MAX_BYTES)
    app[HOUSE] = house
    app.router.add_get("/ws", websocket)
    pages.add_routes(app)
    debug.add_routes(app)
    whip_routes.add_routes(app)
    return app


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Serve one WebSocket until it ends."""
    house = request.app[HOUSE]
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        max_msg_size=MAX_FRAME_BYTES,
        heartbeat=house.settings.timing.ping_s,
        compress=False,
    )
    await socket.prepare(request)
    methods = Methods(
        house.core,
        house.rooms,
        house.access,
        house.knocks,
        token=bearer(request),
        address=request.remote or "",
        trace_id=request[TRACE_ID],
    )
    session = RpcSession(socket, methods)
    house.lines.add(session)
    try:
        await session.run()
    finally:
        house.lines.discard(session)
    return socket


@web.middleware
async def _outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give each request a trace id, keep foreign pages out, turn refusals into answers."""
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    trace_id = request[TRACE_ID] = found[1] if found else ids.trace_id()
    origin = request.headers.get("Origin")
    added = {"traceparent": f"00-{trace_id}-{trace_id[:16]}-01"}
    try:
        added |= request.app[HOUSE].origins.admit(origin, request.host, request.path)
        response = await handler(request)
    except Refusal as refusal:
        response = _problem(request, refusal)
    except web.HTTPRequestEntityTooLarge:
        too_large = Refusal("body_too_large", f"a body of more than {sdp.MAX_BYTES} bytes")
        response = _problem(request, too_large)
    except web.HTTPException as error:
        error.headers.update(added)
        raise
    if not response.prepared:
        response.headers.update(added)
    return response


def _problem(request: web.Request, refusal: Refusal) -> web.Response:
    """Write a refusal as problem details (RFC 9457), count it, write it down."""
    house = request.app[HOUSE]
    house.metrics.refused.labels(refusal.reason).inc()
    log.info(
        "refused",
        method=request.method,
        path=request.path,
        reason=refusal.reason,
        detail=refusal.detail,
        trace_id=request[TRACE_ID],
    )
    headers = {}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    body = {
        "type": "about:blank",
        "status": refusal.status,
        "title": refusal.reason.replace("_", " "),
        "detail": refusal.detail,
        "reason": refusal.reason,
    }
    return web.json_response(
        body, status=refusal.status, headers=headers, content_type="application/problem+json"
    )
