"""Answer a viewer's offer (WHEP): each m-line that receives gets the publication of its kind."""

from collections.abc import Callable, Mapping

import msgspec

from sfukit.signaling import extensions
from sfukit.signaling.codecs import agree
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec, Section, Session
from sfukit.signaling.send_section import SendNumbers, send_lines
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


class Played(msgspec.Struct, frozen=True):
    """One m-line that plays a publication, with the viewer's numbers and our SSRCs."""

    mid: str
    publication: int
    kind: str
    codec_name: str
    codec: Codec
    numbers: SendNumbers
    extensions: dict[str, int]
    stream_id: str
    track_id: str
    cname: str
    ssrc: int
    rtx_ssrc: int | None


class PlayAnswer(msgspec.Struct, frozen=True):
    """The answer's text, what it plays, and the peer's transport."""

    sdp: str
    played: list[Played]
    remote: RemoteParameters


def answer_viewer(
    offer: Session,
    sources: Mapping[str, Source],
    local: LocalTransport,
    new_ssrc: Callable[[], int],
) -> PlayAnswer:
    """Answer sendonly from at most one source of each kind, or raise ``Refusal``."""
    remote = remote_of_offer(offer)
    left = dict(sources)
    played: list[Played | None] = []
    mismatched = False
    for media in offer.media:
        source = left.get(media.kind) if _receives(media) else None
        line = _played(media, source, new_ssrc) if source else None
        if line is not None:
            del left[media.kind]
        mismatched = mismatched or (source is not None and line is None)
        played.append(line)
    lines = [line for line in played if line is not None]
    if not lines:
        reason = "codec_unsupported" if mismatched else "nothing_to_play"
        raise Refusal(reason, "no m-line of the offer can receive what is published")
    return PlayAnswer(_write(offer, played, local.facing(remote)), lines, remote)


def _receives(media: Section) -> bool:
    return not media.rejected and media.direction in ("recvonly", "sendrecv")


def _played(media: Section, source: Source, new_ssrc: Callable[[], int]) -> Played | None:
    agreed = agree(media.kind, media.codecs(), source.codec)
    if agreed is None:
        return None
    numbers = SendNumbers(agreed.codec.payload_type, agreed.rtx_payload_type)
    return Played(
        mid=media.mid,
        publication=source.publication,
        kind=source.kind,
        codec_name=source.codec_name,
        codec=source.codec,
        numbers=numbers,
        extensions=extensions.to_subscriber(source.extensions, media.extensions),
        stream_id=source.stream_id,
        track_id=f"p{source.publication}",
        cname=source.cname,
        ssrc=new_ssrc(),
        rtx_ssrc=new_ssrc() if numbers.rtx_payload_type is not None else None,
    )


def _write(offer: Session, played: list[Played | None], local: LocalTransport) -> str:
    lines = list(zip(offer.media, played, strict=True))
    live = [media.mid for media, line in lines if line or _may_idle(media)]
    parts = ["v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"]
    if offer.bundled:
        parts.append(f"a=group:BUNDLE {' '.join(live)}\r\n")
    parts.append("a=ice-lite\r\na=msid-semantic:WMS *\r\n")
    if offer.common.mixed_extensions:
        parts.append("a=extmap-allow-mixed\r\n")
    candidates = local.candidates
    for media, line in lines:
        transport = (f"a=mid:{media.mid}\r\n" if media.mid else "") + local.lines()
        if line is not None:
            parts.append(send_lines(line, line.numbers, transport, media.protocol))
        else:
            parts.append(_unplayed(media, transport))
        # the first of the BUNDLE group stands for all, idle or not (RFC 9143 section 7.3.1)
        if candidates and media.mid in live:
            parts.append(candidates)
            candidates = ""
    return "".join(parts)


def _may_idle(media: Section) -> bool:
    return not media.rejected and agree(media.kind, media.codecs()) is not None


def _unplayed(media: Section, transport: str) -> str:
    """Idle an m-line for which nothing is published; turn off one that could never be used."""
    agreed = agree(media.kind, media.codecs()) if not media.rejected else None
    if agreed is None:
        mid = f"a=mid:{media.mid}\r\n" if media.mid else ""
        formats = " ".join(media.formats[:1]) or "0"
        head = f"m={media.kind} 0 {media.protocol} {formats}\r\nc=IN IP4 0.0.0.0\r\n"
        return f"{head}a=inactive\r\n{mid}"
    codec = agreed.codec
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    encoding = f"{codec.name}/{codec.clock_rate}{channels}"
    return (
        f"m={media.kind} 9 {media.protocol} {codec.payload_type}\r\nc=IN IP4 0.0.0.0\r\n{transport}"
        f"a=inactive\r\na=rtcp-mux\r\na=rtpmap:{codec.payload_type} {encoding}\r\n"
    )
