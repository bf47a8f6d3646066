"""Answer a publisher's offer (RFC 8829, RFC 9725 section 4.2): one codec per m-line."""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from sfukit.signaling import extensions, format_parameters
from sfukit.signaling.codecs import NegotiatedCodec, negotiate, received_opus
from sfukit.signaling.data_section import data_lines, is_data_channels, peer_message_bytes
from sfukit.signaling.offer_rules import (
    MAX_MID,
    bundle_order,
    check_meanings,
    check_offer,
    engine_mid,
    place,
    usable_extensions,
)
from sfukit.signaling.redundancy import preferred_red, red_lines, with_red
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec, Section, Session
from sfukit.signaling.send_section import rejected_lines
from sfukit.signaling.transport import LocalTransport, RemoteParameters, remote_of_offer

MAX_ENCODINGS = 4
_MAX_FID_GROUPS = 16  # more than MAX_ENCODINGS: their order is not that of the rids


class Encoding(msgspec.Struct, frozen=True):
    """One RTP stream of a publication.

    It is identified by the rid of its packets, or by an SSRC of the offer. For several SSRCs
    (``a=ssrc-group:SIM``) the rid is the index in the group, the lowest resolution first.
    """

    rid: str | None
    ssrc: int | None
    rtx_ssrc: int | None


class Published(msgspec.Struct, frozen=True):
    """One negotiated track of a publish offer; ``engine_mid`` is its mid for the engine."""

    mid: str
    engine_mid: str
    kind: str
    codec_name: str
    codec: Codec
    rtx_payload_type: int | None
    encodings: list[Encoding]
    extensions: dict[str, int]
    feedback: tuple[str, ...]
    stream_id: str
    fid_groups: list[tuple[int, int]] = []
    red: Codec | None = None


class PublishAnswer(msgspec.Struct, frozen=True):
    """The answer's SDP, the accepted tracks, the peer's transport and its extensions.

    ``data_message_bytes``: the longest message for its data channels, None where it has none.
    """

    sdp: str
    tracks: list[Published]
    remote: RemoteParameters
    extensions: dict[str, int]
    data_message_bytes: int | None = None


class PublishRules(msgspec.Struct, frozen=True):
    """The limits of publications; ``whole`` refuses the offer instead of single m-lines.

    ``data``: whether an m-line of data channels is accepted.
    """

    max_audio: int = 8
    max_video: int = 8
    whole: bool = False
    max_bitrate_bps: int | None = None
    data: bool = True


class _MediaAnswer(NamedTuple):
    """The answer to one m-line: no track where it is rejected, idle where it does not send."""

    media: Section
    track: Published | None
    idle: bool
    data: bool = False

    @property
    def accepted(self) -> bool:
        return self.track is not None or self.data


def answer_publisher(
    offer: Session,
    local: LocalTransport,
    rules: PublishRules,
    version: int = 1,
    before: RemoteParameters | None = None,
    *,
    in_use: Mapping[str, int] | None = None,
) -> PublishAnswer:
    """Answer recvonly with the first codec of each m-line that is forwarded; raise ``Refusal``.

    ``before`` is the peer's transport of the last negotiation, whose DTLS association may continue;
    ``in_use`` are its header extensions.
    """
    check_offer(offer)
    remote = remote_of_offer(offer, before)
    lines: list[_MediaAnswer] = []
    known = dict(in_use or {})
    for media in offer.media:
        line = _line(offer, media, rules, known, data=not any(line.data for line in lines))
        known |= line.track.extensions if line.track else {}
        lines.append(line)
    tracks = [line.track for line in lines if line.track and not line.idle]
    _check_counts(tracks, rules)
    accepted = [(line.media, line.track) for line in lines if line.track]
    check_meanings(
        entry
        for media, track in accepted
        for entry in with_red(media, track.codec, track.rtx_payload_type, track.red)
    )
    text = _write(offer, local.facing(remote), rules, lines, version)
    data = next((peer_message_bytes(line.media) for line in lines if line.data), None)
    return PublishAnswer(text, tracks, remote, known, data)


