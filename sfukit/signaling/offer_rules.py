"""The rules for an offer on one bundled transport (RFC 9143, RFC 5761).

An offer that violates them is refused as a whole, since an answer with single rejected m-lines
would publish a part only.
"""

from collections.abc import Iterable, Iterator

from sfukit.signaling import extensions
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec, Section, Session

MAX_MID = 16
"""Bytes of a mid or rid that fit a one-byte header extension (RFC 8285 section 4.2)."""

_RTCP_TYPES = range(64, 96)


def check_offer(offer: Session) -> None:
    """Refuse an offer that violates the rules of BUNDLE or of rtcp-mux."""
    bundled = set(offer.bundled)
    for media in offer.media:
        if media.rejected and media.mid and media.mid in bundled:
            raise Refusal(
                "bundle_conflict",
                f"{place(media)} has port 0 and is in the BUNDLE group: give it a port, "
                "mark it a=bundle-only, or take its mid out of the group (RFC 9143 section 6)",
            )
        if media.port == 0 and media.bundle_only and media.mid not in bundled:
            raise Refusal(
                "bundle_required",
                f"{place(media)} is a=bundle-only: its mid has to stand in a=group:BUNDLE",
            )
        if not media.rejected and media.kind in ("audio", "video"):
            _check_payload_types(media)


def check_meanings(codecs: Iterable[tuple[Section, Codec, int | None]]) -> None:
    """Refuse a payload type with two codecs in one answer (RFC 9143 section 9.1)."""
    meanings: dict[int, tuple[Section, tuple[str, int]]] = {}
    for media, codec, rtx in codecs:
        for number, meaning in _meanings(codec, rtx):
            other, known = meanings.setdefault(number, (media, meaning))
            if known != meaning:
                raise Refusal(
                    "payload_type_conflict",
                    f"payload type {number} is {known[0]} in {place(other)} and {meaning[0]} in "
                    f"{place(media)}: under BUNDLE one number means one codec",
                )


def bundle_order(offer: Session, live: list[Section]) -> list[Section]:
    """List the m-lines of an answer in the order of the offered group: the first is tagged.

    Empty where the offer has no BUNDLE group (RFC 9143 section 7.3.1).
    """
    by_mid = {media.mid: media for media in live if media.mid}
    return [by_mid[mid] for mid in dict.fromkeys(offer.bundled) if mid in by_mid]


def engine_mid(offer: Session, media: Section) -> str:
    """Return the mid of an m-line for the engine, unique and at most 16 bytes.

    Packets of an m-line without a mid, or with a longer one, have no MID (``usable_extensions``),
    so any unique name is valid.
    """
    if 1 <= len(media.mid) <= MAX_MID:
        return media.mid
    index = next(at for at, entry in enumerate(offer.media) if entry is media)
    name, taken = f"m{index}", {entry.mid for entry in offer.media}
    while name in taken:
        name = f"~{name}"
    return name


def usable_extensions(media: Section) -> dict[str, int]:
    """List the header extensions of an m-line, without a MID that exceeds a one-byte extension."""
    usable = dict(media.extensions)
    if not 1 <= len(media.mid) <= MAX_MID:
        usable.pop(extensions.MID, None)
    return usable


def place(media: Section) -> str:
    """Describe an m-line: kind, line and mid."""
    mid = f", mid {media.mid[:32]}" if media.mid else ""
    return f"the {media.kind[:32]} m-line at line {media.line}{mid}"


def _check_payload_types(media: Section) -> None:
    for entry in media.formats:
        if entry.isdigit() and int(entry) in _RTCP_TYPES:
            raise Refusal(
                "payload_type_invalid",
                f"{place(media)} uses payload type {entry}, which rtcp-mux reserves for RTCP "
                "(RFC 5761 section 4): use 96 to 127, or 35 to 63",
            )


def _meanings(codec: Codec, rtx: int | None) -> Iterator[tuple[int, tuple[str, int]]]:
    yield codec.payload_type, (codec.name, 0)
    if rtx is not None:
        yield rtx, ("rtx", codec.payload_type)
