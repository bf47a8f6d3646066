"""Commands to the engine and events from it: JSON objects told apart by ``type``.

Ids are ours, counted up and never used again. Each command is answered by one ``done`` event.
"""

from typing import Any, Literal

import msgspec

SrtpChoice = Literal["auto", "gcm128", "cm80"]


class ServerConfig(msgspec.Struct):
    """How the engine is started; None leaves the choice to it."""

    workers: int = 1
    udp_port: int = 7081
    bind: tuple[str, ...] = ("0.0.0.0", "::")
    coalesce_ms: int = 5
    pad: bool = True
    nack_ttl_ms: int | None = None
    history_bytes: int = 512 * 1024
    stun: bool = False
    bwe: Literal["none", "loss-rtt"] = "loss-rtt"
    max_publish_bitrate_bps: int | None = None
    max_subscription_bitrate_bps: int | None = None
    srtp: SrtpChoice = "auto"
    recv_buffer_bytes: int = 8 * 1024 * 1024
    send_buffer_bytes: int = 8 * 1024 * 1024
    gso: bool = True
    gro: bool = True


class ServerInfo(msgspec.Struct, frozen=True):
    """What the engine got: its ports, its fingerprint, what the kernel granted."""

    udp_ports: list[int]
    fingerprint: str
    recv_buffer_bytes: int = 0
    send_buffer_bytes: int = 0
    gso: bool = False
    gro: bool = False
    ipv6: bool = False


class IceCredentials(msgspec.Struct, frozen=True):
    """Our side of ICE."""

    ufrag: str
    pwd: str


class Remote(msgspec.Struct, frozen=True):
    """The peer's side of ICE and DTLS; a peer whose setup is active is the DTLS client."""

    ufrag: str
    pwd: str
    fingerprints: list[str]
    setup: Literal["active", "passive"] = "active"


class EncodingSpec(msgspec.Struct, frozen=True):
    """One RTP stream of a publication, as far as its offer names it."""

    rid: str | None
    ssrc: int | None
    rtx_ssrc: int | None


class AutoTarget(msgspec.Struct, frozen=True, tag_field="kind", tag="auto"):
    """The policy chooses the encoding."""


class RidTarget(msgspec.Struct, frozen=True, tag_field="kind", tag="encoding"):
    """This encoding, if it is there."""

    rid: str


class IndexTarget(msgspec.Struct, frozen=True, tag_field="kind", tag="index"):
    """The encoding with this rank, 0 being the lowest."""

    index: int


Target = AutoTarget | RidTarget | IndexTarget


class Command(msgspec.Struct, tag_field="type", kw_only=True):
    """What every command has; the engine wrapper fills in the id."""

    id: int = 0


class OpenRoom(Command, tag="open_room"):
    """Make a room on a worker."""

    room: int


class CloseRoom(Command, tag="close_room"):
    """End a room with all that is in it."""

    room: int


class OpenTransport(Command, tag="open_transport"):
    """Make one ICE and DTLS association; without ``remote`` it waits for ``SetRemote``."""

    room: int
    transport: int
    local: IceCredentials
    remote: Remote | None = None


class SetRemote(Command, tag="set_remote"):
    """Tell a transport its peer: the answer came."""

    transport: int
    remote: Remote


class RestartIce(Command, tag="restart_ice"):
    """Give both sides new credentials; DTLS stays."""

    transport: int
    local: IceCredentials
    remote: Remote


class CloseTransport(Command, tag="close_transport"):
    """End an association with its publications and subscriptions."""

    transport: int


class Publish(Command, tag="publish"):
    """Offer a track of a transport to its room."""

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
    dynacast: bool = False


class Unpublish(Command, tag="unpublish"):
    """Withdraw a track, which ends its subscriptions."""

    publication: int


class Subscribe(Command, tag="subscribe"):
    """Send a publication on a transport."""

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
    target: Target = AutoTarget()


class ReplaceSource(Command, tag="replace_source"):
    """Feed a subscription from another publication of the same codec, its stream going on."""

    subscription: int
    publication: int


class SetTarget(Command, tag="set_target"):
    """Choose what a subscription gets."""

    subscription: int
    target: Target


class Unsubscribe(Command, tag="unsubscribe"):
    """End a subscription."""

    subscription: int


class SetMuted(Command, tag="set_muted"):
    """Stop a publication from being forwarded, or let it go on."""

    publication: int
    muted: bool


class RoomStats(Command, tag="room_stats"):
    """Ask for the figures of a room."""

    room: int


class CommandError(msgspec.Struct, frozen=True):
    """Why a command was not carried out."""

    code: str
    message: str = ""


class Done(msgspec.Struct, tag_field="type", tag="done"):
    """A command was carried out, or not."""

    id: int
    error: CommandError | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")


class TransportState(msgspec.Struct, tag_field="type", tag="transport_state"):
    """An association came up or went down."""

    transport: int
    state: Literal["connected", "disconnected", "failed", "closed"]
    reason: str = ""
    srtp_profile: str | None = None
    local: str | None = None
    remote: str | None = None
    ice_ms: float | None = None
    dtls_ms: float | None = None


class PublicationStarted(msgspec.Struct, tag_field="type", tag="publication_started"):
    """The first packet of an encoding was bound."""

    publication: int
    rid: str | None = None
    ssrc: int = 0


class EncodingState(msgspec.Struct, tag_field="type", tag="encoding_state"):
    """An encoding fell silent or came back."""

    publication: int
    rid: str | None = None
    active: bool = True
    reason: str = ""


class EncodingsWanted(msgspec.Struct, tag_field="type", tag="encodings_wanted"):
    """A publisher should send these encodings and no others."""

    publication: int
    rids: list[str]


class SsrcUnbound(msgspec.Struct, tag_field="type", tag="ssrc_unbound"):
    """Packets of an SSRC have been dropped for a second, since it belongs to no encoding."""

    transport: int
    ssrc: int
    payload_type: int
    packets: int
    reason: str


class LayerSwitched(
    msgspec.Struct, tag_field="type", tag="layer_switch", rename={"before": "from", "after": "to"}
):
    """A subscription changed its encoding, or (without ``wait_ms``) could not, as it was asked."""

    subscription: int
    before: str | None = None
    after: str | None = None
    reason: str = ""
    wait_ms: float | None = None


class RoomClosed(msgspec.Struct, tag_field="type", tag="room_closed"):
    """The engine dropped a room that broke."""

    room: int
    reason: str = ""


class WorkerEnded(msgspec.Struct, tag_field="type", tag="worker_ended"):
    """The thread of a worker ended though it was not told to; its rooms are gone."""

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
    | RoomClosed
    | WorkerEnded
)


class RoomFigures(msgspec.Struct):
    """Result of ``room_stats``: tables of plain objects, each with the id it is about."""

    transports: list[dict[str, Any]] = []
    publications: list[dict[str, Any]] = []
    subscriptions: list[dict[str, Any]] = []