def _line(
    offer: Session, media: Section, rules: PublishRules, in_use: Mapping[str, int], *, data: bool
) -> _MediaAnswer:
    if media.rejected:
        return _MediaAnswer(media, None, True)
    if data and rules.data and is_data_channels(media):
        return _MediaAnswer(media, None, True, data=True)
    if media.kind not in ("audio", "video"):
        # those of drafts too: clients that always offer one have media as well
        if rules.whole and media.kind != "application":
            raise Refusal("too_many_media", f"no m-line of kind {media.kind!r} is accepted here")
        return _MediaAnswer(media, None, True)
    agreed = negotiate(media.kind, media.codecs())
    if agreed is None:
        if rules.whole:
            names = ", ".join(dict.fromkeys(codec.name for codec in media.codecs())) or "none"
            raise Refusal(
                "codec_unsupported", f"no codec of {place(media)} is forwarded: {names[:200]}"
            )
        return _MediaAnswer(media, None, True)
    track = _published(offer, media, agreed, in_use)
    return _MediaAnswer(media, track, media.direction not in ("sendonly", "sendrecv"))


def _published(
    offer: Session, media: Section, agreed: NegotiatedCodec, in_use: Mapping[str, int]
) -> Published:
    name = agreed.codec.name
    offered = usable_extensions(media)
    taken = extensions.from_publisher(media.kind, name, offered, in_use)
    return Published(
        media.mid,
        engine_mid(offer, media),
        media.kind,
        name,
        agreed.codec,
        agreed.rtx_payload_type,
        _encodings(media, agreed, taken),
        taken,
        _feedback(agreed, taken),
        media.msid[0][0] if media.msid else "-",
        _fid_groups(media, agreed),
        preferred_red(agreed.codec, media.codecs()),
    )


def _feedback(agreed: NegotiatedCodec, taken: dict[str, int]) -> tuple[str, ...]:
    """Return the feedback with either transport-cc or goog-remb, never both."""
    transport_wide = "transport-cc" in agreed.feedback and extensions.TRANSPORT_WIDE_CC in taken
    left_out = "goog-remb" if transport_wide else "transport-cc"
    return tuple(feedback for feedback in agreed.feedback if feedback != left_out)


def _encodings(media: Section, agreed: NegotiatedCodec, taken: Mapping[str, int]) -> list[Encoding]:
    # simulcast streams are identified by MID and RID together (RFC 8853 section 5.5)
    if extensions.MID in taken and extensions.RID in taken and (rids := _sent_rids(media)):
        return [Encoding(rid, None, None) for rid in rids]
    repairs = dict(_fid_groups(media, agreed))
    own = [ssrc for ssrc in media.ssrcs if ssrc not in repairs.values()]
    if simulcast := _sim_group(media, own):
        return [
            Encoding(str(place), ssrc, repairs.get(ssrc)) for place, ssrc in enumerate(simulcast)
        ]
    first = own[0] if own else None
    return [Encoding(None, first, repairs.get(first) if first is not None else None)]


def _fid_groups(media: Section, agreed: NegotiatedCodec) -> list[tuple[int, int]]:
    """List the media SSRCs, each with its RTX SSRC (RFC 5576 section 4.2)."""
    if agreed.rtx_payload_type is None:
        return []
    pairs = [
        ssrcs
        for name, ssrcs in media.ssrc_groups
        if name == "FID" and len(set(ssrcs)) == len(ssrcs) == 2
    ]
    return [(first, second) for first, second in pairs[:_MAX_FID_GROUPS]]


def _sim_group(media: Section, own: list[int]) -> list[int]:
    """List the SSRCs of simulcast without rids (a=ssrc-group:SIM), the lowest first."""
    groups = [ssrcs for name, ssrcs in media.ssrc_groups if name == "SIM"]
    if media.kind != "video" or not groups:
        return []
    simulcast = [ssrc for ssrc in dict.fromkeys(groups[0]) if ssrc in own]
    return simulcast[:MAX_ENCODINGS] if len(simulcast) > 1 else []


