"""The rooms of a run on a Janus server: created by name, destroyed by the last that leaves."""

import hashlib
from collections import Counter
from dataclasses import dataclass, field

from sfukit.loadgen.targets.base import Participant
from sfukit.loadgen.targets.janus_messages import RoomId

_PUBLISHERS = 10_000  # the default of Janus is 3
_JSON_INTEGER = 2**53


@dataclass
class Rooms:
    """What the participants of this process share; ``named`` is the room that a URL names."""

    named: str | None = None
    pin: str | None = None
    admin_key: str | None = None
    has_string_ids: bool = False
    codecs: tuple[str, ...] = ("vp8", "h264", "vp9", "av1")
    present: Counter[str] = field(default_factory=Counter)

    @property
    def are_created(self) -> bool:
        """Whether the rooms belong to the load test."""
        return self.named is None

    def id_of(self, name: str) -> RoomId:
        """Return the id of a room: the same in all processes of a run."""
        if self.named is not None:
            return _as_typed(self.named.replace("{room}", name), strings=self.has_string_ids)
        return f"sfukit-{name}" if self.has_string_ids else number_of(name)

    def creation(self, participant: Participant) -> dict[str, object]:
        """Return the request that creates the room of a participant."""
        # the codec of the participant is preferred, and others may publish another
        first = participant.video_codec
        codecs = [first, *(codec for codec in self.codecs if codec != first)]
        body: dict[str, object] = {
            "request": "create",
            "room": self.id_of(participant.room),
            "description": f"sfukit load test, {participant.room}",
            "is_private": True,
            "publishers": _PUBLISHERS,
            "audiocodec": "opus",
            "videocodec": ",".join(codecs),
        }
        return body | ({} if self.admin_key is None else {"admin_key": self.admin_key})


def number_of(name: str) -> int:
    """Return the number of a named room, as an integer that every JSON parser keeps."""
    digest = hashlib.sha256(f"sfukit {name}".encode()).digest()
    return int.from_bytes(digest[:8]) % _JSON_INTEGER or 1


def _as_typed(text: str, *, strings: bool) -> RoomId:
    return int(text) if text.isascii() and text.isdigit() and not strings else text
