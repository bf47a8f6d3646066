"""Routes of the demo page, health checks, metrics and server information."""

import hmac
import time
from importlib import resources

from aiohttp import web

from sfukit import __version__
from sfukit.server.requests import SERVER_CONTEXT, bearer
from sfukit.signaling.refusal import Refusal

_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob: mediastream:; "
        "img-src 'self' data:; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",  # the page's address may hold a token
    "X-Content-Type-Options": "nosniff",
}
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


def add_routes(app: web.Application) -> None:
    """Add the routes."""
    app.router.add_get("/", page)
    app.router.add_get("/web/{name}", asset)
    app.router.add_get("/info", info)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    if app[SERVER_CONTEXT].settings.metrics_http is None:
        app.router.add_get("/metrics", metrics)


def add_metrics_routes(app: web.Application) -> None:
    """Add the routes of the metrics listener."""
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def page(_request: web.Request) -> web.Response:
    """Return the demo page."""
    return _file("index.html")


async def asset(request: web.Request) -> web.Response:
    """Return a file of the demo page."""
    return _file(request.match_info["name"])


async def livez(_request: web.Request) -> web.Response:
    """Return 200: the event loop runs."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Return 200 if new rooms are accepted and all media workers run, else 503 with reasons."""
    context = request.app[SERVER_CONTEXT]
    reasons = ["draining"] if context.rooms.draining else []
    reasons += [
        f"media worker {worker} ended: {reason}"
        for worker, reason in sorted(context.engine.ended_workers.items())
    ]
    text = "; ".join(reasons) or "ok"
    return web.Response(text=f"{text}\n", status=503 if reasons else 200)


async def metrics(request: web.Request) -> web.Response:
    """Return the metrics in the text format of Prometheus."""
    context = request.app[SERVER_CONTEXT]
    expected = context.settings.metrics_token
    if expected is not None:
        given = bearer(request) or ""
        if not hmac.compare_digest(given.encode(), expected.encode()):
            reason = "token_invalid" if given else "token_missing"
            raise Refusal(reason, "the metrics require the token of the setting metrics_token")
    body = context.metrics.cached_exposition(time.monotonic())
    return web.Response(
        body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def info(_request: web.Request) -> web.Response:
    """Return name, version and protocols of the server."""
    return web.json_response(
        {
            "server": "sfukit",
            "version": __version__,
            "protocols": ["sfukit.jsonrpc", "whip", "whep"],
        }
    )


def _file(name: str) -> web.Response:
    """Read a file of the demo page; names with a path separator are not found."""
    kind = _TYPES.get(name.rpartition(".")[2])
    file = resources.files("sfukit.server") / "web" / name
    if kind is None or "/" in name or "\\" in name or not file.is_file():
        raise web.HTTPNotFound
    return web.Response(
        body=file.read_bytes(), content_type=kind, charset="utf-8", headers=_PAGE_HEADERS
    )
