"""Parameters and results of the methods and notifications that docs/protocol.md lists."""

from typing import Annotated, Any, Literal

import msgspec

Layer = str | Annotated[int, msgspec.Meta(ge=0, le=15)]
Text = Annotated[str, msgspec.Meta(max_length=128)]
Pixels = Annotated[int, msgspec.Meta(ge=1, le=16_384)]
FrameRate = Annotated[int, msgspec.Meta(ge=1, le=240)]
Priority = Annotated[int, msgspec.Meta(ge=0, le=100)]
SpatialLayer = Annotated[int, msgspec.Meta(ge=0, le=3)]
TemporalLayer = Annotated[int, msgspec.Meta(ge=0, le=7)]
LastN = Annotated[int, msgspec.Meta(ge=0, le=1_000)]
MAX_MESSAGE_BYTES = 16 * 1024
MAX_PUBLICATIONS_NAMED = 200


class EncodingsNotification(msgspec.Struct):
    """The active encodings of an own publication; the others are inactive (dynacast)."""

    publication: int
    rids: list[str]


class Description(msgspec.Struct):
    """An offer or answer, as in ``RTCSessionDescription``."""

    type: Literal["offer", "answer"]
    sdp: str


class JoinConfig(msgspec.Struct):
    """Options of a participant, within the grants of its token."""

    role: Literal["host", "speaker", "audience"] | None = None
    no_subscribe: bool = False
    no_auto_subscribe: bool = False
    dynacast: bool = False
    last_n: LastN | None = None


class JoinParams(msgspec.Struct):
    """Join a room."""

    sid: str
    uid: str | None = None
    name: Text = ""
    offer: Description | None = None
    sources: dict[str, str] = {}
    config: JoinConfig = msgspec.field(default_factory=JoinConfig)


class OfferParams(msgspec.Struct):
    """Change the publications."""

    desc: Description
    version: int | None = None
    sources: dict[str, str] = {}


class AnswerParams(msgspec.Struct):
    """Answer an offer of the server."""

    desc: Description
    version: int | None = None


class IceCandidate(
    msgspec.Struct, rename={"sdp_mid": "sdpMid", "sdp_m_line_index": "sdpMLineIndex"}
):
    """A candidate, as in ``RTCIceCandidate``."""

    candidate: str = ""
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None


class TrickleParams(msgspec.Struct):
    """Add a candidate of the client (trickle ICE)."""

    target: Literal[0, 1]
    candidate: IceCandidate | None = None


class SubscribeParams(msgspec.Struct):
    """Subscribe to publications."""

    publications: Annotated[list[int], msgspec.Meta(max_length=MAX_PUBLICATIONS_NAMED)]
    layer: Layer = "auto"


class UnsubscribeParams(msgspec.Struct):
    """Unsubscribe from publications."""

    publications: Annotated[list[int], msgspec.Meta(max_length=MAX_PUBLICATIONS_NAMED)]


class LayersParams(msgspec.Struct):
    """Select the encoding of a subscription, or say how it is shown; all of it holds.

    ``width`` and ``height`` in pixels, together; ``fps`` the highest useful frame rate; ``spatial``
    and ``temporal`` the highest layers of an encoding. The fields that are left out have their
    default, whatever an earlier request said.
    """

    publication: int
    layer: Layer = "auto"
    width: Pixels | None = None
    height: Pixels | None = None
    fps: FrameRate | None = None
    priority: Priority = 0
    pinned: bool = False
    spatial: SpatialLayer | None = None
    temporal: TemporalLayer | None = None

    def __post_init__(self) -> None:
        if (self.width is None) != (self.height is None):
            missing = "height" if self.height is None else "width"
            raise ValueError(f"width and height belong together: {missing} is missing")


class LastNParams(msgspec.Struct):
    """Receive the video of the last ``last_n`` speakers only; None: as the server has it."""

    last_n: LastN | None


