"""The subscriptions of one participant of a VideoRoom: one handle, one connection. No sockets."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sfukit.loadgen.scenario import Size, rank
from sfukit.loadgen.targets.base import JoinRefusedError, Participant, ReceiveConnection
from sfukit.loadgen.targets.janus_messages import (
    NO_SUCH_FEED,
    Event,
    FeedId,
    Incoming,
    Jsep,
    Publisher,
)
from sfukit.signaling.sdp import SdpError

Body = dict[str, object]

_MAX_FEEDS = 4  # of one planned publisher at a time: one may rejoin before it was seen to leave
_MAX_STREAMS = 16  # of one feed
_TOO_MANY = "the target announces more publishers than planned; further ones are not received"


class _Key(NamedTuple):
    """A stream of a feed."""

    feed: FeedId
    mid: str


class _Feed(NamedTuple):
    """A publisher in the room: its name in the plan, and the kind of each stream by mid."""

    name: str
    kinds: Mapping[str, str]


class Subscriptions:
    """The streams that are wanted, those that are requested, and their m-lines.

    One request is sent at a time: what changes meanwhile is part of the next one.
    """

    def __init__(self, participant: Participant) -> None:
        self._participant = participant
        self._sizes: Mapping[str, Size] = participant.subscriptions
        self._feeds: dict[FeedId, _Feed] = {}
        self._requested: dict[_Key, int | None] = {}
        self._lines: dict[_Key, str] = {}
        self._in_flight: list[_Key] | None = None
        self._starts = 0
        self._has_joined = False
        self._one_by_one = False
        self._connection: ReceiveConnection | None = None

    @property
    def is_wanted(self) -> bool:
        """Whether there is a stream to subscribe to."""
        return bool(self._wanted())

    def announced(self, publishers: Iterable[Publisher]) -> None:
        """Record the streams of planned publishers."""
        for one in publishers:
            if one.display not in self._sizes:
                continue
            if one.id not in self._feeds and len(self._feeds) >= _MAX_FEEDS * len(self._sizes):
                self._participant.fault("too_many_publishers", _TOO_MANY)
                return
            usable = [stream for stream in one.streams[:_MAX_STREAMS] if not stream.disabled]
            kinds = {stream.mid: stream.type for stream in usable}
            self._feeds[one.id] = _Feed(one.display, kinds)

    def gone(self, feed: FeedId) -> None:
        """Forget a publisher.

        Its m-lines are unsubscribed: Janus would give them to another publisher with the same SSRC.
        """
        self._feeds.pop(feed, None)

    def resized(self, sizes: Mapping[str, Size]) -> None:
        """Receive the video of each publisher in another size."""
        self._sizes = sizes

    def request(self, join: Body) -> Body | None:
        """Return the next request; ``join`` are the fields of the first one."""
        if self._in_flight is not None or self._starts:
            return None
        wanted = self._wanted()
        removed = [key for key in self._requested if key not in wanted]
        for key in removed:
            del self._requested[key]
        unused = [self._lines.pop(key) for key in removed if key in self._lines]
        if unused:
            self._in_flight = []
            return {"request": "unsubscribe", "streams": [{"sub_mid": mid} for mid in unused]}
        added = [key for key in wanted if key not in self._requested]
        changed = [
            key
            for key in wanted
            if key in self._lines and wanted[key] != self._requested.get(key, wanted[key])
        ]
        if added:
            return self._subscribe(added, wanted, join)
        if changed:
            self._requested |= {key: wanted[key] for key in changed}
            self._in_flight = []
            targets = [{"mid": self._lines[key], "substream": wanted[key]} for key in changed]
            return {"request": "configure", "streams": targets}
        return None

    async def received(self, message: Incoming) -> Body | None:
        """Process an event of the handle; return the request that starts what was offered."""
        event, failure = message.event, message.failure
        if failure is not None:
            self._failed(message.transaction, failure)
            return None
        if message.transaction == "subscriptions":
            self._has_joined = self._has_joined or bool(event and event.videoroom == "attached")
            self._in_flight = None
        elif message.transaction == "start":
            self._starts = max(0, self._starts - 1)
        if message.candidate is not None and self._connection is not None:
            await self._connection.add_candidate(message.candidate.candidate)
        if event is None or message.jsep is None or message.jsep.type != "offer":
            return None
        return await self._answer(event, message.jsep)

    async def _answer(self, event: Event, offer: Jsep) -> Body | None:
        self._lines = {
            _Key(one.feed_id, one.feed_mid or ""): one.mid
            for one in event.streams
            if one.feed_id is not None and one.active
        }
        names = {mid: self._name_of(key.feed) for key, mid in self._lines.items()}
        if self._connection is None:
            self._connection = self._participant.subscriber(trickle=True)
        try:
            answer = await self._connection.answer(offer.sdp, names)
        except (SdpError, JoinRefusedError) as error:
            self._participant.fault("offer_unusable", str(error))
            return None
        self._starts += 1
        return {"request": "start", "sdp": answer}

    def _name_of(self, feed: FeedId) -> str:
        known = self._feeds.get(feed)
        return known.name if known else ""

    def _subscribe(self, added: list[_Key], wanted: Mapping[_Key, int | None], join: Body) -> Body:
        if self._one_by_one:
            added = [key for key in added if key.feed == added[0].feed]
        streams = [
            key._asdict() | ({} if wanted[key] is None else {"substream": wanted[key]})
            for key in added
        ]
        self._requested |= {key: wanted[key] for key in added}
        self._in_flight = added
        if self._has_joined:
            return {"request": "subscribe", "streams": streams}
        return {"request": "join", "ptype": "subscriber", "streams": streams, **join}

    def _failed(self, transaction: str, failure: tuple[str, str, int]) -> None:
        """Request the streams again one feed at a time, since a feed may just have left."""
        code, text, number = failure
        keys = self._in_flight or []
        if transaction == "subscriptions":
            self._in_flight = None
            for key in keys:
                self._requested.pop(key, None)
        elif transaction == "start":
            self._starts = max(0, self._starts - 1)
        feeds = {key.feed for key in keys}
        if len(feeds) == 1:
            self._feeds.pop(feeds.pop(), None)
        self._one_by_one = True
        if number != NO_SUCH_FEED:
            self._participant.fault(f"subscribe_{code}", text)

    def _wanted(self) -> dict[_Key, int | None]:
        encodings = len(self._participant.encodings)
        wanted: dict[_Key, int | None] = {}
        for feed, known in self._feeds.items():
            size = self._sizes.get(known.name)
            for mid, kind in known.kinds.items():
                if kind == "audio" and size is not None:
                    wanted[_Key(feed, mid)] = None
                elif kind == "video" and size not in (None, "hidden"):
                    simulcast = rank(size, encodings) if encodings > 1 else None
                    wanted[_Key(feed, mid)] = simulcast
        return wanted
