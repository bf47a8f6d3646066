"""Tracks offered to a room, and who receives them."""

from typing import Protocol

from sfukit.server.native_messages import (
    AutoTarget,
    EncodingSpec,
    EncodingState,
    EncodingsWanted,
    IndexTarget,
    LayerSwitched,
    Publish,
    RidTarget,
    Target,
)
from sfukit.signaling.publish_answer import Published
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import Layer, OwnPublication, PublicationInfo, TrackInfo


class Publisher(Protocol):
    """The participant that a publication is of; ``cname`` is that of all its streams.

    ``rests``: it stops and starts encodings as it is told.
    """

    uid: str
    cname: str
    rests: bool

    def stream_id(self, published: str) -> str:
        """Name a media stream, the same for tracks that belong together."""

    def on_encoding_state(self, publication: "Publication", event: EncodingState) -> None:
        """Hear that an encoding fell silent or came back."""

    def on_encodings_wanted(self, publication: "Publication", event: EncodingsWanted) -> None:
        """Hear which encodings are watched."""


class Publication:
    """One track of a participant, as its room sees it."""

    def __init__(self, number: int, owner: Publisher, track: Published, source: str) -> None:
        self.number = number
        self.owner = owner
        self.track = track
        self.source = source
        self.muted = False
        self.muted_by_host = False
        self.inactive: set[str | None] = set()
        self.stream_id = owner.stream_id(track.stream_id)

    @property
    def kind(self) -> str:
        """Audio or video."""
        return self.track.kind

    @property
    def rids(self) -> list[str]:
        """The names of its encodings, empty without simulcast."""
        return [encoding.rid for encoding in self.track.encodings if encoding.rid]

    @property
    def _are_named_by_publisher(self) -> bool:
        """Whether a publisher knows its encodings by their rids: those of SSRCs are ours."""
        encodings = self.track.encodings
        return len(encodings) == 1 or encodings[0].ssrc is None

    def command(self, transport: int) -> Publish:
        """Write the command that makes the engine take it."""
        track = self.track
        return Publish(
            transport=transport,
            publication=self.number,
            kind=track.kind,
            codec=track.codec_name,
            clock_rate=track.codec.clock_rate,
            payload_type=track.codec.payload_type,
            rtx_payload_type=track.rtx_payload_type,
            mid=track.engine_mid,
            encodings=[
                EncodingSpec(encoding.rid, encoding.ssrc, encoding.rtx_ssrc)
                for encoding in track.encodings
            ],
            extensions=track.extensions,
            feedback=list(track.feedback),
            fid_groups=track.fid_groups,
            dynacast=self.owner.rests and self._are_named_by_publisher,
        )

    def continues(self, track: Published) -> bool:
        """Tell whether a later offer still describes this very stream."""
        mine = self.track
        return (
            mine.kind == track.kind
            and mine.codec == track.codec
            and mine.rtx_payload_type == track.rtx_payload_type
            and mine.encodings == track.encodings
            and mine.extensions == track.extensions
        )

    def target(self, layer: Layer) -> Target:
        """Turn a wish for a layer into what the engine takes; raise ``Refusal`` (layer_unknown)."""
        if layer == "auto":
            return AutoTarget()
        if isinstance(layer, int):
            if layer >= max(1, len(self.rids)):
                raise Refusal("layer_unknown", f"there are {len(self.rids)} encodings")
            return IndexTarget(layer)
        if layer not in self.rids:
            raise Refusal("layer_unknown", f"the encodings are {', '.join(self.rids) or 'one'}")
        return RidTarget(layer)

    def info(self) -> PublicationInfo:
        """Describe it to other participants."""
        return PublicationInfo(
            self.number, self.kind, self.source, self.track.codec_name, self.rids, self.muted
        )

    def own_info(self) -> OwnPublication:
        """Describe it to its owner."""
        return OwnPublication(
            self.number,
            self.track.mid,
            self.kind,
            self.source,
            self.track.codec_name,
            self.rids,
            self.muted,
        )

    def track_info(self, mid: str) -> TrackInfo:
        """Describe the m-line that carries it to a subscriber."""
        return TrackInfo(mid, self.number, self.owner.uid, self.kind, self.source)


class SubscriptionOwner(Protocol):
    """Who wants to know what becomes of a subscription."""

    def on_layer_switch(self, subscription: "Subscription", event: LayerSwitched) -> None:
        """Hear of a change of encoding."""


class Subscription:
    """One publication sent on one transport."""

    def __init__(self, publication: Publication, owner: SubscriptionOwner) -> None:
        self.publication = publication
        self.owner = owner
        self.number: int | None = None  # known to the engine since
        self.target: Target = AutoTarget()
        self.rid: str | None = None
        self.last_reason = "requested"
