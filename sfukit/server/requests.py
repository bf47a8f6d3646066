"""What every HTTP handler reads of a request."""

import time

from aiohttp import web

from sfukit.server.house import House
from sfukit.signaling.token import Claims

HOUSE = web.AppKey("house", House)
METRICS_ONLY = web.AppKey("metrics_only", bool)
TRACE_ID = web.RequestKey("trace_id", str)
ADDRESS = web.RequestKey("address", str)
AUTHENTICATED = web.RequestKey("authenticated", bool)


def authenticate(request: web.Request) -> Claims | None:
    """Verify the token and count the request under it; None where no token is asked for."""
    house = request.app[HOUSE]
    claims = house.access.claims(bearer(request))
    request[AUTHENTICATED] = True
    if connection := house.connections.of(request.protocol):
        connection.authenticate()
    house.limiter.admit(claims, request[ADDRESS], time.monotonic())
    return claims


def bearer(request: web.Request) -> str | None:
    """Find the access token of a request (RFC 6750 section 2.1 and 2.3)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.query.get("access_token")
