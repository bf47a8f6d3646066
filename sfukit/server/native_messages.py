"""Commands to the engine and events from it: JSON objects with a ``type``.

The control plane assigns the ids and never reuses one. Each command yields one ``done`` event,
except those with the id 0, whose outcome nothing waits for.
"""

from typing import Any, Literal

import msgspec

from sfukit.signaling.data_section import MAX_MESSAGE_BYTES
from sfukit.signaling.room_messages import SelectedLayers

SrtpChoice = Literal["auto", "gcm128", "cm80"]
Bwe = Literal["gcc", "loss-rtt", "remb", "none"]


class ServerConfig(msgspec.Struct):
    """Options of the engine; None means its default."""

    workers: int = 1
    udp_port: int = 7081
    bind: tuple[str, ...] = ("0.0.0.0", "::")
    coalesce_ms: int = 5
    pad: bool = True
    nack_ttl_ms: int | None = None
    history_bytes: int = 512 * 1024
    stun: bool = False
    bwe: Bwe = "gcc"
    max_publish_bitrate_bps: int | None = None
    max_subscription_bitrate_bps: int | None = None
    last_n: int | None = None
    srtp: SrtpChoice = "auto"
    recv_buffer_bytes: int = 8 * 1024 * 1024
    send_buffer_bytes: int = 8 * 1024 * 1024
    gso: bool = True
    gro: bool = True


class ServerInfo(msgspec.Struct, frozen=True):
    """The running engine: UDP ports, DTLS fingerprint, socket options that the kernel granted."""

    udp_ports: list[int]
    fingerprint: str
    recv_buffer_bytes: int = 0
    send_buffer_bytes: int = 0
    gso: bool = False
    gro: bool = False
    ipv6: bool = False


class IceCredentials(msgspec.Struct, frozen=True):
    """Local ICE credentials."""

    ufrag: str
    pwd: str


class Remote(msgspec.Struct, frozen=True):
    """Remote ICE and DTLS parameters; with ``setup`` active the peer is the DTLS client."""

    ufrag: str
    pwd: str
    fingerprints: list[str]
    setup: Literal["active", "passive"] = "active"


class EncodingSpec(msgspec.Struct, frozen=True):
    """One encoding of a publication, as far as the offer signals it."""

    rid: str | None
    ssrc: int | None
    rtx_ssrc: int | None


class AutoTarget(msgspec.Struct, frozen=True, tag_field="kind", tag="auto"):
    """The engine selects the encoding."""


class RidTarget(msgspec.Struct, frozen=True, tag_field="kind", tag="encoding"):
    """The encoding with this rid, if it is active."""

    rid: str


class IndexTarget(msgspec.Struct, frozen=True, tag_field="kind", tag="index"):
    """The encoding with this rank, 0 is the lowest."""

    index: int


Target = AutoTarget | RidTarget | IndexTarget


class Preference(msgspec.Struct, frozen=True):
    """The size at which a subscriber shows a video, and its priority beside others."""

    width: int | None = None
    height: int | None = None
    fps: int | None = None
    priority: int = 0
    pinned: bool = False
    spatial: int | None = None
    temporal: int | None = None


class DataParameters(msgspec.Struct, frozen=True):
    """The data channels of a transport: whose it is, and what its peer may do.

    What a ``member`` sends is not returned to its other transport; messages that name it do so by
    ``name``. Until the channels are ``negotiated`` messages wait.
    """

    member: int
    send: bool
    receive: bool
    negotiated: bool
    name: str = ""
    max_message_bytes: int = MAX_MESSAGE_BYTES


class Command(msgspec.Struct, tag_field="type", kw_only=True):
    """The base of all commands; ``Engine`` sets the id."""

    id: int = 0


class OpenRoom(Command, tag="open_room"):
    """Create a room on a worker."""

    room: int


class CloseRoom(Command, tag="close_room"):
    """Close a room and its transports."""

    room: int


class OpenTransport(Command, tag="open_transport"):
    """Create an ICE and DTLS transport; without ``remote`` it waits for ``SetRemote``."""

    room: int
    transport: int
    local: IceCredentials
    remote: Remote | None = None
    data: DataParameters | None = None


class SetData(Command, tag="set_data"):
    """Set the data channels of a transport."""

    transport: int
    data: DataParameters


class SendMessages(Command, tag="send_messages"):
    """Send a message on the channel ``sfukit`` of those transports that have one."""

    room: int
    transports: list[int]
    text: str


class SetRemote(Command, tag="set_remote"):
    """Set the remote parameters of a transport, after the answer."""

    transport: int
    remote: Remote


class RestartIce(Command, tag="restart_ice"):
    """Restart ICE with new credentials; the DTLS association continues."""

    transport: int
    local: IceCredentials
    remote: Remote


class CloseTransport(Command, tag="close_transport"):
    """Close a transport with its publications and subscriptions."""

    transport: int


class Publish(Command, tag="publish"):
    """Add a publication of a transport to its room."""

    transport: int
    publication: int
    kind: str
    codec: str
    clock_rate: int
    payload_type: int
    rtx_payload_type: int | None
    mid: str
    encodings: list[EncodingSpec]
    extensions: dict[str, int]
    feedback: list[str]
    fid_groups: list[tuple[int, int]] = []
    red_payload_type: int | None = None
    dynacast: bool = False
    screen: bool = False


class Unpublish(Command, tag="unpublish"):
    """Remove a publication and its subscriptions."""

    publication: int


class Subscribe(Command, tag="subscribe"):
    """Add a subscription: forward a publication on a transport."""

    transport: int
    subscription: int
    publication: int
    mid: str
    payload_type: int
    rtx_payload_type: int | None
    ssrc: int
    rtx_ssrc: int | None
    extensions: dict[str, int]
    cname: str
    feedback: tuple[str, ...] = ()
    red_payload_type: int | None = None
    target: Target = AutoTarget()
    preference: Preference = Preference()


