"""Parameters and results of the methods and notifications that docs/protocol.md lists."""

from typing import Annotated, Any, Literal

import msgspec

Layer = str | Annotated[int, msgspec.Meta(ge=0, le=15)]
Text = Annotated[str, msgspec.Meta(max_length=128)]
MAX_MESSAGE_BYTES = 16 * 1024
MAX_PUBLICATIONS_NAMED = 200


class EncodingsNotification(msgspec.Struct):
    """Which encodings of one's own publication to send; the others rest."""

    publication: int
    rids: list[str]


class Description(msgspec.Struct):
    """An offer or answer, as ``RTCSessionDescription`` has it."""

    type: Literal["offer", "answer"]
    sdp: str


class JoinConfig(msgspec.Struct):
    """Wishes of a participant, within what its token grants."""

    role: Literal["host", "speaker", "audience"] | None = None
    no_subscribe: bool = False
    no_auto_subscribe: bool = False
    dynacast: bool = False


class JoinParams(msgspec.Struct):
    """Enter a room."""

    sid: str
    uid: str | None = None
    name: Text = ""
    offer: Description | None = None
    sources: dict[str, str] = {}
    config: JoinConfig = msgspec.field(default_factory=JoinConfig)


class OfferParams(msgspec.Struct):
    """Change what is published."""

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
    """A candidate, as ``RTCIceCandidate`` has it."""

    candidate: str = ""
    sdp_mid: str | None = None
    sdp_m_line_index: int | None = None


class TrickleParams(msgspec.Struct):
    """Tell a candidate of the peer's."""

    target: Literal[0, 1]
    candidate: IceCandidate | None = None


class SubscribeParams(msgspec.Struct):
    """Ask for publications."""

    publications: Annotated[list[int], msgspec.Meta(max_length=MAX_PUBLICATIONS_NAMED)]
    layer: Layer = "auto"


class UnsubscribeParams(msgspec.Struct):
    """Give publications up."""

    publications: Annotated[list[int], msgspec.Meta(max_length=MAX_PUBLICATIONS_NAMED)]


class LayersParams(msgspec.Struct):
    """Choose the encoding of a subscription."""

    publication: int
    layer: Layer


class MuteParams(msgspec.Struct):
    """Stop a publication from being forwarded, or let it go on."""

    publication: int
    muted: bool


class RemoveParams(msgspec.Struct):
    """Make a participant leave."""

    uid: str


class MessageParams(msgspec.Struct):
    """Send something to other participants."""

    data: msgspec.Raw
    to: str | None = None
    topic: Text = ""


class PublicationInfo(msgspec.Struct):
    """A publication as other participants see it."""

    publication: int
    kind: str
    source: str
    codec: str
    rids: list[str]
    muted: bool


class OwnPublication(msgspec.Struct):
    """A publication as its owner sees it."""

    publication: int
    mid: str
    kind: str
    source: str
    codec: str
    rids: list[str]
    muted: bool = False


class ParticipantInfo(msgspec.Struct):
    """A participant with what it publishes."""

    uid: str
    name: str
    role: str
    publications: list[PublicationInfo]


class IceServerInfo(msgspec.Struct, omit_defaults=True):
    """A STUN or TURN server, as ``RTCIceServer`` has it."""

    urls: str
    username: str | None = None
    credential: str | None = None


class JoinResult(msgspec.Struct, omit_defaults=True):
    """What a participant gets to know on entering."""

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


class OfferResult(msgspec.Struct):
    """The answer to a participant's offer."""

    type: str
    sdp: str
    version: int
    publications: list[OwnPublication]


class TrackInfo(msgspec.Struct):
    """What an m-line of the subscribe connection carries."""

    mid: str
    publication: int
    uid: str
    kind: str
    source: str


class OfferNotification(msgspec.Struct):
    """An offer of the server's."""

    type: str
    sdp: str
    version: int
    tracks: list[TrackInfo]


class MessageNotification(msgspec.Struct, rename={"sender": "from"}):
    """What another participant sent."""

    sender: str
    topic: str
    data: Any


class LayerSwitch(msgspec.Struct, rename={"before": "from", "after": "to"}):
    """A subscription changed its encoding, or (without ``wait_ms``) could not, as it was asked."""

    publication: int
    before: str | None
    after: str | None
    reason: str
    wait_ms: float | None
