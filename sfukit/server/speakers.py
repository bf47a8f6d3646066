"""The active speakers of a room: notification and debug output."""

from typing import Any

import msgspec

from sfukit.server.native_messages import ActiveSpeakersChanged
from sfukit.server.room import Room
from sfukit.signaling.room_messages import ActiveSpeaker, ActiveSpeakersNotification


def on_active_speakers(event: ActiveSpeakersChanged, room: Room) -> None:
    """Keep the speakers of an event and notify all participants of the room.

    Publications that were removed in the meantime are left out.
    """
    speakers = []
    for entry in event.speakers:
        publication = room.publications.get(entry.publication)
        if publication is not None:
            uid = publication.owner.uid
            speakers.append(ActiveSpeaker(uid, publication.number, entry.level_dbov))
    room.active_speakers = speakers
    room.announce("active-speakers", ActiveSpeakersNotification(speakers))


def described(speakers: list[ActiveSpeaker]) -> list[dict[str, Any]]:
    """Return the JSON objects of ``/debug/rooms``."""
    listed: list[dict[str, Any]] = msgspec.to_builtins(speakers)
    return listed
