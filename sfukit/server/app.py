"""The HTTP application: routes, and the middleware of all routes."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from sfukit.server import debug, ids, pages, paths, whip_routes
from sfukit.server.limiter import rate_limited
from sfukit.server.requests import (
    ADDRESS,
    AUTHENTICATED,
    METRICS_ONLY,
    SERVER_CONTEXT,
    TRACE_ID,
    authenticate,
    bearer,
    local_address,
)
from sfukit.server.rpc_methods import Methods
from sfukit.server.rpc_session import RpcSession
from sfukit.server.server_context import ServerContext
from sfukit.signaling import sdp
from sfukit.signaling.jsonrpc import MAX_FRAME_BYTES
from sfukit.signaling.refusal import Refusal

log = structlog.get_logger()

SUBPROTOCOL = "sfukit.jsonrpc"
_MAX_DELAY_S = 1.0
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(context: ServerContext) -> web.Application:
    """Return the application with all routes."""
    app = web.Application(middlewares=[_outermost], client_max_size=sdp.MAX_BYTES)
    app[SERVER_CONTEXT] = context
    app.router.add_get("/ws", websocket)
    pages.add_routes(app)
    debug.add_routes(app)
    whip_routes.add_routes(app)
    paths.add_prefixed_routes(app, context.settings.http_prefix)
    return app


def build_metrics_app(context: ServerContext) -> web.Application:
    """Return the application of the metrics listener (``metrics_http``)."""
    app = web.Application(middlewares=[_outermost], client_max_size=sdp.MAX_BYTES)
    app[SERVER_CONTEXT] = context
    app[METRICS_ONLY] = True
    pages.add_metrics_routes(app)
    return app


async def websocket(request: web.Request) -> web.WebSocketResponse:
    """Serve one signaling channel until it closes."""
    context = request.app[SERVER_CONTEXT]
    authenticate(request)  # a refusal is HTTP: 401 before 101
    socket = web.WebSocketResponse(
        protocols=(SUBPROTOCOL,),
        max_msg_size=MAX_FRAME_BYTES,
        autoping=False,  # the session answers pings, within its limits
        heartbeat=context.settings.timing.ping_s,
        compress=False,
    )
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket  # the client has disconnected
    methods = Methods(
        context.core,
        context.rooms,
        context.access,
        context.limiter,
        token=bearer(request),
        address=request[ADDRESS],
        trace_id=request[TRACE_ID],
        local_address=local_address(request),
    )
    session = RpcSession(socket, methods, transport)
    context.channels.add(session)
    try:
        await session.run()
    finally:
        context.channels.discard(session)
    return socket


@web.middleware
async def _outermost(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Report the begin and end of a request to its TCP connection, and answer the request."""
    context = request.app[SERVER_CONTEXT]
    connection = context.connections.find(request.protocol)
    if connection is None:
        return await _answer(request, handler)
    chunked = "Transfer-Encoding" in request.headers
    connection.begin_request(
        None if chunked else request.content_length or 0, is_upgrade="Upgrade" in request.headers
    )
    try:
        return await _answer(request, handler)
    finally:
        connection.end_request()
        context.core.ended += 1


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer a request: trace id, origin check, handler; refusals become problem details."""
    found = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    trace_id = request[TRACE_ID] = found[1] if found else ids.trace_id()
    context = request.app[SERVER_CONTEXT]
    request[ADDRESS] = context.proxies.client_address(
        request.remote or "", request.headers.getall("X-Forwarded-For", [])
    )
    origin = request.headers.get("Origin")
    added = {"traceparent": f"00-{trace_id}-{trace_id[:16]}-01"}
    refused: web.HTTPException | None = None
    response: web.StreamResponse
    try:
        if METRICS_ONLY not in request.app:
            added |= context.origins.admit(origin, request.host, paths.local_path(request))
        response = await handler(request)
        if not response.prepared:
            response.headers.update(added)
        return response
    except Refusal as refusal:
        response = _problem(request, refusal)
    except web.HTTPRequestEntityTooLarge:
        too_large = Refusal("body_too_large", f"the body exceeds {sdp.MAX_BYTES} bytes")
        response = _problem(request, too_large)
    except web.HTTPException as error:
        if (unrouted := paths.routing_refusal(request, error)) is not None:
            response = _problem(request, unrouted)
            if allow := error.headers.get("Allow"):
                response.headers["Allow"] = allow
        else:
            response = refused = error
    except ConnectionError:
        raise
    except Exception:
        if request.writer.output_size > 0:
            raise  # part of the response was sent
        if context.core.refusals.is_due("internal_error"):
            log.exception("request_failed", path=request.path, trace_id=trace_id)
        response = _problem(request, Refusal("internal_error", "internal server error"))
    limited = await _limit(request)
    if limited is None and refused is not None:
        refused.headers.update(added)
        raise refused
    response = limited or response
    response.headers.update(added)
    return response


async def _limit(request: web.Request) -> web.Response | None:
    """Count a refused unauthenticated request; above the limit delay and close it, return 429.

    Only refusals are delayed: other requests of the same address are answered at once.
    """
    if request.get(AUTHENTICATED):
        return None
    wait_s = request.app[SERVER_CONTEXT].limiter.count_refusal(request[ADDRESS], time.monotonic())
    if wait_s == 0:
        return None
    await asyncio.sleep(min(wait_s, _MAX_DELAY_S))
    limited = _problem(request, rate_limited("too many refused requests from this address", wait_s))
    limited.force_close()
    return limited


def _problem(request: web.Request, refusal: Refusal) -> web.Response:
    """Return a refusal as problem details (RFC 9457); count and log the refusal."""
    context = request.app[SERVER_CONTEXT]
    context.metrics.refused.labels(refusal.reason).inc()
    context.core.refusals.log(
        refusal.reason,
        method=request.method,
        path=request.path,
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
    response = web.json_response(
        body, status=refusal.status, headers=headers, content_type="application/problem+json"
    )
    if refusal.status == 408:
        response.force_close()  # without waiting for the rest of the body
    return response
