"""RTP header extensions: those accepted from publishers, and those of subscriptions with ids."""

from collections.abc import Collection, Iterable, Mapping

MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
RID = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"
REPAIRED_RID = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
AUDIO_LEVEL = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"
VIDEO_ORIENTATION = "urn:3gpp:video-orientation"
TRANSPORT_WIDE_CC = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"
ABS_CAPTURE_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time"
DEPENDENCY_DESCRIPTOR = (
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
)

_FROM_PUBLISHER = {
    "audio": frozenset((MID, AUDIO_LEVEL, TRANSPORT_WIDE_CC, ABS_CAPTURE_TIME)),
    "video": frozenset(
        (MID, RID, REPAIRED_RID, VIDEO_ORIENTATION, TRANSPORT_WIDE_CC, ABS_CAPTURE_TIME)
    ),
}
# Their layers are selected by it. VP8 has one spatial layer and names its temporal layers itself.
_DESCRIBED = frozenset(("VP9", "AV1", "H264"))
_ALWAYS = (MID, TRANSPORT_WIDE_CC, ABS_SEND_TIME)
_AS_PUBLISHED = frozenset((AUDIO_LEVEL, VIDEO_ORIENTATION, ABS_CAPTURE_TIME, DEPENDENCY_DESCRIPTOR))

# One id means one URI on a bundled transport (RFC 8843 section 8).
OFFERED_IDS: Mapping[str, int] = {
    AUDIO_LEVEL: 1,
    ABS_SEND_TIME: 2,
    TRANSPORT_WIDE_CC: 3,
    MID: 4,
    ABS_CAPTURE_TIME: 6,
    DEPENDENCY_DESCRIPTOR: 8,
    VIDEO_ORIENTATION: 13,
}


def from_publisher(
    kind: str, codec_name: str, offered: Mapping[str, int], in_use: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return the offered extensions that the engine uses, with the ids of the offer.

    ``in_use`` are the negotiated ids of the transport: an extension with another id, or an id with
    another meaning, is omitted (RFC 9143 section 8).
    """
    wanted = _FROM_PUBLISHER[kind]
    if codec_name in _DESCRIBED:
        wanted |= {DEPENDENCY_DESCRIPTOR}
    known = in_use or {}
    numbers = set(known.values())
    return {
        uri: number
        for uri, number in offered.items()
        if uri in wanted and (known[uri] == number if uri in known else number not in numbers)
    }


def to_subscriber(
    published: Iterable[str], ids: Mapping[str, int], *, transport_wide: bool = True
) -> dict[str, int]:
    """Return the extensions of a subscription: the server's own, and the publisher's.

    Without ``transport_wide`` a receiver has no numbers to report, and estimates itself (REMB).
    """
    carried = (*_ALWAYS, *(uri for uri in published if uri in _AS_PUBLISHED))
    return {
        uri: ids[uri]
        for uri in carried
        if uri in ids and (transport_wide or uri != TRANSPORT_WIDE_CC)
    }


def usable_descriptor(
    extensions: Mapping[str, int], received: Collection[str], *, mixed: bool
) -> dict[str, int]:
    """Return the extensions of a receiver, with the dependency descriptor only where it is usable.

    ``received`` are those that the receiver lists. The descriptor of a keyframe is longer than the
    16 bytes of a one-byte header, so it needs ``a=extmap-allow-mixed`` (RFC 8285 section 4.3).
    """
    usable = mixed and DEPENDENCY_DESCRIPTOR in received
    return {
        uri: number for uri, number in extensions.items() if usable or uri != DEPENDENCY_DESCRIPTOR
    }
