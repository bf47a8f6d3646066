"""Answer a viewer's offer (WHEP): each receiving m-line gets the publication of its kind."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec

from sfukit.signaling import congestion, extensions
from sfukit.signaling.codecs import NegotiatedCodec, describe, forwarded, negotiate
from sfukit.signaling.data_section import data_lines, is_data_channels, peer_message_bytes
from sfukit.signaling.offer_rules import (
    bundle_order,
    check_meanings,
    check_offer,
    engine_mid,
    place,
    usable_extensions,
)
from sfukit.signaling.redundancy import red_of
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec, Section, Session
from sfukit.signaling.send_section import PayloadTypes, rejected_lines, send_lines
from sfukit.signaling.transport import LocalTransport, RemoteParameters, remote_of_offer


class Source(msgspec.Struct, frozen=True):
    """A publication that may be played."""

    publication: int
    kind: str
    codec_name: str
    codec: Codec
    extensions: dict[str, int]
    stream_id: str
    cname: str
    red: bool = False


class Played(msgspec.Struct, frozen=True):
    """One m-line that sends a publication, with the viewer's payload types and our SSRCs."""

    mid: str
    engine_mid: str
    publication: int
    kind: str
    codec_name: str
    codec: Codec
    numbers: PayloadTypes
    extensions: dict[str, int]
    stream_id: str
    track_id: str
    cname: str
    ssrc: int
    rtx_ssrc: int | None
    feedback: tuple[str, ...] = ()


class PlayAnswer(msgspec.Struct, frozen=True):
    """The answer's SDP, the sent publications, and the viewer's transport."""

    sdp: str
    played: list[Played]
    remote: RemoteParameters
    data_message_bytes: int | None = None


def answer_viewer(
    offer: Session,
    sources: Mapping[str, Source],
    local: LocalTransport,
    new_ssrc: Callable[[], int],
    *,
    transport_wide: bool = True,
) -> PlayAnswer:
    """Answer sendonly from at most one source of each kind, or raise ``Refusal``."""
    check_offer(offer)
    remote = remote_of_offer(offer)
    left = dict(sources)
    lines: list[_MediaAnswer] = []
    mismatches: list[str] = []
    for media in offer.media:
        if is_data_channels(media) and not any(line.data for line in lines):
            lines.append(_MediaAnswer(media, None, None, data=True))
            continue
        source = left.get(media.kind) if _receives(media) else None
        agreed = negotiate(media.kind, media.codecs(), source.codec) if source else None
        played = None
        if source is not None and agreed is not None:
            del left[media.kind]
            played = _played(offer, media, source, agreed, new_ssrc, transport_wide)
        elif source is not None:
            mismatches.append(_mismatch(media, source))
        lines.append(_MediaAnswer(media, agreed if played else _idle(media), played))
    result = [line.played for line in lines if line.played is not None]
    if not result:
        raise _nothing_played(offer, sources, mismatches)
    in_use = [(line.media, line.agreed) for line in lines if line.agreed]
    check_meanings((media, agreed.codec, agreed.rtx_payload_type) for media, agreed in in_use)
    data = next((peer_message_bytes(line.media) for line in lines if line.data), None)
    return PlayAnswer(_write(offer, lines, local.facing(remote)), result, remote, data)


class _MediaAnswer(NamedTuple):
    """The answer to one m-line: rejected without a codec, inactive without a publication."""

    media: Section
    agreed: NegotiatedCodec | None
    played: Played | None
    data: bool = False


def _nothing_played(
    offer: Session, sources: Mapping[str, Source], mismatches: list[str]
) -> Refusal:
    if mismatches:
        return Refusal("codec_unsupported", "; ".join(mismatches))
    published = " and ".join(sources) or "nothing"
    wanted = ", ".join(f"{media.kind[:32]} {media.direction}" for media in offer.media)
    return Refusal(
        "nothing_to_play",
        f"the publisher sends {published}, the m-lines of the offer are: {wanted[:200]}",
    )


