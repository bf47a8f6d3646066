"""Server-Sent Events and layer selection of WHEP sessions (draft-ietf-wish-whep-03)."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import ClientResponse

from sfukit.server import whep_extension_routes
from sfukit.server.native_messages import (
    AutoTarget,
    OpenTransport,
    Preference,
    RidTarget,
    RoomStats,
    SetTarget,
    TransportState,
)
from sfukit.server.whep_events import TYPES, EventStreams
from sfukit.server.whep_layers import described
from tests.unit.server.stage import Stage, StageMaker
from tests.unit.server.test_whep import end, play, publish, reason_of
from tests.unit.signaling.descriptions import audio, offer_of, video

JSON = {"Content-Type": "application/json"}
EVENTS = "urn:ietf:params:whep:ext:core:server-sent-events"
LAYER = "urn:ietf:params:whep:ext:core:layer"


def encoding(
    rid: str | None, *, bps: int = 100_000, active: bool = True, layers: Any = ()
) -> dict[str, Any]:
    return {
        "rid": rid, "bitrate_bps": bps, "active": active, "frame_width": 320, "frame_height": 180,
        "layers": list(layers),
    }  # fmt: skip


def layer(spatial: int, temporal: int, bps: int, *, active: bool = True) -> dict[str, Any]:
    return {"spatial": spatial, "temporal": temporal, "bitrate_bps": bps, "active": active}


@pytest.fixture
async def session(stage: Stage) -> ClientResponse:
    """A session that plays a WHIP publisher of three encodings."""
    encodings = [encoding("q"), encoding("h", bps=400_000), encoding("f", active=False)]
    publications = [
        {"publication": 1, "encodings": [encoding(None)]},
        {"publication": 2, "encodings": encodings},
    ]
    report = {"transports": [], "publications": publications, "subscriptions": []}
    stage.engine.results[RoomStats] = json.dumps(report).encode()
    await publish(stage)
    return await play(stage)


def path_of(session: ClientResponse, urn: str) -> str:
    """Return the path of an extension by its `Link`."""
    [link] = [link for link in session.headers.getall("Link") if f'rel="{urn}"' in link]
    return link[1 : link.index(">")]


async def created(stage: Stage, session: ClientResponse, types: Any = None) -> str:
    body = None if types is None else json.dumps(types)
    url = stage.url(path_of(session, EVENTS))
    response = await stage.session.post(url, data=body, headers=JSON)
    assert response.status == 201, await response.text()
    return stage.url(response.headers["Location"])


async def event(response: ClientResponse) -> tuple[str, Any]:
    """Return the next event."""
    async with asyncio.timeout(5):
        lines = [(await response.content.readline()).decode() for _ in range(3)]
    assert lines[2] == "\n"
    return lines[0].removeprefix("event: ").strip(), json.loads(lines[1].removeprefix("data: "))


async def ended(response: ClientResponse) -> bytes:
    async with asyncio.timeout(5):
        return await response.content.read()


def test_the_extensions_are_announced(session: ClientResponse) -> None:
    [link] = [link for link in session.headers.getall("Link") if EVENTS in link]
    assert link.endswith('events="active,inactive,layers,reconnect,viewercount"')
    assert path_of(session, EVENTS) == session.headers["Location"] + "/sse"
    assert path_of(session, LAYER) == session.headers["Location"] + "/layer"


async def test_a_stream_begins_with_the_state(stage: Stage, session: ClientResponse) -> None:
    response = await stage.session.get(await created(stage, session))
    assert response.status == 200
    assert response.content_type == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-store"
    assert await event(response) == ("active", {})
    assert await event(response) == ("viewercount", {"viewercount": 1})
    size = {"width": 320, "height": 180}
    layers = [
        {"rid": "f", "bitrate": 0, **size},
        {"rid": "h", "bitrate": 400_000, **size},
        {"rid": "q", "bitrate": 100_000, **size},
    ]
    assert await event(response) == ("layers", {"1": layers})
    response.close()


def test_layers_of_encodings_are_listed_by_their_ids() -> None:
    svc = [layer(0, 0, 1), layer(0, 1, 2), layer(1, 0, 3), layer(1, 1, 4, active=False)]
    size = {"width": 320, "height": 180}
    assert described([encoding(None, layers=svc)]) == [
        {"spatialLayerId": 1, "temporalLayerId": 1, "bitrate": 0, **size},
        {"spatialLayerId": 1, "temporalLayerId": 0, "bitrate": 3, **size},
        {"spatialLayerId": 0, "temporalLayerId": 1, "bitrate": 2},
        {"spatialLayerId": 0, "temporalLayerId": 0, "bitrate": 1},
    ]
    temporal = [layer(0, 0, 1), layer(0, 1, 2)]
    both = [encoding("q"), encoding("h", layers=temporal, active=False)]
    assert described(both) == [
        {"rid": "h", "spatialLayerId": 0, "temporalLayerId": 1, "bitrate": 0, **size},
        {"rid": "h", "spatialLayerId": 0, "temporalLayerId": 0, "bitrate": 0, **size},
        {"rid": "q", "bitrate": 100_000, **size},
    ]
    assert described([encoding(None)]) == []
    unknown = encoding("q") | {"frame_width": None, "frame_height": None}
    assert described([unknown]) == [{"rid": "q", "bitrate": 100_000}]


async def test_changes_are_sent(
    stage: Stage, session: ClientResponse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whep_extension_routes, "_UPDATE_S", 0.01)
    url = await created(stage, session, ["viewercount", "inactive", "wibble"])
    response = await stage.session.get(url)
    assert await event(response) == ("viewercount", {"viewercount": 1})
    second = await play(stage)
    await second.read()
    assert await event(response) == ("viewercount", {"viewercount": 2})
    end(stage, 0)
    assert await event(response) == ("inactive", {})
    assert await ended(response) == b""
    again = await stage.session.get(url)
    assert await reason_of(again) == (404, "session_unknown")


async def test_a_publisher_of_other_codecs_needs_a_new_session(stage: Stage) -> None:
    await publish(stage)
    await publish(stage, offer_of(audio(), video("VP9/90000")))
    session = await play(stage)
    response = await stage.session.get(await created(stage, session, ["inactive", "reconnect"]))
    end(stage, 0)
    assert await event(response) == ("inactive", {})
    assert await event(response) == ("reconnect", {})
    assert await ended(response) == b""


async def test_a_drain_asks_players_to_reconnect(stage: Stage, session: ClientResponse) -> None:
    response = await stage.session.get(await created(stage, session, ["reconnect"]))
    draining = asyncio.create_task(stage.context.drain())
    assert await event(response) == ("reconnect", {})
    stage.context.cancel_drain()
    assert await draining == "cancelled"
    response.close()


async def test_a_later_reader_replaces_the_one_before(
    stage: Stage, session: ClientResponse
) -> None:
    url = await created(stage, session, ["active", "reconnect"])
    first = await stage.session.get(url)
    assert await event(first) == ("active", {})
    second = await stage.session.get(url)
    assert await ended(first) == b""
    assert (await stage.session.delete(url)).status == 200
    assert await ended(second) == b""
    for method in ("GET", "DELETE"):
        refused = await stage.session.request(method, url)
        assert await reason_of(refused) == (404, "session_unknown")


async def test_the_end_of_a_session_ends_its_streams(stage: Stage, session: ClientResponse) -> None:
    response = await stage.session.get(await created(stage, session))
    await stage.session.delete(stage.url(session.headers["Location"]))
    assert b"inactive" not in await ended(response)


@pytest.mark.parametrize(
    ("body", "headers", "status", "reason"),
    [
        ("{}", JSON, 400, "body_unreadable"),
        ("[1]", JSON, 400, "body_unreadable"),
        ("[", JSON, 400, "body_unreadable"),
        ("\xff", JSON, 400, "body_unreadable"),
        (json.dumps(["active"] * 65), JSON, 400, "body_unreadable"),
        ("[]", {"Content-Type": "text/plain"}, 415, "content_type"),
    ],
)
async def test_invalid_requests_of_streams(
    stage: Stage,
    session: ClientResponse,
    body: str,
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    url = stage.url(path_of(session, EVENTS))
    response = await stage.session.post(url, data=body.encode("latin-1"), headers=headers)
    assert await reason_of(response) == (status, reason)


async def test_only_sessions_that_play_have_extensions(stage: Stage) -> None:
    published = await publish(stage)
    for path in ("/sse", "/layer"):
        for location in (published.headers["Location"], "/sessions/unknown"):
            url = stage.url(location + path)
            response = await stage.session.post(url, data="{}", headers=JSON)
            assert await reason_of(response) == (404, "session_unknown")
            options = await stage.session.options(url)
            assert "POST" in options.headers["Access-Control-Allow-Methods"]
    assert "whep:ext" not in str(published.headers)


def test_streams_are_bounded_and_keep_the_latest_of_each_type() -> None:
    streams = EventStreams()
    names = [streams.create(None) for _ in range(6)]
    first = streams.find(names[2])
    for count in range(1_000):
        streams.put("viewercount", {"viewercount": count})
        streams.put("wibble", {})
    text = first.take()
    assert text == b'event: active\ndata: {}\n\nevent: viewercount\ndata: {"viewercount":999}\n\n'
    for name in names[:2]:
        with pytest.raises(Exception, match="session_unknown"):
            streams.find(name)
    streams.close()
    assert first.is_closed
    assert set(TYPES) == first.types


SELECTIONS = [
    ({}, AutoTarget(), Preference()),
    ({"mediaId": "1", "rid": "h"}, RidTarget("h"), Preference()),
    ({"spatialLayerId": 1, "temporalLayerId": 0}, AutoTarget(), Preference(spatial=1, temporal=0)),
    ({"maxSpatialLayerId": 0, "spatialLayerId": 2}, AutoTarget(), Preference(spatial=0)),
    ({"maxTemporalLayerId": 2, "wibble": 1}, AutoTarget(), Preference(temporal=2)),
    ({"maxWidth": 640, "maxHeight": 360}, AutoTarget(), Preference(452, 254)),
    ({"maxWidth": 640}, AutoTarget(), Preference(452, 254)),
    ({"maxHeight": 360}, AutoTarget(), Preference(452, 254)),
]


@pytest.mark.parametrize(("selection", "target", "preference"), SELECTIONS)
async def test_a_layer_is_selected(
    stage: Stage, session: ClientResponse, selection: Any, target: Any, preference: Preference
) -> None:
    url = stage.url(path_of(session, LAYER))
    response = await stage.session.post(url, data=json.dumps(selection), headers=JSON)
    assert response.status == 200
    [command] = stage.engine.commands_of(SetTarget)
    assert (command.target, command.preference) == (target, preference)
    assert (await stage.session.delete(url)).status == 200
    assert stage.engine.commands_of(SetTarget)[1].target == AutoTarget()


@pytest.mark.parametrize(
    ("selection", "status", "reason"),
    [
        ({"rid": "x"}, 404, "layer_unknown"),
        ({"mediaId": "0"}, 404, "layer_unknown"),
        ({"mediaId": "7"}, 404, "layer_unknown"),
        ({"spatialLayerId": -1}, 400, "body_unreadable"),
        ({"maxWidth": 0}, 400, "body_unreadable"),
        ("[" * 5_000, 400, "body_unreadable"),
        ('{"x":' * 4_000, 400, "body_unreadable"),
        ([], 400, "body_unreadable"),
    ],
)
async def test_invalid_selections(
    stage: Stage, session: ClientResponse, selection: Any, status: int, reason: str
) -> None:
    url = stage.url(path_of(session, LAYER))
    text = selection if isinstance(selection, str) else json.dumps(selection)
    response = await stage.session.post(url, data=text, headers=JSON)
    assert await reason_of(response) == (status, reason)
    assert not stage.engine.commands_of(SetTarget)


async def test_a_proxy_prefix_is_in_the_links(make_stage: StageMaker) -> None:
    stage = await make_stage(http_prefix="/sfu")
    await publish(stage)
    session = await play(stage)
    assert path_of(session, LAYER).startswith("/sfu/sessions/")
    assert (await created(stage, session)).startswith(stage.url("/sfu/sessions/"))


async def test_a_lost_transport_ends_the_streams(stage: Stage, session: ClientResponse) -> None:
    response = await stage.session.get(await created(stage, session))
    viewer = stage.engine.commands_of(OpenTransport)[-1].transport
    stage.engine.emit(TransportState(viewer, "disconnected", "silent"))
    assert b"inactive" not in await ended(response)
