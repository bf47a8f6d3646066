"""Pages and probes: the demo page, health, metrics, what there is to see for an operator."""

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
    """Add the pages and probes."""
    app.router.add_get("/", page)
    app.router.add_get("/web/{name}", asset)
    app.router.add_get("/info", info)
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    if app[SERVER_CONTEXT].settings.metrics_http is None:
        app.router.add_get("/metrics", metrics)


def add_metrics(app: web.Application) -> None:
    """Add what the metrics' own listener has."""
    app.router.add_get("/livez", livez)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics)


async def page(_request: web.Request) -> web.Response:
    """Show the demo page."""
    return _file("index.html")


async def asset(request: web.Request) -> web.Response:
    """Give a file of the demo page."""
    return _file(request.match_info["name"])


async def livez(_request: web.Request) -> web.Response:
    """Say that this process serves."""
    return web.Response(text="ok\n")


async def readyz(request: web.Request) -> web.Response:
    """Say whether new rooms are taken and all media workers run."""
    context = request.app[SERVER_CONTEXT]
    reasons = ["draining"] if context.rooms.draining else []
    reasons += [
        f"media worker {worker} ended: {reason}"
        for worker, reason in sorted(context.engine.ended.items())
    ]
    text = "; ".join(reasons) or "ok"
    return web.Response(text=f"{text}\n", status=503 if reasons else 200)


async def metrics(request: web.Request) -> web.Response:
    """Give the metrics to Prometheus."""
    context = request.app[SERVER_CONTEXT]
    wanted = context.settings.metrics_token
    if wanted is not None:
        given = bearer(request) or ""
        if not hmac.compare_digest(given.encode(), wanted.encode()):
            reason = "token_invalid" if given else "token_missing"
            raise Refusal(reason, "the metrics need the token of the setting metrics_token")
    body = context.metrics.recent_exposition(time.monotonic())
    return web.Response(
        body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )


async def info(_request: web.Request) -> web.Response:
    """Say what this is, for programs that ask."""
    return web.json_response(
        {
            "server": "sfukit",
            "version": __version__,
            "protocols": ["sfukit.jsonrpc", "whip", "whep"],
        }
    )


def _file(name: str) -> web.Response:
    """Read a file of the page; names are bare, so that nothing else can be reached."""
    kind = _TYPES.get(name.rpartition(".")[2])
    file = resources.files("sfukit.server") / "web" / name
    if kind is None or "/" in name or "\\" in name or not file.is_file():
        raise web.HTTPNotFound
    return web.Response(
        body=file.read_bytes(), content_type=kind, charset="utf-8", headers=_PAGE_HEADERS
    )
