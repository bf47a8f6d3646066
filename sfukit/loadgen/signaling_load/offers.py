"""SDP of a client without media: an offer as a browser writes it, and light answers.

The m-lines, payload types and header extensions of the offer are those of libwebrtc: an offer
costs the server what the offer of a browser costs. Answers are made by copying lines, since
parsing would cost the load generator as much as the server.
"""

import base64
import os
import random
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

_EXTENSIONS = (
    (1, "audio video", "urn:ietf:params:rtp-hdrext:toffset"),
    (2, "audio video", "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"),
    (
        3,
        "audio video",
        "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    ),
    (4, "audio video", "urn:ietf:params:rtp-hdrext:sdes:mid"),
    (5, "video", "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay"),
    (6, "video", "http://www.webrtc.org/experiments/rtp-hdrext/video-content-type"),
    (7, "video", "http://www.webrtc.org/experiments/rtp-hdrext/video-timing"),
    (8, "video", "http://www.webrtc.org/experiments/rtp-hdrext/color-space"),
    (10, "video", "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"),
    (11, "video", "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"),
    (13, "video", "urn:3gpp:video-orientation"),
    (14, "audio", "urn:ietf:params:rtp-hdrext:ssrc-audio-level"),
)
_AUDIO = (
    (111, "opus/48000/2", "minptime=10;useinbandfec=1", ("transport-cc",)),
    (63, "red/48000/2", "111/111", ()),
    (9, "G722/8000", "", ()),
    (0, "PCMU/8000", "", ()),
    (8, "PCMA/8000", "", ()),
    (13, "CN/8000", "", ()),
    (110, "telephone-event/48000", "", ()),
    (126, "telephone-event/8000", "", ()),
)
_H264 = "level-asymmetry-allowed=1;packetization-mode={};profile-level-id={}"
_VIDEO = (
    (96, "VP8", ""),
    (98, "VP9", "profile-id=0"),
    (100, "VP9", "profile-id=2"),
    (102, "H264", _H264.format(1, "42001f")),
    (104, "H264", _H264.format(0, "42001f")),
    (106, "H264", _H264.format(1, "42e01f")),
    (108, "H264", _H264.format(0, "42e01f")),
    (127, "H264", _H264.format(1, "4d001f")),
    (39, "H264", _H264.format(0, "4d001f")),
    (45, "AV1", "level-idx=5;profile=0;tier=0"),
)
_VIDEO_FEEDBACK = ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
_RIDS = ("q", "h", "f")
_COPIED = ("a=mid:", "a=rtpmap:", "a=fmtp:", "a=extmap:")


class Identity(NamedTuple):
    """The ICE credentials and the certificate fingerprint of one peer connection."""

    ufrag: str
    pwd: str
    fingerprint: str

    @property
    def lines(self) -> str:
        """The attributes of an m-line that belong to the transport."""
        return (
            f"a=ice-ufrag:{self.ufrag}\r\na=ice-pwd:{self.pwd}\r\na=ice-options:trickle\r\n"
            f"a=fingerprint:sha-256 {self.fingerprint}\r\n"
        )


def new_identity() -> Identity:
    """Generate the identity of one peer connection."""
    fingerprint = ":".join(f"{byte:02X}" for byte in os.urandom(32))
    return Identity(_random_text(6), _random_text(18), fingerprint)


def offer(identity: Identity, version: int, *, audio: bool = True) -> str:
    """Write an offer that sends simulcast video, and audio unless it is inactive."""
    transport = identity.lines + "a=setup:actpass\r\n"
    head, rest, tail = _template()
    direction = "sendonly" if audio else "inactive"
    text = f"{head}{transport}a={direction}\r\n{rest}{transport}a=sendonly\r\n{tail}"
    return text.replace("VERSION", str(version), 1)


def answer(offered: str, identity: Identity) -> str:
    """Write an answer that receives every m-line that an offer sends."""
    transport = identity.lines + "a=setup:active\r\n"
    session, *sections = offered.replace("\r\n", "\n").split("\nm=")
    lines = session.split("\n")
    group = next((line for line in lines if line.startswith("a=group:BUNDLE")), "")
    head = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n{group}\r\n"
    return head + "".join(
        "\r\n".join(_answered(section.split("\n"), transport)) + "\r\n" for section in sections
    )


def _answered(lines: list[str], transport: str) -> Iterator[str]:
    sends = "a=sendonly" in lines or "a=sendrecv" in lines
    yield "m=" + lines[0]
    yield "c=IN IP4 0.0.0.0"
    yield transport.rstrip()
    yield "a=recvonly" if sends else "a=inactive"
    yield "a=rtcp-mux"
    for line in lines:
        if line.startswith(_COPIED):
            yield line


@lru_cache(maxsize=1)
def _template() -> tuple[str, str, str]:
    """Return the offer in three parts, between which the transport attributes belong."""
    head = (
        "v=0\r\no=- 4611731400430051336 VERSION IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
        "a=group:BUNDLE 0 1\r\na=extmap-allow-mixed\r\na=msid-semantic: WMS stream\r\n"
    )
    audio_head = _media_line("audio", [str(codec[0]) for codec in _AUDIO]) + "a=mid:0\r\n"
    ssrc = random.randrange(1, 1 << 32)
    audio = (
        f"a=msid:stream audio\r\na=rtcp-mux\r\na=rtcp-rsize\r\n{_extension_lines('audio')}"
        + "".join(_codec_lines(*codec) for codec in _AUDIO)
        + f"a=ssrc:{ssrc} cname:client\r\na=ssrc:{ssrc} msid:stream audio\r\n"
    )
    numbers = [str(number) for payload_type, _, _ in _VIDEO for number in _with_rtx(payload_type)]
    video_head = _media_line("video", numbers) + "a=mid:1\r\n"
    video = (
        f"a=msid:stream video\r\na=rtcp-mux\r\na=rtcp-rsize\r\n{_extension_lines('video')}"
        + "".join(_video_lines(*codec) for codec in _VIDEO)
        + "".join(f"a=rid:{rid} send\r\n" for rid in _RIDS)
        + f"a=simulcast:send {';'.join(_RIDS)}\r\n"
    )
    return head + audio_head, audio + video_head, video


def _media_line(kind: str, formats: list[str]) -> str:
    return (
        f"m={kind} 9 UDP/TLS/RTP/SAVPF {' '.join(formats)}\r\n"
        "c=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n"
    )


def _with_rtx(payload_type: int) -> tuple[int, int]:
    """Return a payload type and that of its retransmissions."""
    return payload_type, {127: 125, 39: 40, 45: 46}.get(payload_type, payload_type + 1)


def _video_lines(payload_type: int, name: str, fmtp: str) -> str:
    rtx = _with_rtx(payload_type)[1]
    lines = _codec_lines(payload_type, f"{name}/90000", fmtp, _VIDEO_FEEDBACK)
    return f"{lines}a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={payload_type}\r\n"


def _codec_lines(payload_type: int, encoding: str, fmtp: str, feedback: tuple[str, ...]) -> str:
    lines = f"a=rtpmap:{payload_type} {encoding}\r\n"
    lines += "".join(f"a=rtcp-fb:{payload_type} {entry}\r\n" for entry in feedback)
    return lines + (f"a=fmtp:{payload_type} {fmtp}\r\n" if fmtp else "")


def _extension_lines(kind: str) -> str:
    return "".join(f"a=extmap:{number} {uri}\r\n" for number, of, uri in _EXTENSIONS if kind in of)


def _random_text(size_bytes: int) -> str:
    return base64.b64encode(os.urandom(size_bytes)).decode()