def _mismatch(media: Section, source: Source) -> str:
    """Describe the published codec and the codecs that the viewer accepts."""
    known = (forwarded(media.kind, codec) for codec in media.codecs())
    taken = list(dict.fromkeys(describe(codec) for codec in known if codec is not None))
    return (
        f"the publisher sends {describe(source.codec)}, {place(media)} takes "
        f"{', '.join(taken[:8]) or 'no codec that is forwarded'}"
    )


def _idle(media: Section) -> NegotiatedCodec | None:
    return None if media.rejected else negotiate(media.kind, media.codecs())


def _red(media: Section, agreed: NegotiatedCodec) -> Codec | None:
    return red_of(agreed.codec, media.codecs())


def _receives(media: Section) -> bool:
    return not media.rejected and media.direction in ("recvonly", "sendrecv")


def _played(
    offer: Session,
    media: Section,
    source: Source,
    agreed: NegotiatedCodec,
    new_ssrc: Callable[[], int],
    transport_wide: bool,
) -> Played:
    red = _red(media, agreed) if source.red else None
    numbers = PayloadTypes(
        agreed.codec.payload_type, agreed.rtx_payload_type, red.payload_type if red else None
    )
    usable = extensions.to_subscriber(
        source.extensions, usable_extensions(media), transport_wide=transport_wide
    )
    usable = extensions.usable_descriptor(usable, usable, mixed=offer.mixed_extensions)
    feedback = congestion.agreed(
        congestion.offered(source.kind, usable), agreed.codec.feedback, usable
    )
    return Played(
        mid=media.mid,
        engine_mid=engine_mid(offer, media),
        publication=source.publication,
        kind=source.kind,
        codec_name=source.codec_name,
        codec=source.codec,
        numbers=numbers,
        extensions=congestion.extensions_for(feedback, usable),
        stream_id=source.stream_id,
        track_id=f"p{source.publication}",
        cname=source.cname,
        ssrc=new_ssrc(),
        rtx_ssrc=new_ssrc() if numbers.rtx_payload_type is not None else None,
        feedback=feedback,
    )


def _write(offer: Session, lines: list[_MediaAnswer], local: LocalTransport) -> str:
    used = [line.media for line in lines if line.agreed or line.data]
    tagged = used[0]
    parts = ["v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"]
    if live := bundle_order(offer, used):
        parts.append(f"a=group:BUNDLE {' '.join(media.mid for media in live)}\r\n")
        tagged = live[0]  # the tagged m-line, inactive or not (RFC 9143 section 7.3.1)
    parts.append("a=ice-lite\r\na=msid-semantic:WMS *\r\n")
    if offer.mixed_extensions:
        parts.append("a=extmap-allow-mixed\r\n")
    for media, agreed, played, data in lines:
        transport = (f"a=mid:{media.mid}\r\n" if media.mid else "") + local.lines()
        if data:
            parts.append(data_lines(media.mid, local.lines(), media.protocol))
        elif played is not None:
            parts.append(send_lines(played, played.numbers, transport, media.protocol))
        elif agreed is not None:
            parts.append(_idle_lines(media, agreed, transport))
        else:
            parts.append(rejected_lines(media))
        if media is tagged:
            parts.append(local.candidates)
    return "".join(parts)


def _idle_lines(media: Section, agreed: NegotiatedCodec, transport: str) -> str:
    """Write an inactive m-line, without a publication."""
    codec = agreed.codec
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    encoding = f"{codec.name}/{codec.clock_rate}{channels}"
    return (
        f"m={media.kind} 9 {media.protocol} {codec.payload_type}\r\nc=IN IP4 0.0.0.0\r\n{transport}"
        f"a=inactive\r\na=rtcp-mux\r\na=rtpmap:{codec.payload_type} {encoding}\r\n"
    )
