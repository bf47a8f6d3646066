"""Messages of Janus and of its VideoRoom plug-in: JSON objects, ids of 64 bits."""

from typing import Annotated

import msgspec
from msgspec import Meta

PLUGIN = "janus.plugin.videoroom"
_MAX_TEXT = 200

Id = Annotated[int, Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, Meta(max_length=256)]
RoomId = Id | Name
FeedId = Id | Name

# Error codes of the VideoRoom, and of Janus itself, as codes of refused joins.
NO_SUCH_ROOM, ROOM_EXISTS, NO_SUCH_FEED, MISSING_ELEMENT = 426, 427, 428, 429
INVALID_ELEMENT, UNAUTHORIZED = 430, 433
_REASONS = {
    403: "token_refused",
    405: "token_refused",
    426: "room_not_found",
    432: "room_full",
    433: "not_authorised",
    436: "id_exists",
    437: "answer_unusable",
    460: "no_videoroom",
    466: "answer_unusable",
    472: "not_accepting_sessions",
}


class Jsep(msgspec.Struct):
    """A session description."""

    type: str = ""
    sdp: str = ""


class Stream(msgspec.Struct):
    """A stream of a publisher, or of a subscription with the feed that it carries."""

    type: str = ""
    mid: str = ""
    feed_id: FeedId | None = None
    feed_mid: str | None = None
    disabled: bool = False
    active: bool = True


class Publisher(msgspec.Struct):
    """An active publisher of the room."""

    id: FeedId
    display: str = ""
    streams: list[Stream] = []


class Event(msgspec.Struct):
    """The content of an event of the VideoRoom, or of its response."""

    videoroom: str = ""
    id: FeedId | None = None
    room: RoomId | None = None
    publishers: list[Publisher] = []
    participants: list[Publisher] = []
    streams: list[Stream] = []
    unpublished: FeedId | None = None
    leaving: FeedId | None = None
    kicked: FeedId | None = None
    started: str | None = None
    reason: str = ""
    error_code: int | None = None
    error: str = ""

    @property
    def shows_empty_room(self) -> bool:
        """Whether this is a list of participants without any."""
        return self.videoroom == "participants" and not self.participants


class _PluginData(msgspec.Struct):
    data: Event = msgspec.field(default_factory=Event)


class _Error(msgspec.Struct):
    code: int = 0
    reason: str = ""


class _Created(msgspec.Struct):
    id: Id


class _Candidate(msgspec.Struct):
    candidate: str = ""


class Incoming(msgspec.Struct):
    """A message of the server, with the fields that are used."""

    janus: str
    transaction: str = ""
    sender: Id | None = None
    data: _Created | None = None
    plugindata: _PluginData | None = None
    jsep: Jsep | None = None
    error: _Error | None = None
    candidate: _Candidate | None = None
    reason: str = ""

    @property
    def event(self) -> Event | None:
        """The content of a message of the plug-in."""
        return self.plugindata.data if self.plugindata else None

    @property
    def failure(self) -> tuple[str, str, int] | None:
        """The code, the text and the number of an error; None for other messages."""
        event = self.event
        if self.error is not None:
            number, text = self.error.code, self.error.reason
        elif event is not None and event.error_code is not None:
            number, text = event.error_code, event.error
        else:
            return None
        said = f"{text[:_MAX_TEXT] or 'refused'} (Janus error {number})"
        return _REASONS.get(number, f"janus_{number}"), said, number


decode = msgspec.json.Decoder(Incoming).decode
