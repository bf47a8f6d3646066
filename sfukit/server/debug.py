"""``/debug/rooms``: rooms with their participants, transports, publications, subscriptions."""

from typing import Any

import msgspec
from aiohttp import web

from sfukit.server.member import Member, Viewer
from sfukit.server.publication import Publication, Subscription
from sfukit.server.quality import described
from sfukit.server.requests import SERVER_CONTEXT, authenticate
from sfukit.server.room import Room
from sfukit.server.server_context import ServerContext
from sfukit.server.speakers import described as described_speakers
from sfukit.signaling.refusal import Refusal


def add_routes(app: web.Application) -> None:
    """Add the routes of ``/debug/rooms``."""
    app.router.add_get("/debug/rooms", rooms)
    app.router.add_get("/debug/rooms/{room}", one_room)


async def rooms(request: web.Request) -> web.Response:
    """Return all rooms that the token allows."""
    context = request.app[SERVER_CONTEXT]
    only = _admin_of(request)
    if only is None:
        return web.json_response(describe(context))
    room = context.rooms.find(only)
    return web.json_response({"rooms": [] if room is None else [_room(room)]})


async def one_room(request: web.Request) -> web.Response:
    """Return one room with the engine's statistics of its transports and streams."""
    context = request.app[SERVER_CONTEXT]
    name, only = request.match_info["room"], _admin_of(request)
    if only not in (None, name):
        raise Refusal("room_denied", f"the token is for the room {only!r}")
    room = context.rooms.find(name)
    if room is None:
        raise Refusal("room_unknown", "no such room")
    report = msgspec.to_builtins(await room.stats.report())
    return web.json_response({**_room(room), "figures": report})


def _admin_of(request: web.Request) -> str | None:
    """Return the room of an admin's token, None for all rooms; raise ``Refusal``."""
    claims = authenticate(request)
    request.app[SERVER_CONTEXT].access.require_admin(claims)
    return (claims.video.room or None) if claims is not None else None


def describe(context: ServerContext) -> dict[str, Any]:
    """Return the state of the server as JSON objects."""
    return {
        "draining": context.rooms.draining,
        "egress_bps": round(context.rooms.egress_bps),
        "rooms": [_room(room) for room in context.rooms],
    }


def _room(room: Room) -> dict[str, Any]:
    return {
        "room": room.name,
        "number": room.number,
        "worker": room.worker,
        "state": room.state,
        "active_speakers": described_speakers(room.active_speakers),
        "participants": [_participant(member) for member in room.participants.values()],
        "viewers": [_viewer(viewer) for viewer in room.viewers],
    }


def _participant(member: Member) -> dict[str, Any]:
    return {
        "uid": member.uid,
        "name": member.name,
        "role": member.role,
        "protocol": member.protocol,
        "transports": member.states,
        "quality": described(member.quality),
        "last_n": member.last_n,
        "publications": [_publication(entry) for entry in member.publications.values()],
        "subscriptions": [_subscription(entry) for entry in member.subscriptions],
    }


def _publication(publication: Publication) -> dict[str, Any]:
    return {
        "publication": publication.number,
        "mid": publication.track.mid,
        "kind": publication.kind,
        "source": publication.source,
        "codec": publication.track.codec_name,
        "rids": publication.rids,
        "inactive": sorted(rid or "" for rid in publication.inactive),
        "muted": publication.muted,
    }


def _viewer(viewer: Viewer) -> dict[str, Any]:
    return {
        "publisher": viewer.publisher.uid,
        "transports": viewer.states,
        "quality": described(viewer.quality),
        "subscriptions": [_subscription(entry) for entry in viewer.subscriptions],
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "publication": subscription.publication.number,
        "uid": subscription.publication.owner.uid,
        "kind": subscription.publication.kind,
        "negotiated": subscription.number is not None,
        "rid": subscription.rid,
        "paused": subscription.paused,
        "requested": msgspec.to_builtins(subscription.preference),
        "last_reason": subscription.last_reason,
    }