def _sent_rids(media: Section) -> list[str]:
    """List the rids of simulcast that the engine supports, in the order of the offer (RFC 8853)."""
    rids = [
        rid
        for rid in media.simulcast.get("send", [])
        if rid in media.rids and media.rids[rid].direction == "send" and len(rid) <= MAX_MID
    ]
    return rids[:MAX_ENCODINGS]


def _check_counts(tracks: list[Published], rules: PublishRules) -> None:
    for kind, most in (("audio", rules.max_audio), ("video", rules.max_video)):
        count = sum(track.kind == kind for track in tracks)
        if count > most:
            raise Refusal("too_many_media", f"{count} {kind} m-lines, {most} are accepted here")
    if rules.whole and not tracks:
        raise Refusal("nothing_to_publish", "the offer sends neither audio nor video")


def _write(
    offer: Session,
    local: LocalTransport,
    rules: PublishRules,
    lines: list[_MediaAnswer],
    version: int,
) -> str:
    parts = [f"v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"]
    accepted = [line.media for line in lines if line.accepted]
    tagged = accepted[0] if accepted else None
    if live := bundle_order(offer, accepted):
        parts.append(f"a=group:BUNDLE {' '.join(media.mid for media in live)}\r\n")
        tagged = live[0]
    parts.append("a=ice-lite\r\n")
    if offer.mixed_extensions:
        parts.append("a=extmap-allow-mixed\r\n")
    for line in lines:
        candidates = local.candidates if line.media is tagged else ""
        if line.track is not None:
            parts.append(_section(line, line.track, local, rules) + candidates)
        elif line.data:
            media = line.media
            parts.append(data_lines(media.mid, local.lines(), media.protocol) + candidates)
        else:
            parts.append(rejected_lines(line.media))
    return "".join(parts)


def _section(
    line: _MediaAnswer, track: Published, local: LocalTransport, rules: PublishRules
) -> str:
    payload_types = str(track.codec.payload_type)
    if track.red is not None:
        payload_types = f"{track.red.payload_type} {payload_types}"
    if track.rtx_payload_type is not None:
        payload_types += f" {track.rtx_payload_type}"
    limit = ""
    if rules.max_bitrate_bps and track.kind == "video":
        limit = f"b=TIAS:{rules.max_bitrate_bps}\r\n"
    mid = f"a=mid:{track.mid}\r\n" if track.mid else ""
    direction = "inactive" if line.idle else "recvonly"
    return (
        f"m={track.kind} 9 {line.media.protocol} {payload_types}\r\nc=IN IP4 0.0.0.0\r\n{limit}"
        f"{mid}{local.lines()}a={direction}\r\na=rtcp-mux\r\na=rtcp-rsize\r\n"
        f"{_codec_lines(track)}{'' if line.idle else _simulcast_lines(track)}"
    )


def _codec_lines(track: Published) -> str:
    codec = track.codec
    number = codec.payload_type
    channels = f"/{codec.channels}" if track.kind == "audio" and codec.channels > 1 else ""
    lines = [f"a=extmap:{number} {uri}\r\n" for uri, number in track.extensions.items()]
    lines.append(f"a=rtpmap:{number} {codec.name}/{codec.clock_rate}{channels}\r\n")
    lines += [f"a=rtcp-fb:{number} {feedback}\r\n" for feedback in track.feedback]
    fmtp = (
        received_opus(codec) if codec.name == "opus" else format_parameters.write(codec.parameters)
    )
    if fmtp:
        lines.append(f"a=fmtp:{number} {fmtp}\r\n")
    if track.red is not None:
        lines.append(red_lines(track.red.payload_type, number))
    if track.rtx_payload_type is not None:
        lines.append(f"a=rtpmap:{track.rtx_payload_type} rtx/{codec.clock_rate}\r\n")
        lines.append(f"a=fmtp:{track.rtx_payload_type} apt={number}\r\n")
    return "".join(lines)


def _simulcast_lines(track: Published) -> str:
    rids = [encoding.rid for encoding in track.encodings if encoding.rid and encoding.ssrc is None]
    if not rids:
        return ""
    lines = "".join(f"a=rid:{rid} recv\r\n" for rid in rids)
    return f"{lines}a=simulcast:recv {';'.join(rids)}\r\n"
