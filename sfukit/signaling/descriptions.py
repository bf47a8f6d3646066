"""The client's side of SDP: publish and play offers, remote descriptions, play answers."""

import base64
import os
from collections.abc import Callable, Iterable, Sequence

import msgspec

from sfukit.signaling import candidates, extensions, format_parameters, sdp
from sfukit.signaling.codecs import FEEDBACK, negotiate
from sfukit.signaling.sdp import Codec, SdpError, Section
from sfukit.signaling.transport import Credentials

_EXTENSIONS = {
    "audio": (extensions.AUDIO_LEVEL, extensions.TRANSPORT_WIDE_CC, extensions.MID),
    "video": (
        extensions.TRANSPORT_WIDE_CC,
        extensions.MID,
        extensions.RID,
        extensions.REPAIRED_RID,
    ),
}
_CAPTURE_TIME = (extensions.ABS_CAPTURE_TIME,)
_DESCRIPTOR = (extensions.DEPENDENCY_DESCRIPTOR,)
_IDS = {**extensions.OFFERED_IDS, extensions.RID: 10, extensions.REPAIRED_RID: 11}

_OPUS = Codec(
    111, "opus", 48_000, 2, "minptime=10;useinbandfec=1;usedtx=1", {}, ("nack", "transport-cc")
)
_H264_FMTP = "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f"


def _video(payload_type: int, name: str, fmtp: str = "") -> Codec:
    parameters = format_parameters.read(fmtp)
    return Codec(payload_type, name, 90_000, 1, fmtp, parameters, FEEDBACK["video"][:4])


_VIDEO = {
    "vp8": _video(96, "VP8"),
    "h264": _video(102, "H264", _H264_FMTP),
    "vp9": _video(98, "VP9", "profile-id=0"),
    "av1": _video(45, "AV1", "level-idx=5;profile=0;tier=0"),
}


class MediaLine(msgspec.Struct, frozen=True):
    """One negotiated m-line, from the bot's side; SSRCs are None without a=ssrc."""

    mid: str
    kind: str
    codec: str
    clock_rate: int
    payload_type: int
    rtx_payload_type: int | None
    extensions: dict[str, int]
    feedback: tuple[str, ...]
    ssrc: int | None = None
    rtx_ssrc: int | None = None


class RemoteTransport(msgspec.Struct, frozen=True):
    """The SFU's side of a transport: ICE credentials, fingerprints, candidates, DTLS role."""

    ufrag: str
    pwd: str
    fingerprints: list[str]
    candidates: list[tuple[str, int]]
    bot_is_dtls_client: bool

    def with_candidates(self, addresses: list[tuple[str, int]]) -> "RemoteTransport":
        """Return the transport with other candidates."""
        return msgspec.structs.replace(self, candidates=addresses)


class RemoteDescription(msgspec.Struct, frozen=True):
    """A description of the SFU: its transport, and the m-lines in use."""

    peer: RemoteTransport
    lines: list[MediaLine]
    sections: list[Section]


class Encoding(msgspec.Struct, frozen=True):
    """One encoding that a bot sends; it has a rid only with simulcast."""

    rid: str | None
    ssrc: int
    rtx_ssrc: int


class OfferParameters(msgspec.Struct, frozen=True):
    """The parameters of a bot's publish offer."""

    credentials: Credentials
    fingerprint: str
    audio_ssrc: int | None
    video: str | None
    encodings: list[Encoding]
    capture_time: bool = False


def new_credentials() -> Credentials:
    """Generate ICE credentials (RFC 8445 section 5.3)."""
    return Credentials(_random_text(6), _random_text(18))


def publish_offer(offered: OfferParameters) -> str:
    """Write the offer of a bot that sends audio, video or both on one transport."""
    transport = transport_lines(offered.credentials, offered.fingerprint, "actpass")
    sections: list[str] = []
    if offered.audio_ssrc is not None:
        ssrc = f"a=ssrc:{offered.audio_ssrc} cname:bot\r\n"
        extmap = _extension_lines(_offered("audio"))
        sections.append(_send_section("audio", len(sections), _OPUS, transport) + extmap + ssrc)
    if offered.video is not None:
        codec = _VIDEO[offered.video]
        head = _send_section("video", len(sections), codec, transport)
        more = _CAPTURE_TIME if offered.capture_time else ()
        av1 = _DESCRIPTOR if offered.video == "av1" else ()
        extmap = _extension_lines(_offered("video", (*more, *av1)))
        sections.append(head + extmap + _encoding_lines(offered.encodings))
    mids = " ".join(str(number) for number in range(len(sections)))
    return _session_lines(mids) + "".join(sections)


def play_offer(
    credentials: Credentials,
    fingerprint: str,
    *,
    audio: bool,
    video: bool,
    capture_time: bool = True,
) -> str:
    """Write the offer of a bot that only receives (WHEP): every codec of the clips."""
    transport = transport_lines(credentials, fingerprint, "actpass")
    sections: list[str] = []
    if audio:
        received = _receive_section("audio", len(sections), [_OPUS], transport)
        sections.append(received + _extension_lines(_offered("audio")))
    if video:
        codecs, more = list(_VIDEO.values()), _CAPTURE_TIME if capture_time else ()
        received = _receive_section("video", len(sections), codecs, transport)
        sections.append(received + _extension_lines(_offered("video", more)))
    mids = " ".join(str(number) for number in range(len(sections)))
    return _session_lines(mids) + "".join(sections)


