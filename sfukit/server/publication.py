"""Publications of a room, and subscriptions to them."""

from typing import Protocol

from sfukit.server.native_messages import (
    AutoTarget,
    EncodingSpec,
    EncodingState,
    EncodingsWanted,
    IndexTarget,
    LayerSwitched,
    Preference,
    Publish,
    RidTarget,
    Target,
)
from sfukit.signaling.publish_answer import Published
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import (
    Layer,
    OwnPublication,
    PublicationInfo,
    QualityNotification,
    TrackInfo,
)


class Publisher(Protocol):
    """The participant that owns a publication; ``cname`` is the RTCP CNAME of its streams.

    ``dynacast``: its client supports dynacast.
    """

    uid: str
    cname: str
    dynacast: bool

    def stream_id(self, published: str) -> str:
        """Return the msid for subscribers of a published msid."""

    def on_encoding_state(self, publication: "Publication", event: EncodingState) -> None:
        """Handle an encoding that became inactive or active."""

    def on_encodings_wanted(self, publication: "Publication", event: EncodingsWanted) -> None:
        """Handle a change of the encodings with subscribers."""


class Publication:
    """One published track of a participant."""

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
        """The rids of the encodings, empty without simulcast."""
        return [encoding.rid for encoding in self.track.encodings if encoding.rid]

    @property
    def _has_publisher_rids(self) -> bool:
        """Whether the rids are those of the offer: encodings by SSRC get theirs from the server."""
        encodings = self.track.encodings
        return len(encodings) == 1 or encodings[0].ssrc is None

    def publish_command(self, transport: int) -> Publish:
        """Return the command that adds the publication to the engine."""
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
            red_payload_type=track.red.payload_type if track.red else None,
            dynacast=self.owner.dynacast and self._has_publisher_rids,
            screen=self.source.startswith("screen"),
        )

    def is_same_stream(self, track: Published) -> bool:
        """Return whether the m-line of a later offer has the same stream parameters."""
        current = self.track
        return (
            current.kind == track.kind
            and current.codec == track.codec
            and current.rtx_payload_type == track.rtx_payload_type
            and current.red == track.red
            and current.encodings == track.encodings
            and current.extensions == track.extensions
        )

    def target(self, layer: Layer) -> Target:
        """Return the engine's target for a requested layer; raise ``Refusal`` (layer_unknown)."""
        if layer == "auto":
            return AutoTarget()
        if isinstance(layer, int):
            if layer >= max(1, len(self.rids)):
                raise Refusal("layer_unknown", f"the highest layer is {max(1, len(self.rids)) - 1}")
            return IndexTarget(layer)
        if layer not in self.rids:
            raise Refusal(
                "layer_unknown", f"the encodings are {', '.join(self.rids) or 'one, without a rid'}"
            )
        return RidTarget(layer)

    def info(self) -> PublicationInfo:
        """Return the description for other participants."""
        return PublicationInfo(
            self.number, self.kind, self.source, self.track.codec_name, self.rids, self.muted
        )

    def own_info(self) -> OwnPublication:
        """Return the description for the publisher."""
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
        """Return the description of the subscriber's m-line ``mid``."""
        return TrackInfo(mid, self.number, self.owner.uid, self.kind, self.source)


class SubscriptionOwner(Protocol):
    """The owner of a subscription, which receives its events."""

    def on_layer_switch(self, subscription: "Subscription", event: LayerSwitched) -> None:
        """Handle a switch of the encoding."""

    def on_quality(self, quality: QualityNotification) -> None:
        """Handle a change of what is sent within the estimate of the bandwidth."""


class Subscription:
    """One publication forwarded on one transport."""

    def __init__(self, publication: Publication, owner: SubscriptionOwner) -> None:
        self.publication = publication
        self.owner = owner
        self.number: int | None = None  # the engine's id, None until negotiated
        self.target: Target = AutoTarget()
        self.preference = Preference()
        self.paused = False
        self.rid: str | None = None
        self.last_reason = "requested"
