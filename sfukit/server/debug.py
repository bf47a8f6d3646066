"""What an operator may want to see: every room with its participants, streams and last reasons."""

from typing import Any

import msgspec
from aiohttp import web

from sfukit.server.house import House
from sfukit.server.member import Member, Viewer
from sfukit.server.publication import Publication, Subscription
from sfukit.server.requests import HOUSE, bearer
from sfukit.server.room import Room
from sfukit.signaling.refusal import Refusal


def add_routes(app: web.Application) -> None:
    """Add the operator's view."""
    app.router.add_get("/debug/rooms", rooms)
    app.router.add_get("/debug/rooms/{room}", one_room)


async def rooms(request: web.Request) -> web.Response:
    """Show all rooms."""
    house = request.app[HOUSE]
    house.access.require_admin(bearer(request))
    return web.json_response(describe(house))


async def one_room(request: web.Request) -> web.Response:
    """Show one room with the engine's figures of its transports and streams."""
    house = request.app[HOUSE]
    house.access.require_admin(bearer(request))
    room = house.rooms.find(request.match_info["room"])
    if room is None:
        raise Refusal("room_unknown", "there is no such room")
    figures = msgspec.to_builtins(await room.stats.figures())
    return web.json_response({**_room(room), "figures": figures})


def describe(house: House) -> dict[str, Any]:
    """Write the state of the server down as plain objects."""
    return {
        "draining": house.rooms.draining,
        "egress_bps": round(house.rooms.egress_bps),
        "rooms": [_room(room) for room in house.rooms],
    }


def _room(room: Room) -> dict[str, Any]:
    return {
        "room": room.name,
        "number": room.number,
        "worker": room.worker,
        "state": room.state,
        "participants": [_participant(member) for member in room.participants.values()],
        "viewers": [_viewer(viewing) for viewing in room.viewers],
    }


def _participant(member: Member) -> dict[str, Any]:
    return {
        "uid": member.uid,
        "name": member.name,
        "role": member.role,
        "door": member.door,
        "transports": member.states,
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


def _viewer(viewing: Viewer) -> dict[str, Any]:
    return {
        "publisher": viewing.publisher.uid,
        "transports": viewing.states,
        "subscriptions": [_subscription(entry) for entry in viewing.subscriptions],
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "publication": subscription.publication.number,
        "uid": subscription.publication.owner.uid,
        "kind": subscription.publication.kind,
        "flowing": subscription.number is not None,
        "rid": subscription.rid,
        "last_reason": subscription.last_reason,
    }
