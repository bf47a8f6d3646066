"""The HTTP routes of the WHEP extensions: Server-Sent Events, and video layer selection.

Source: draft-ietf-wish-whep-03, "Protocol extensions". The ids in the URLs are secrets, since
``EventSource`` sends no ``Authorization``.
"""

import time
from typing import Any

import msgspec
from aiohttp import web

from sfukit.server.paths import prefix_of
from sfukit.server.requests import AUTHENTICATED, SERVER_CONTEXT
from sfukit.server.whep_events import TYPES, EventStream
from sfukit.server.whep_layers import LayerSelection
from sfukit.server.whep_viewer import WhepViewer
from sfukit.signaling import whip
from sfukit.signaling.refusal import Refusal

_JSON = "application/json"
_EVENTS_URN = "urn:ietf:params:whep:ext:core:server-sent-events"
_LAYER_URN = "urn:ietf:params:whep:ext:core:layer"
_UPDATE_S = 2.0  # between updates of viewers and layers
_LAYERS_S = 10.0  # after which unchanged layers are sent with their bitrates
_SILENCE_S = 15.0  # after which a comment shows that the stream is alive
_MAX_TYPES = 64
_types = msgspec.json.Decoder(list[str])
_selection = msgspec.json.Decoder(LayerSelection)


def add_routes(app: web.Application) -> None:
    """Add the routes, below those of sessions."""
    session = "/sessions/{session}"
    app.router.add_post(f"{session}/sse", create_stream)
    app.router.add_get(f"{session}/sse/{{stream}}", read_stream)
    app.router.add_delete(f"{session}/sse/{{stream}}", delete_stream)
    app.router.add_post(f"{session}/layer", select_layer)
    app.router.add_delete(f"{session}/layer", select_layer)
    for path, methods in (
        ("sse", "OPTIONS, POST"),
        ("sse/{stream}", "DELETE, GET, OPTIONS"),
        ("layer", "DELETE, OPTIONS, POST"),
    ):
        app.router.add_options(f"{session}/{path}", _preflight(methods))


def links(request: web.Request, path: str) -> list[str]:
    """Return the ``Link`` headers that announce the extensions of a session."""
    base = prefix_of(request) + path
    return [
        f'<{base}/sse>; rel="{_EVENTS_URN}"; events="{",".join(TYPES)}"',
        f'<{base}/layer>; rel="{_LAYER_URN}"',
    ]


async def create_stream(request: web.Request) -> web.Response:
    """Create an event stream of the types in the body, or of all."""
    viewer = _viewer(request)
    types = await _json(request, _types) if request.can_read_body else None
    if types is not None and len(types) > _MAX_TYPES:
        raise Refusal("body_unreadable", f"more than {_MAX_TYPES} types of events")
    name = viewer.events.create(types)
    location = f"{prefix_of(request)}/sessions/{request.match_info['session']}/sse/{name}"
    return web.Response(status=201, headers={"Location": location})


async def read_stream(request: web.Request) -> web.StreamResponse:
    """Send the events of a stream until the session, the stream or the connection ends."""
    viewer = _viewer(request)
    stream = viewer.events.find(request.match_info["stream"])
    reader = stream.begin()
    response = web.StreamResponse(
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no", **_cors(request)}
    )
    response.content_type = "text/event-stream"
    await response.prepare(request)
    updates = _Updates(viewer, stream)
    silent_s = time.monotonic()
    while stream.is_read_by(reader):
        await updates.put()
        if text := stream.take():
            silent_s = time.monotonic()
            await response.write(text)
        elif time.monotonic() - silent_s > _SILENCE_S:
            silent_s = time.monotonic()
            await response.write(b":\n\n")
        if stream.is_closed:
            break
        await stream.wait(_UPDATE_S)
    await response.write_eof()
    return response


async def delete_stream(request: web.Request) -> web.Response:
    """End an event stream."""
    _viewer(request).events.delete(request.match_info["stream"])
    return web.Response()


async def select_layer(request: web.Request) -> web.Response:
    """Select the encoding and the highest layers of a video.

    An empty object, and DELETE of a widely used player: the default.
    """
    viewer = _viewer(request)
    selects = request.method == "POST"
    viewer.select_layer(await _json(request, _selection) if selects else LayerSelection())
    return web.Response()


class _Updates:
    """The states that are read, not notified: the number of viewers, and the layers."""

    def __init__(self, viewer: WhepViewer, stream: EventStream) -> None:
        self._viewer = viewer
        self._stream = stream
        self._viewers = 0
        self._layers: object = None
        self._layers_s = 0.0

    async def put(self) -> None:
        """Queue what has changed."""
        if self._viewer.leave_reason is not None:
            return
        if (viewers := self._viewer.viewer_count) != self._viewers:
            self._viewers = viewers
            self._stream.put("viewercount", {"viewercount": viewers})
        if "layers" in self._stream.types:
            await self._put_layers()

    async def _put_layers(self) -> None:
        try:
            layers = await self._viewer.layers()
        except Refusal:
            return  # the engine is overloaded, or has closed the room
        now_s = time.monotonic()
        known = {
            index: [{**one, "bitrate": bool(one["bitrate"])} for one in listed]
            for index, listed in layers.items()
        }
        if known != self._layers or now_s - self._layers_s > _LAYERS_S:
            self._layers, self._layers_s = known, now_s
            self._stream.put("layers", layers)


def _viewer(request: web.Request) -> WhepViewer:
    context = request.app[SERVER_CONTEXT]
    name = request.match_info["session"]
    session = context.sessions.find(name)
    request[AUTHENTICATED] = True  # the session id in the URL is a secret
    if connection := context.connections.find(request.protocol):
        connection.authenticate()
    context.limiter.admit_session(name, time.monotonic())
    if session.viewer is None:
        raise Refusal("session_unknown", "the session publishes: events and layers are of WHEP")
    return session.viewer


async def _json(request: web.Request, decoder: Any) -> Any:
    if request.content_type != _JSON:
        raise Refusal(
            "content_type", f"the body has to be {_JSON}, not {request.content_type[:64]}"
        )
    try:
        return decoder.decode(await request.read())
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refusal("body_unreadable", f"{error}") from None


def _cors(request: web.Request) -> dict[str, str]:
    """Return the CORS headers: a streamed response is sent before the middleware adds them."""
    origin = request.headers.get("Origin")
    return {} if origin is None else {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


def _preflight(methods: str) -> Any:
    async def options(_request: web.Request) -> web.Response:
        return web.Response(headers=whip.preflight(methods, {"Accept-Post": _JSON}))

    return options
