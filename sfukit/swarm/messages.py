"""Commands to the swarm (``sfukit._native.Swarm``) and its events.

Both directions are JSON; ``crates/swarm/src/message.rs`` mirrors this. The control plane allocates
identifiers, which count upwards and are never reused. Instants are nanoseconds of the swarm's clock
(``Swarm.now_ns()``).
"""

from typing import Literal

import msgspec

from sfukit.swarm.impairment import Impairment, Path

DtlsRole = Literal["client", "server"]
Pacing = Literal["libwebrtc", "smooth", "whole"]
PliPolicy = Literal["answer", "ignore"]
Srtp = Literal["auto", "gcm128", "cm80"]
RelayProtocol = Literal["udp", "tcp", "tls"]
FrameTiming = Literal["any", "frame_id", "capture_time", "none"]
State = Literal["connected", "disconnected", "failed"]


class SwarmConfig(msgspec.Struct, kw_only=True):
    """Settings of a swarm, fixed for its lifetime.

    ``sample_decrypt`` is the share of bots that decrypt every packet; the other bots read RTP
    headers alone and measure neither keyframes nor delays.
    """

    seed: int = 0
    workers: int = 1
    srtp: Srtp = "auto"
    recv_buffer_bytes: int = 1024 * 1024
    send_buffer_bytes: int = 1024 * 1024
    gro: bool = True
    gso: bool = True
    sample_decrypt: float = 1.0


class SwarmInfo(msgspec.Struct, kw_only=True):
    """The running swarm. All bots share one certificate, whose fingerprint this is."""

    fingerprint: str
    workers: int


class LocalParameters(msgspec.Struct):
    """ICE credentials of the bot's session description (RFC 8445 section 5.3)."""

    ufrag: str
    pwd: str


class Candidate(msgspec.Struct):
    """A remote UDP candidate."""

    ip: str
    port: int


class RemoteParameters(msgspec.Struct):
    """Transport parameters of the server's session description."""

    ufrag: str
    pwd: str
    fingerprints: list[str]
    candidates: list[Candidate]


class EncodingParameters(msgspec.Struct, kw_only=True):
    """One simulcast encoding to send. ``encoding_index`` (0 to 7) is part of the frame ids."""

    ssrc: int
    clip: int
    rid: str | None = None
    rtx_ssrc: int | None = None
    encoding_index: int = 0


class Network(Path, frozen=True, kw_only=True):
    """One direction of a bot's network; ``bottleneck`` is that which it shares with others.

    With ``trace`` the link keeps what passed it over time.
    """

    bottleneck: int | None = None
    trace: bool = False

    @classmethod
    def of(
        cls, impairment: Impairment | None, bottleneck: int | None = None, *, trace: bool = False
    ) -> "Network | None":
        """Return an impairment as the swarm reads it."""
        if impairment is None:
            return None
        fields = {name: getattr(impairment, name) for name in Path.__struct_fields__}
        return cls(**fields, bottleneck=bottleneck, trace=trace)


class Command(msgspec.Struct, tag_field="type", kw_only=True):
    """A command; its ``Done`` repeats the ``id``."""

    id: int = 0


class LoadClip(Command, tag="load_clip"):
    """Read an IVF file and packetize it, for all bots of the worker."""

    clip: int
    path: str


class AddBot(Command, tag="add_bot"):
    """Add a bot; its join times are measured from ``scheduled_ns``."""

    bot: int
    name: str
    scheduled_ns: int


class Relay(msgspec.Struct, kw_only=True):
    """A TURN server and an account (RFC 8656).

    ``ca_file`` has the certificates to trust by TLS; None accepts every one. The server may name
    another one at these addresses (``alternates``), at its own, on this machine, or any.
    """

    ip: str
    port: int
    protocol: RelayProtocol
    username: str
    password: str
    server_name: str = ""
    ca_file: str | None = None
    alternates: list[str] = []
    any_alternate: bool = False

    def __repr__(self) -> str:
        return f"Relay({self.protocol} {self.ip} {self.port})"