class ReplaceSource(Command, tag="replace_source"):
    """Forward another publication of the same codec on the SSRC of a subscription."""

    subscription: int
    publication: int


class SetTarget(Command, tag="set_target"):
    """Set the target encoding of a subscription, and how it is shown."""

    subscription: int
    target: Target
    preference: Preference = Preference()


class SetLastN(Command, tag="set_last_n"):
    """Bound the participants whose video a transport gets; None: the server's bound alone."""

    transport: int
    last_n: int | None = None


class Unsubscribe(Command, tag="unsubscribe"):
    """Remove a subscription."""

    subscription: int


class SetMuted(Command, tag="set_muted"):
    """Mute or unmute a publication."""

    publication: int
    muted: bool


class RoomStats(Command, tag="room_stats"):
    """Request the statistics of a room."""

    room: int


class CommandError(msgspec.Struct, frozen=True):
    """The error of a command."""

    code: str
    message: str = ""


class Done(msgspec.Struct, tag_field="type", tag="done"):
    """The result or error of a command."""

    id: int
    error: CommandError | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


class TransportState(msgspec.Struct, tag_field="type", tag="transport_state"):
    """A transport changed its state."""

    transport: int
    state: Literal["connected", "disconnected", "failed", "closed"]
    reason: str = ""
    srtp_profile: str | None = None
    local: str | None = None
    remote: str | None = None
    ice_ms: float | None = None
    dtls_ms: float | None = None


class PublicationStarted(msgspec.Struct, tag_field="type", tag="publication_started"):
    """The first RTP packet of an encoding arrived."""

    publication: int
    rid: str | None = None
    ssrc: int = 0


class EncodingState(msgspec.Struct, tag_field="type", tag="encoding_state"):
    """An encoding became inactive or active."""

    publication: int
    rid: str | None = None
    active: bool = True
    reason: str = ""


class EncodingsWanted(msgspec.Struct, tag_field="type", tag="encodings_wanted"):
    """The encodings with subscribers, which the publisher should send (dynacast)."""

    publication: int
    rids: list[str]


class SsrcUnbound(msgspec.Struct, tag_field="type", tag="ssrc_unbound"):
    """Packets of an unassociated SSRC were dropped for a second."""

    transport: int
    ssrc: int
    payload_type: int
    packets: int
    reason: str


class LayerSwitched(
    msgspec.Struct, tag_field="type", tag="layer_switch", rename={"before": "from", "after": "to"}
):
    """A subscription switched its encoding.

    With ``wait_ms`` None it could not as requested, or other ``layers`` of it are selected.
    """

    subscription: int
    before: str | None = None
    after: str | None = None
    reason: str = ""
    wait_ms: float | None = None
    layers: SelectedLayers | None = None


class VideoQuality(msgspec.Struct, frozen=True):
    """What one subscription gets of an estimate; ``rid`` None: the only encoding, or paused.

    ``spatial`` and ``temporal`` are the highest layers that it gets, None without layers.
    """

    subscription: int
    rid: str | None = None
    paused: bool = False
    bitrate_bps: int = 0
    reason: str = ""
    spatial: int | None = None
    temporal: int | None = None


class QualityChanged(msgspec.Struct, tag_field="type", tag="quality"):
    """What a transport sends within the estimate of its bandwidth (None: unlimited)."""

    estimate_bps: int | None = None
    sent_bps: int = 0
    video: list[VideoQuality] = []


class ActiveSpeaker(msgspec.Struct, frozen=True):
    """A participant that speaks: its microphone and level, dBov (0 loudest, -127 silence)."""

    publication: int
    level_dbov: int


class ActiveSpeakersChanged(msgspec.Struct, tag_field="type", tag="active_speakers"):
    """The participants that speak, the dominant one first."""

    room: int
    speakers: list[ActiveSpeaker] = []


class DataWanted(msgspec.Struct, tag_field="type", tag="data_wanted"):
    """The first data channel of a room was opened, so that the others negotiate theirs."""

    room: int


class DataChannelClosed(msgspec.Struct, tag_field="type", tag="data_channel_closed"):
    """The server closed a data channel of a transport."""

    transport: int
    label: str
    reason: str


class DataMessages(msgspec.Struct, tag_field="type", tag="data_messages"):
    """The peer of a transport opened its channel ``sfukit``, or it is closed."""

    transport: int
    open: bool


class DataMessage(msgspec.Struct, tag_field="type", tag="data_message"):
    """A message arrived on the channel ``sfukit`` of a transport."""

    transport: int
    text: str


class RoomClosed(msgspec.Struct, tag_field="type", tag="room_closed"):
    """The engine closed a room after an internal error."""

    room: int
    reason: str = ""


class WorkerEnded(msgspec.Struct, tag_field="type", tag="worker_ended"):
    """The thread of a worker ended unexpectedly, and with it all its rooms."""

    worker: int
    reason: str


Event = (
    Done
    | TransportState
    | PublicationStarted
    | EncodingState
    | EncodingsWanted
    | SsrcUnbound
    | LayerSwitched
    | QualityChanged
    | ActiveSpeakersChanged
    | DataWanted
    | DataChannelClosed
    | DataMessages
    | DataMessage
    | RoomClosed
    | WorkerEnded
)


class RoomStatsReport(msgspec.Struct):
    """Result of ``room_stats``: JSON objects, each with the id of its transport or stream."""

    transports: list[dict[str, Any]] = []
    publications: list[dict[str, Any]] = []
    subscriptions: list[dict[str, Any]] = []