def read_answer(text: str) -> RemoteDescription:
    """Parse the SFU's answer; raise ``SdpError``."""
    session = sdp.parse(text)
    return RemoteDescription(_peer(session.media), _lines(session.media), session.media)


def read_offer(text: str, videos: Callable[[str], str | None] | None = None) -> RemoteDescription:
    """Parse an offer of the SFU; m-lines that do not send are omitted; raise ``SdpError``.

    ``videos`` returns the codec that the publisher of an m-line sends, by its mid: some servers
    offer others before it.
    """
    session = sdp.parse(text)
    sending = [media for media in session.media if media.direction in ("sendonly", "sendrecv")]
    return RemoteDescription(_peer(session.media), _lines(sending, videos), session.media)


def udp_address(candidate: str) -> tuple[str, int] | None:
    """Return the address of a trickled candidate (RFC 8838); None unless it is UDP with one."""
    parsed = _udp_candidate(candidate.strip())
    return None if parsed is None else (parsed.host, parsed.port)


def play_answer(offer: RemoteDescription, credentials: Credentials, fingerprint: str) -> str:
    """Write the answer to an offer of the SFU that receives every sent m-line."""
    transport = transport_lines(credentials, fingerprint, "active")
    taken = {line.mid: line for line in offer.lines}
    mids = " ".join(section.mid for section in offer.sections if not section.rejected)
    body = "".join(
        _answer_section(section, taken.get(section.mid), transport) for section in offer.sections
    )
    return _session_lines(mids) + body


def transport_lines(credentials: Credentials, fingerprint: str, setup: str) -> str:
    """Write the attributes of an m-line that belong to the transport (RFC 8839, RFC 8122)."""
    return (
        f"a=ice-ufrag:{credentials.ufrag}\r\na=ice-pwd:{credentials.pwd}\r\n"
        f"a=fingerprint:{fingerprint}\r\na=setup:{setup}\r\n"
    )


def _session_lines(mids: str) -> str:
    return (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
        f"a=group:BUNDLE {mids}\r\na=extmap-allow-mixed\r\na=msid-semantic:WMS *\r\n"
    )


def _section(kind: str, port: int, mid: str, codecs: Sequence[Codec], transport: str) -> str:
    numbers, maps = [], []
    for codec in codecs:
        numbers.append(codec.payload_type)
        maps.append(_codec_lines(codec))
        if kind == "video":
            rtx = _rtx_of(codec)
            numbers.append(rtx)
            maps.append(f"a=rtpmap:{rtx} rtx/90000\r\na=fmtp:{rtx} apt={codec.payload_type}\r\n")
    return (
        f"m={kind} {port} UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}\r\n"
        f"c=IN IP4 0.0.0.0\r\na=mid:{mid}\r\n{transport}a=rtcp-mux\r\na=rtcp-rsize\r\n"
        + "".join(maps)
    )


def _send_section(kind: str, mid: int, codec: Codec, transport: str) -> str:
    lines = _section(kind, 9, str(mid), [codec], transport)
    return f"{lines}a=sendonly\r\na=msid:bot {kind}\r\n"


def _receive_section(kind: str, mid: int, codecs: Sequence[Codec], transport: str) -> str:
    lines = _section(kind, 9, str(mid), codecs, transport)
    return f"{lines}a=recvonly\r\n"


def _offered(kind: str, more: Iterable[str] = ()) -> dict[str, int]:
    return {uri: _IDS[uri] for uri in (*_EXTENSIONS[kind], *more)}


def _encoding_lines(encodings: Sequence[Encoding]) -> str:
    """Write a=rid and a=simulcast for several encodings (RFC 8853), else a=ssrc (RFC 5576)."""
    if len(encodings) == 1:
        only = encodings[0]
        return (
            f"a=ssrc-group:FID {only.ssrc} {only.rtx_ssrc}\r\n"
            f"a=ssrc:{only.ssrc} cname:bot\r\na=ssrc:{only.rtx_ssrc} cname:bot\r\n"
        )
    rids = [encoding.rid or "" for encoding in encodings]
    return (
        "".join(f"a=rid:{rid} send\r\n" for rid in rids) + f"a=simulcast:send {';'.join(rids)}\r\n"
    )


def _codec_lines(codec: Codec) -> str:
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    number = codec.payload_type
    lines = f"a=rtpmap:{number} {codec.name}/{codec.clock_rate}{channels}\r\n"
    lines += f"a=fmtp:{number} {codec.fmtp}\r\n" if codec.fmtp else ""
    return lines + "".join(f"a=rtcp-fb:{number} {feedback}\r\n" for feedback in codec.feedback)


