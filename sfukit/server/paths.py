"""Paths as clients see them: the prefix of a reverse proxy, and what a path that missed was for."""

import re

from aiohttp import web

from sfukit.server.requests import METRICS_ONLY, SERVER_CONTEXT
from sfukit.server.settings import HTTP_PREFIX
from sfukit.signaling.refusal import Refusal

_NAME = re.compile(r"[A-Za-z0-9._~@:+-]{1,64}")
_SERVED = (
    "WHIP publishers POST to {0}/whip/ROOM, WHEP viewers to {0}/whep/ROOM; "
    "the WebSocket of rooms is {0}/ws"
)
_LENGTHS = {"whip": 1, "whep": 2}


def prefix_of(request: web.Request) -> str:
    """Return what clients put before our paths: as a trusted proxy says, else as it is set."""
    context = request.app[SERVER_CONTEXT]
    forwarded = request.headers.get("X-Forwarded-Prefix", "").rstrip("/")
    if HTTP_PREFIX.fullmatch(forwarded) and context.proxies.trusts(request.remote or ""):
        return forwarded
    return context.settings.http_prefix


def local_path(request: web.Request) -> str:
    """Return the path without the prefix, which a proxy may or may not have removed."""
    prefix, path = request.app[SERVER_CONTEXT].settings.http_prefix, request.path
    return path.removeprefix(prefix) if path.startswith(f"{prefix}/") else path


def add_prefixed_routes(app: web.Application, prefix: str) -> None:
    """Serve every route under the prefix as well, for a proxy that does not remove it."""
    if not prefix:
        return
    for route in list(app.router.routes()):
        if route.resource is not None:
            app.router.add_route(route.method, prefix + route.resource.canonical, route.handler)
    app.router.add_get(prefix, _to_page)


def missed(request: web.Request, error: web.HTTPException) -> Refusal | None:
    """Say which path or method was meant, where there is none such; None for other errors."""
    if METRICS_ONLY in request.app:
        return None
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Refusal("method_not_allowed", f"this path takes {allowed}")
    if isinstance(error, web.HTTPNotFound):
        return Refusal("path_unknown", _meant(local_path(request), prefix_of(request)))
    return None


def _meant(path: str, prefix: str) -> str:
    parts = [part for part in path.split("/") if part]
    kinds = [part.lower().lstrip(".") for part in parts]
    if kinds[:1] in (["session"], ["sessions"]):
        return f"a session is at {prefix}/sessions/ID, the Location of the answer that made it"
    at = next((at for at, kind in enumerate(kinds) if kind in _LENGTHS), None)
    if at is None:
        return _SERVED.format(prefix)
    kind = kinds[at]
    named = parts[at + 1 : at + 1 + _LENGTHS[kind]]
    if not named and at == 1:  # as servers have it that put the name first
        named = parts[:1]
    room = "/".join(part for part in named if _NAME.fullmatch(part)) or "ROOM"
    meant = f"POST to {prefix}/{kind}/{room}, without anything before or behind it"
    before = "/" + "/".join(parts[:at])
    if named != parts[:1] and HTTP_PREFIX.fullmatch(before):
        meant += f"; where a proxy adds {before}: --http-prefix {before}"
    return meant


async def _to_page(request: web.Request) -> web.Response:
    """Lead to the page, whose files are named relative to it."""
    raise web.HTTPFound(f"{prefix_of(request)}/")
