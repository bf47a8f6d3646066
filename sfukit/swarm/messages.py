"""What the load generator and the swarm (``sfukit._native.Swarm``) say to each other.

Both directions are JSON; ``crates/swarm/src/message.rs`` mirrors this. Identifiers are chosen here,
count upwards and are never reused. Instants are nanoseconds of the swarm's clock
(``Swarm.now_ns()``).
"""

from typing import Literal

import msgspec

from sfukit.swarm.impairment import Impairment

DtlsRole = Literal["client", "server"]
Pacing = Literal["libwebrtc", "smooth", "whole"]
PliPolicy = Literal["answer", "ignore"]
Srtp = Literal["auto", "gcm128", "cm80"]
State = Literal["connected", "disconnected", "failed"]


class SwarmConfig(msgspec.Struct, kw_only=True):
    """How a swarm runs; fixed for its life.

    ``sample_decrypt`` is the share of bots that open and check every packet; the others count by
    RTP headers alone and know neither key frames nor delays.
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
    """What a swarm turned out to be. All bots share one certificate."""

    fingerprint: str
    workers: int


class LocalParameters(msgspec.Struct):
    """ICE credentials of our own description (RFC 8445 section 5.3)."""

    ufrag: str
    pwd: str


class Candidate(msgspec.Struct):
    """An address to try, over UDP."""

    ip: str
    port: int


class RemoteParameters(msgspec.Struct):
    """What the server's description says of its transport."""

    ufrag: str
    pwd: str
    fingerprints: list[str]
    candidates: list[Candidate]


class EncodingParameters(msgspec.Struct, kw_only=True):
    """One simulcast encoding to send. ``encoding_index`` (0 to 7) stands in the frame ids."""

    ssrc: int
    clip: int
    rid: str | None = None
    rtx_ssrc: int | None = None
    encoding_index: int = 0


class Command(msgspec.Struct, tag_field="type", kw_only=True):
    """A request; ``id`` comes back in its ``Done``."""

    id: int = 0


class LoadClip(Command, tag="load_clip"):
    """Read an IVF file and cut it into packets, for all bots of the worker."""

    clip: int
    path: str


class AddBot(Command, tag="add_bot"):
    """Make a bot; its join times count from ``scheduled_ns``."""

    bot: int
    name: str
    scheduled_ns: int


class OpenTransport(Command, tag="open_transport"):
    """Open a socket and start ICE (controlling) and DTLS.

    A network, where one is given, holds for all transports of the bot.
    """

    bot: int
    transport: int
    local: LocalParameters
    remote: RemoteParameters
    dtls_role: DtlsRole
    cname: str
    bind_ip: str | None = None
    net_up: Impairment | None = None
    net_down: Impairment | None = None


class CloseTransport(Command, tag="close_transport"):
    """Close a transport and its socket; what it measured stays."""

    transport: int


class SetNetwork(Command, tag="set_network"):
    """Change a bot's network from now on; none is perfect."""

    bot: int
    net_up: Impairment | None
    net_down: Impairment | None


class Publish(Command, tag="publish"):
    """Send a track; it begins at ``start_ns`` and goes on once the transport is connected."""

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


class SendOnly(Command, tag="send_only"):
    """Send these encodings of a track, named by rid, and let its others rest."""

    stream: int
    rids: list[str]


class Unpublish(Command, tag="unpublish"):
    """Stop sending a track."""

    stream: int


class Receive(Command, tag="receive"):
    """Expect a track. Without ``ssrc`` its packets are found by MID, then by payload type."""

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


class Unreceive(Command, tag="unreceive"):
    """Expect a track no more; what it measured stays."""

    stream: int


class Window(Command, tag="window"):
    """Count what happens from ``start_ns`` to before ``end_ns`` apart from the rest."""

    start_ns: int
    end_ns: int


class Snapshot(Command, tag="snapshot"):
    """Report all figures (a ``Figures``); with ``bots`` those of every bot and stream as well."""

    bots: bool = False


class CommandError(msgspec.Struct):
    """Why a command was refused."""

    code: Literal["not_found", "duplicate", "codec_unsupported", "ssrc_reused", "invalid", "system"]
    message: str


class Done(msgspec.Struct, tag_field="type", tag="done", kw_only=True):
    """A command was carried out or refused; ``result`` is what was asked for, still as JSON."""

    id: int
    error: CommandError | None
    result: msgspec.Raw = msgspec.Raw(b"null")


class TransportState(msgspec.Struct, tag_field="type", tag="transport_state", kw_only=True):
    """A transport reached another state. The times are given once it is connected."""

    transport: int
    state: State
    reason: str
    srtp_profile: str | None
    ice_ms: float | None
    dtls_ms: float | None
    at_ns: int


class FirstFrame(msgspec.Struct, tag_field="type", tag="first_frame", kw_only=True):
    """A stream's first complete key frame (audio: packet) arrived."""

    stream: int
    at_ns: int


class EncodingChanged(msgspec.Struct, tag_field="type", tag="encoding_changed", kw_only=True):
    """A complete key frame of another simulcast encoding arrived."""

    stream: int
    encoding_index: int
    at_ns: int


Event = Done | TransportState | FirstFrame | EncodingChanged
