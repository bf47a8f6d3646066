"""The m-line of one sent track: codec, RTX, extensions, SSRCs and CNAME."""

from functools import lru_cache
from typing import Protocol

import msgspec

from sfukit.signaling import congestion
from sfukit.signaling.codecs import sent_parameters
from sfukit.signaling.redundancy import red_lines
from sfukit.signaling.sdp import Codec, Section

_SENT_FEEDBACK = {"audio": ("nack",), "video": ("nack", "nack pli", "ccm fir")}
_MAX_KEPT = 128  # texts by codec: the clients of one kind have the same ones


class PayloadTypes(msgspec.Struct, frozen=True):
    """The payload types of one bitstream on a transport."""

    payload_type: int
    rtx_payload_type: int | None
    red_payload_type: int | None = None

    @property
    def formats(self) -> str:
        """The formats of the m-line, the one that is sent first."""
        numbers = (self.red_payload_type, self.payload_type, self.rtx_payload_type)
        return " ".join([str(number) for number in numbers if number is not None])


class SentTrack(Protocol):
    """The attributes of a sent track."""

    @property
    def kind(self) -> str: ...
    @property
    def codec_name(self) -> str: ...
    @property
    def codec(self) -> Codec: ...
    @property
    def extensions(self) -> dict[str, int]: ...
    @property
    def stream_id(self) -> str: ...
    @property
    def track_id(self) -> str: ...
    @property
    def cname(self) -> str: ...
    @property
    def ssrc(self) -> int: ...
    @property
    def rtx_ssrc(self) -> int | None: ...


@lru_cache(maxsize=_MAX_KEPT)
def sent_fmtp(codec_name: str, codec: Codec) -> str:
    """Write the format parameters of a sent bitstream."""
    return ";".join(f"{key}={value}" for key, value in sent_parameters(codec_name, codec).items())


def send_lines(track: SentTrack, numbers: PayloadTypes, transport: str, protocol: str) -> str:
    """Write a sendonly m-line, always with SSRC, FID and msid (RFC 5576, RFC 8830)."""
    extensions = "".join(
        [f"a=extmap:{number} {uri}\r\n" for uri, number in track.extensions.items()]
    )
    return (
        f"m={track.kind} 9 {protocol} {numbers.formats}\r\nc=IN IP4 0.0.0.0\r\n{transport}"
        "a=sendonly\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
        f"a=msid:{track.stream_id} {track.track_id}\r\n{extensions}"
        f"{codec_lines(track, numbers)}{_ssrc_lines(track, numbers.rtx_payload_type)}"
    )


def idle_lines(kind: str, port: int, numbers: PayloadTypes, codec: str, transport: str) -> str:
    """Write an m-line that is inactive (port 9), or rejected (port 0)."""
    return (
        f"m={kind} {port} UDP/TLS/RTP/SAVPF {numbers.formats}\r\nc=IN IP4 0.0.0.0\r\n{transport}"
        f"a=inactive\r\na=rtcp-mux\r\na=rtcp-rsize\r\n{codec}"
    )


def rejected_lines(media: Section) -> str:
    """Write a rejected m-line (RFC 3264 section 6)."""
    mid = f"a=mid:{media.mid}\r\n" if media.mid else ""
    head = f"m={media.kind} 0 {media.protocol} {media.formats[0]}\r\nc=IN IP4 0.0.0.0\r\n"
    return f"{head}a=inactive\r\n{mid}"


def codec_lines(track: SentTrack, numbers: PayloadTypes) -> str:
    """Write rtpmap, rtcp-fb and fmtp of what is sent and of its RTX (RFC 4588 section 8)."""
    feedback = (*_SENT_FEEDBACK[track.kind], *congestion.offered(track.kind, track.extensions))
    return _codec_lines(track.codec_name, track.codec, feedback, numbers)


@lru_cache(maxsize=_MAX_KEPT)
def _codec_lines(
    codec_name: str, codec: Codec, feedback: tuple[str, ...], numbers: PayloadTypes
) -> str:
    number = numbers.payload_type
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    values = "".join([f"a=rtcp-fb:{number} {entry}\r\n" for entry in feedback])
    fmtp = sent_fmtp(codec_name, codec)
    lines = f"a=rtpmap:{number} {codec_name}/{codec.clock_rate}{channels}\r\n{values}"
    if fmtp:
        lines += f"a=fmtp:{number} {fmtp}\r\n"
    if numbers.red_payload_type is not None:
        lines += red_lines(numbers.red_payload_type, number)
    if (rtx := numbers.rtx_payload_type) is not None:
        lines += f"a=rtpmap:{rtx} rtx/{codec.clock_rate}\r\na=fmtp:{rtx} apt={number}\r\n"
    return lines


def _ssrc_lines(track: SentTrack, rtx_payload_type: int | None) -> str:
    name = f"cname:{track.cname}\r\n"
    if rtx_payload_type is None or track.rtx_ssrc is None:
        return f"a=ssrc:{track.ssrc} {name}"
    return (
        f"a=ssrc-group:FID {track.ssrc} {track.rtx_ssrc}\r\n"
        f"a=ssrc:{track.ssrc} {name}a=ssrc:{track.rtx_ssrc} {name}"
    )