class OpenTransport(Command, tag="open_transport"):
    """Open a socket and start ICE (controlling) and DTLS.

    ``net_up`` and ``net_down``, where given, apply to all transports of the bot.
    """

    bot: int
    transport: int
    local: LocalParameters
    remote: RemoteParameters
    dtls_role: DtlsRole
    cname: str
    bind_ip: str | None = None
    relay: Relay | None = None
    net_up: Network | None = None
    net_down: Network | None = None


class AddCandidate(Command, tag="add_candidate"):
    """Check a remote candidate that was trickled (RFC 8838); other address families are ignored."""

    transport: int
    candidate: Candidate


class ChangeAddress(Command, tag="change_address"):
    """Replace the socket of a transport: another local address, the same ICE credentials.

    Its end is an ``AddressChanged``.
    """

    transport: int


class CloseTransport(Command, tag="close_transport"):
    """Close a transport and its socket; the figures keep its measurements."""

    transport: int


class SetNetwork(Command, tag="set_network"):
    """Change the network impairment of a bot; None removes it."""

    bot: int
    net_up: Network | None
    net_down: Network | None


class Transfers(msgspec.Struct, kw_only=True):
    """Transfers of uniform sizes, after exponential idle times."""

    min_bytes: int
    max_bytes: int
    mean_idle_ms: float


class AddFlow(Command, tag="add_flow"):
    """Add a TCP-like flow, which exists in its emulated path alone.

    Its window is that of Reno. Without ``transfers`` it is one endless transfer.
    """

    flow: int
    network: Network
    back_delay_ms: float
    transfers: Transfers | None
    start_ns: int
    end_ns: int


class Publish(Command, tag="publish"):
    """Publish a track: frames are captured from ``start_ns`` on, sent once ICE and DTLS are up.

    Without ``frame_ids`` video frames are those of the clip; ``log_captures`` keeps the capture
    times for ``TakeCaptures``; ``audio_level`` is an octet of RFC 6464, None: silence.
    """

    transport: int
    stream: int
    mid: str
    payload_type: int
    encodings: list[EncodingParameters]
    source_id: int
    start_ns: int
    rtx_payload_type: int | None = None
    extensions: dict[str, int] = {}
    paced: Pacing = "libwebrtc"
    pli: PliPolicy = "answer"
    frame_ids: bool = True
    log_captures: bool = False
    audio_level: int | None = None


class SetActiveEncodings(Command, tag="set_active_encodings"):
    """Activate the encodings of a track with these rids; deactivate its others."""

    stream: int
    rids: list[str]


class Unpublish(Command, tag="unpublish"):
    """Stop publishing a track."""

    stream: int


class SetAudioLevel(Command, tag="set_audio_level"):
    """Set the octet of the audio level (RFC 6464) of a published track."""

    stream: int
    octet: int


class Wanted(msgspec.Struct):
    """The encoding of a track that a receiver wants, and the bitrates of all, by their index."""

    encoding_index: int
    bitrates_bps: list[int]


class Receive(Command, tag="receive"):
    """Receive a track. Without ``ssrc`` its packets are bound by MID, then by payload type.

    ``wanted`` is what the quality score expects of video; ``sample`` keeps its frames, with
    ``barcode`` also those without frame id. Frame delays are measured by ``timing``.
    ``untimed``: the publisher has another clock than this swarm, so frame delays are unknown.
    """

    transport: int
    stream: int
    codec: str
    mid: str
    payload_type: int
    rtx_payload_type: int | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    extensions: dict[str, int] = {}
    source: str = ""
    feedback: list[str] = []
    untimed: bool = False
    wanted: Wanted | None = None
    sample: bool = False
    barcode: bool = False
    timing: FrameTiming = "any"


class SetWanted(Command, tag="set_wanted"):
    """Set the wanted encoding of a received track, where the layout changed."""

    stream: int
    encoding_index: int