def _extension_lines(ids: dict[str, int]) -> str:
    return "".join(f"a=extmap:{number} {uri}\r\n" for uri, number in ids.items())


def _answer_section(section: Section, line: MediaLine | None, transport: str) -> str:
    if section.kind == "application" and not section.rejected:
        return _data_section(section, transport)
    if line is None:
        port = 0 if section.rejected else 9
        return (
            f"m={section.kind} {port} {section.protocol} {' '.join(section.formats)}\r\n"
            f"c=IN IP4 0.0.0.0\r\na=mid:{section.mid}\r\n{transport}a=inactive\r\na=rtcp-mux\r\n"
        )
    numbers = [line.payload_type]
    maps = ""
    if line.rtx_payload_type is not None:
        numbers.append(line.rtx_payload_type)
    for number in numbers:
        name, rate, channels = section.rtpmaps[str(number)]
        maps += f"a=rtpmap:{number} {name}/{rate}{f'/{channels}' if channels > 1 else ''}\r\n"
        fmtp = section.fmtps.get(str(number))
        maps += f"a=fmtp:{number} {fmtp}\r\n" if fmtp else ""
    feedback = "".join(f"a=rtcp-fb:{numbers[0]} {one}\r\n" for one in line.feedback)
    return (
        f"m={section.kind} 9 {section.protocol} {' '.join(map(str, numbers))}\r\n"
        f"c=IN IP4 0.0.0.0\r\na=mid:{section.mid}\r\n{transport}a=recvonly\r\na=rtcp-mux\r\n"
        f"a=rtcp-rsize\r\n{maps}{feedback}{_extension_lines(line.extensions)}"
    )


def _data_section(section: Section, transport: str) -> str:
    """Accept an m-line of data channels (RFC 8841), whose transport carries the media too.

    A server may offer it alone first; no message is processed.
    """
    return (
        f"m=application 9 {section.protocol} {' '.join(section.formats)}\r\n"
        f"c=IN IP4 0.0.0.0\r\na=mid:{section.mid}\r\n{transport}"
        "a=sctp-port:5000\r\na=max-message-size:65536\r\n"
    )


def _peer(sections: Iterable[Section]) -> RemoteTransport:
    """Return the SFU's transport of the first m-line in use, with the candidates of all."""
    used = [section for section in sections if not section.rejected]
    if not used:
        raise SdpError(0, "every m-line is rejected")
    first = used[0]
    if not (first.ice_ufrag and first.ice_pwd and first.fingerprints):
        raise SdpError(first.line, "no ICE credentials or no fingerprint")
    return RemoteTransport(
        first.ice_ufrag,
        first.ice_pwd,
        first.fingerprints,
        _addresses(text for section in used for text in section.candidates),
        bot_is_dtls_client=first.setup != "active",
    )


def _addresses(texts: Iterable[str]) -> list[tuple[str, int]]:
    """List the UDP candidates of component 1 by descending priority; names are omitted."""
    found: dict[tuple[str, int], int] = {}
    for text in texts:
        candidate = _udp_candidate(text)
        if candidate is not None:
            found.setdefault((candidate.host, candidate.port), candidate.priority)
    return sorted(found, key=lambda address: -found[address])


def _udp_candidate(text: str) -> candidates.Candidate | None:
    try:
        candidate = candidates.parse(text)
    except ValueError:
        return None
    usable = candidate.transport == "udp" and candidate.component == 1 and candidate.address
    return candidate if usable else None


def _lines(
    sections: Iterable[Section], videos: Callable[[str], str | None] | None = None
) -> list[MediaLine]:
    lines = []
    for section in sections:
        wanted = _VIDEO.get((videos and videos(section.mid)) or "")
        if (line := _line(section, wanted)) is not None:
            lines.append(line)
    return lines


def _line(section: Section, wanted: Codec | None) -> MediaLine | None:
    if section.rejected or section.direction == "inactive":
        return None
    agreed = negotiate(section.kind, section.codecs(), wanted)
    if agreed is None and wanted is not None:
        agreed = negotiate(section.kind, section.codecs())
    if agreed is None:
        return None
    ssrc, rtx_ssrc = _ssrcs(section)
    codec = agreed.codec
    return MediaLine(
        section.mid,
        section.kind,
        codec.name,
        codec.clock_rate,
        codec.payload_type,
        agreed.rtx_payload_type,
        {uri: number for uri, number in section.extensions.items() if uri in _IDS},
        agreed.feedback,
        ssrc,
        rtx_ssrc,
    )


def _ssrcs(section: Section) -> tuple[int | None, int | None]:
    for semantics, ssrcs in section.ssrc_groups:
        if semantics == "FID" and len(ssrcs) == 2:
            return ssrcs[0], ssrcs[1]
    return next(iter(section.ssrcs), None), None


def _rtx_of(codec: Codec) -> int:
    return codec.payload_type + 1


def _random_text(size_bytes: int) -> str:
    """Return random bytes in base64, which has ice-chars only; multiples of 3 need no padding."""
    return base64.b64encode(os.urandom(size_bytes)).decode()
