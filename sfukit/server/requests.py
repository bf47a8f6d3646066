"""What every HTTP handler reads of a request."""

from aiohttp import web

from sfukit.server.house import House

HOUSE = web.AppKey("house", House)
TRACE_ID = web.RequestKey("trace_id", str)


def bearer(request: web.Request) -> str | None:
    """Find the access token of a request (RFC 6750 section 2.1 and 2.3)."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        return token.strip()
    return request.query.get("access_token")