class TakeFrames(Command, tag="take_frames"):
    """Take the frames of a sampled stream (``TakenFrames``)."""

    stream: int


class SampledFrame(msgspec.Struct):
    """One decodable frame, as the encoder wrote it; ``after_drop``: the swarm dropped some before.

    ``tick`` is its capture time in units of 100 us, which wraps. Number, encoding and tick are 0
    unless it is ``identified``. ``completed_ns`` is the arrival of its last packet.
    """

    number: int
    encoding: int
    tick: int
    identified: bool
    completed_ns: int
    keyframe: bool
    after_drop: bool
    payload: bytes


class TakenFrames(msgspec.Struct):
    """The frames since the last time, and counts since the start of the window.

    ``dropped`` frames did not fit into memory, ``unidentified`` have no frame id.
    """

    frames: list[SampledFrame]
    dropped: int
    unidentified: int


class TakeCaptures(Command, tag="take_captures"):
    """Take the captures of a published track that logs them (a list of ``Capture``)."""

    stream: int


class Capture(msgspec.Struct, frozen=True):
    """The capture of the frame at a position of the clip, in units of 100 us, which wrap."""

    encoding: int
    position: int
    tick: int


class StopReceiving(Command, tag="stop_receiving"):
    """Stop receiving a track; the figures keep its measurements."""

    stream: int


class FrameClock(Command, tag="frame_clock"):
    """Set the clock of received frames: that of the publishing swarm minus that of this swarm."""

    offset_ns: int


class Window(Command, tag="window"):
    """Set the measurement window: figures cover ``start_ns`` to before ``end_ns``."""

    start_ns: int
    end_ns: int


class Snapshot(Command, tag="snapshot"):
    """Report the figures (a ``Figures``).

    With ``bots`` also those of every bot and stream, with ``links`` of every impaired link, and
    with ``traces`` the series of the traced ones.
    """

    bots: bool = False
    links: bool = False
    traces: bool = False


class CommandError(msgspec.Struct):
    """Why a command was refused."""

    code: Literal["not_found", "duplicate", "codec_unsupported", "ssrc_reused", "invalid", "system"]
    message: str


class Done(msgspec.Struct, tag_field="type", tag="done", kw_only=True):
    """The response to a command: an error, or the ``result``, not decoded yet."""

    id: int
    error: CommandError | None
    result: msgspec.Raw = msgspec.Raw(b"null")


class TransportState(msgspec.Struct, tag_field="type", tag="transport_state", kw_only=True):
    """The state of a transport changed. ``ice_ms`` and ``dtls_ms`` are set once connected."""

    transport: int
    state: State
    reason: str
    srtp_profile: str | None
    ice_ms: float | None
    dtls_ms: float | None
    at_ns: int


class Allocated(msgspec.Struct, tag_field="type", tag="allocated", kw_only=True):
    """A TURN server allocated a relayed address for a transport.

    ``allocate_ms`` is from the first request, the connection to the server included.
    """

    transport: int
    ip: str
    port: int
    allocate_ms: float
    at_ns: int


class AddressChanged(msgspec.Struct, tag_field="type", tag="address_changed", kw_only=True):
    """A transport continues on another local address, or failed to (``failure``).

    ``gap_ms`` is from the last media packet before the change to the first one after it, by
    arrival; None without media. ``ice_ms`` is from the change to the response to a check.
    """

    transport: int
    gap_ms: float | None
    ice_ms: float | None
    failure: str | None
    at_ns: int


class FirstFrame(msgspec.Struct, tag_field="type", tag="first_frame", kw_only=True):
    """The first complete keyframe of a stream (audio: the first packet) was received."""

    stream: int
    encoding_index: int | None = None
    at_ns: int


class EncodingChanged(msgspec.Struct, tag_field="type", tag="encoding_changed", kw_only=True):
    """A complete keyframe of another simulcast encoding was received."""

    stream: int
    encoding_index: int
    at_ns: int


Event = Done | TransportState | Allocated | AddressChanged | FirstFrame | EncodingChanged
