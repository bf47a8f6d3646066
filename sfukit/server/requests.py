"""Token, client address and local address of HTTP requests."""

import time

from aiohttp import web

from sfukit.server.addresses import parse_local_address
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
    """Verify the token and count the request; return the claims, None without API keys."""
    context = request.app[SERVER_CONTEXT]
    claims = context.access.claims(bearer(request))
    request[AUTHENTICATED] = True
    if connection := context.connections.find(request.protocol):
        connection.authenticate()
    context.limiter.admit(claims, request[ADDRESS], time.monotonic())
    return claims


def bearer(request: web.Request) -> str | None:
    """Return the access token of a request (RFC 6750 section 2.1 and 2.3)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.query.get("access_token")


def local_address(request: web.Request) -> Address | None:
    """Return the local address of a client's connection; None behind a proxy."""
    if any(name in request.headers for name in _FORWARDED):
        return None
    transport = request.transport
    name = transport.get_extra_info("sockname") if transport is not None else None
    return parse_local_address(name[0]) if isinstance(name, tuple) else None