class MuteParams(msgspec.Struct):
    """Mute or unmute a publication."""

    publication: int
    muted: bool


class RemoveParams(msgspec.Struct):
    """Remove a participant."""

    uid: str


class MessageParams(msgspec.Struct):
    """Send a message to other participants."""

    data: msgspec.Raw
    to: str | None = None
    topic: Text = ""


class PublicationInfo(msgspec.Struct):
    """A publication, for other participants."""

    publication: int
    kind: str
    source: str
    codec: str
    rids: list[str]
    muted: bool


class OwnPublication(msgspec.Struct):
    """A publication, for its publisher."""

    publication: int
    mid: str
    kind: str
    source: str
    codec: str
    rids: list[str]
    muted: bool = False


class ParticipantInfo(msgspec.Struct):
    """A participant with its publications."""

    uid: str
    name: str
    role: str
    publications: list[PublicationInfo]


class IceServerInfo(msgspec.Struct, omit_defaults=True):
    """A STUN or TURN server, as in ``RTCIceServer``."""

    urls: str
    username: str | None = None
    credential: str | None = None


class IceServersNotification(msgspec.Struct):
    """All servers again, with credentials that replace the earlier ones before those expire."""

    ice_servers: list[IceServerInfo]


class ActiveSpeaker(msgspec.Struct):
    """A participant that speaks; ``level_dbov``: 0 is the loudest, -127 silence (RFC 6464)."""

    uid: str
    publication: int
    level_dbov: int


class ActiveSpeakersNotification(msgspec.Struct):
    """The participants that speak, the dominant one first."""

    speakers: list[ActiveSpeaker]


class JoinResult(msgspec.Struct, omit_defaults=True):
    """The result of a join."""

    sid: str
    uid: str
    role: str
    participant_count: int
    participants: list[ParticipantInfo]
    publications: list[OwnPublication]
    type: str | None = None
    sdp: str | None = None
    version: int | None = None
    ice_servers: list[IceServerInfo] = []
    active_speakers: list[ActiveSpeaker] = []


class OfferResult(msgspec.Struct):
    """The answer to a participant's offer."""

    type: str
    sdp: str
    version: int
    publications: list[OwnPublication]


class TrackInfo(msgspec.Struct):
    """The publication of an m-line of the subscribe connection."""

    mid: str
    publication: int
    uid: str
    kind: str
    source: str


class OfferNotification(msgspec.Struct):
    """An offer of the server."""

    type: str
    sdp: str
    version: int
    tracks: list[TrackInfo]


class MessageNotification(msgspec.Struct, rename={"sender": "from"}):
    """A message of another participant."""

    sender: str
    topic: str
    data: Any


class DataChannelError(msgspec.Struct):
    """The answer on the channel ``sfukit`` to a message that was refused."""

    error: str
    detail: str


class SelectedLayers(msgspec.Struct, frozen=True):
    """The layers of an encoding that a subscription gets, and the highest that there are."""

    spatial: int
    temporal: int
    highest_spatial: int
    highest_temporal: int


class LayerSwitch(msgspec.Struct, rename={"before": "from", "after": "to"}):
    """A subscription changed its encoding.

    Without ``wait_ms`` it could not as requested, or other ``layers`` of it are selected.
    """

    publication: int
    before: str | None
    after: str | None
    reason: str
    wait_ms: float | None
    layers: SelectedLayers | None = None


class VideoQuality(msgspec.Struct):
    """What one subscription receives within the estimate; ``rid`` is None where it is paused.

    ``spatial`` and ``temporal`` are the highest layers that it receives, None without layers.
    """

    publication: int
    rid: str | None
    paused: bool
    bitrate_bps: int
    reason: str
    spatial: int | None
    temporal: int | None


class QualityNotification(msgspec.Struct):
    """What the server sends within its estimate of the bandwidth to the client."""

    estimate_bps: int | None
    sent_bps: int
    video: list[VideoQuality]
