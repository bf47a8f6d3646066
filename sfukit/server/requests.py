"""What every HTTP handler reads of a request."""

import time

from aiohttp import web

from sfukit.server.addresses import parse_reached
from sfukit.server.server_context import ServerContext
from sfukit.signaling.candidates import Address
from sfukit.signaling.token import Claims

_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via")
SERVER_CONTEXT = web.AppKey("server_context", ServerContext)
METRICS_ONLY = web.AppKey("metrics_only", bool)
TRACE_ID = web.RequestKey("trace_id", str)
ADDRESS = web.RequestKey("address", str)
AUTHENTICATED = web.RequestKey("authenticated", bool)


def authenticate(request: web.Request) -> Claims | None:
    """Verify the token and count the request under it; None where no token is asked for."""
    context = request.app[SERVER_CONTEXT]
    claims = context.access.claims(bearer(request))
    request[AUTHENTICATED] = True
    if connection := context.connections.of(request.protocol):
        connection.authenticate()
    context.limiter.admit(claims, request[ADDRESS], time.monotonic())
    return claims


def bearer(request: web.Request) -> str | None:
    """Find the access token of a request (RFC 6750 section 2.1 and 2.3)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.query.get("access_token")


def reached(request: web.Request) -> Address | None:
    """Find the address of ours that a client has reached; a proxy's connection does not tell."""
    if any(name in request.headers for name in _FORWARDED):
        return None
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport is not None else None
    return parse_reached(name[0]) if isinstance(name, tuple) else None
