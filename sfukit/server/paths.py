"""URL paths: the prefix of a reverse proxy, and suggestions for unknown paths."""

import re

from aiohttp import web

from sfukit.server.requests import METRICS_ONLY, SERVER_CONTEXT
from sfukit.server.settings import HTTP_PREFIX
from sfukit.signaling.refusal import Refusal

_NAME = re.compile(r"[A-Za-z0-9._~@:+-]{1,64}")
_ENDPOINTS = (
    "WHIP publishers POST to {0}/whip/ROOM, WHEP viewers to {0}/whep/ROOM; "
    "the WebSocket of rooms is {0}/ws"
)
_LENGTHS = {"whip": 1, "whep": 2}


def prefix_of(request: web.Request) -> str:
    """Return the external path prefix: of a trusted proxy's header, else of ``http_prefix``."""
    context = request.app[SERVER_CONTEXT]
    forwarded = request.headers.get("X-Forwarded-Prefix", "").rstrip("/")
    if HTTP_PREFIX.fullmatch(forwarded) and context.proxies.trusts(request.remote or ""):
        return forwarded
    return context.settings.http_prefix


def local_path(request: web.Request) -> str:
    """Return the path without ``http_prefix``, whether or not a proxy has removed it."""
    prefix, path = request.app[SERVER_CONTEXT].settings.http_prefix, request.path
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path


def add_prefixed_routes(app: web.Application, prefix: str) -> None:
    """Add every route also below ``http_prefix``, for proxies that do not remove it."""
    if not prefix:
        return
    for route in list(app.router.routes()):
        if route.resource is not None:
            app.router.add_route(route.method, prefix + route.resource.canonical, route.handler)
    app.router.add_get(prefix, _to_page)


def routing_refusal(request: web.Request, error: web.HTTPException) -> Refusal | None:
    """Return a refusal with a suggestion for 404 and 405; None for other errors."""
    if METRICS_ONLY in request.app:
        return None
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Refusal("method_not_allowed", f"the path supports {allowed}")
    if isinstance(error, web.HTTPNotFound):
        return Refusal("path_unknown", _suggestion(local_path(request), prefix_of(request)))
    return None


def _suggestion(path: str, prefix: str) -> str:
    parts = [part for part in path.split("/") if part]
    kinds = [part.lower().lstrip(".") for part in parts]
    if kinds[:1] in (["session"], ["sessions"]):
        return f"the URL of a session is the Location of the 201 response: {prefix}/sessions/ID"
    at = next((at for at, kind in enumerate(kinds) if kind in _LENGTHS), None)
    if at is None:
        return _ENDPOINTS.format(prefix)
    kind = kinds[at]
    named = parts[at + 1 : at + 1 + _LENGTHS[kind]]
    if not named and at == 1:  # as servers have it whose paths begin with the name
        named = parts[:1]
    room = "/".join(part for part in named if _NAME.fullmatch(part)) or "ROOM"
    suggestion = f"POST to {prefix}/{kind}/{room}, without a prefix or suffix"
    before = "/" + "/".join(parts[:at])
    if named != parts[:1] and HTTP_PREFIX.fullmatch(before):
        suggestion += f"; if a proxy adds {before}: --http-prefix {before}"
    return suggestion


async def _to_page(request: web.Request) -> web.Response:
    """Redirect to the demo page, whose files have relative URLs."""
    raise web.HTTPFound(f"{prefix_of(request)}/")
