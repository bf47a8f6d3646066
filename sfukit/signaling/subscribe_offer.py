"""Offers on the subscribe connection, made by the server only: a list of slots, one per m-line.

The slot of an ended subscription is reused for the next one of its kind, so that the SDP stays
short after many joins and leaves. A video m-line becomes ``inactive`` and is reused with its mid.
Some browsers do not play an audio m-line that was inactive, so an audio one is rejected (port
zero), and its slot gets a new mid (RFC 8829 section 5.2.2). The first m-line is never rejected: it
has the transport of the BUNDLE group (RFC 9143 section 7.5).

A payload type has one codec among the bundled m-lines of a description (RFC 9143 section 9.1.1),
and one as long as an m-line keeps its mid (RFC 3264 section 8.3.2). It is released after an answer
has confirmed that no m-line lists it. An m-line whose payload types are not the usual ones of its
codec is therefore rejected when its track ends.
"""

from enum import Enum, auto

import msgspec

from sfukit.signaling import congestion, extensions
from sfukit.signaling.data_section import data_lines, is_data_channels, peer_message_bytes
from sfukit.signaling.redundancy import RED
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec, Section, Session
from sfukit.signaling.send_section import (
    PayloadTypes,
    codec_lines,
    idle_lines,
    send_lines,
    sent_fmtp,
)
from sfukit.signaling.transport import LocalTransport, RemoteParameters, remote_of_answer

MAX_SLOTS = 60
_FIRST_PAYLOAD_TYPE = {"opus": 111, "VP8": 96, "VP9": 98, "AV1": 45, "H264": 102}
_RED_PAYLOAD_TYPE = 63
_USUAL_PAYLOAD_TYPES = frozenset(_FIRST_PAYLOAD_TYPE.values())
_SPARE_PAYLOAD_TYPES: tuple[int, ...] = tuple(
    number
    for number in (97, 99, *range(103, 128), 100, 101, *range(35, 64))
    if number not in _USUAL_PAYLOAD_TYPES
)
Bitstream = tuple[str, str]  # codec name and format parameters: what a payload type means


class Track(msgspec.Struct, frozen=True):
    """The track of a slot: a publication for this subscriber."""

    publication: int
    kind: str
    codec_name: str
    codec: Codec
    extensions: dict[str, int]
    stream_id: str
    track_id: str
    cname: str
    ssrc: int
    rtx_ssrc: int | None
    red: bool = False


class Phase(Enum):
    """The state of a slot between two offers."""

    FREE = auto()  # confirmed without a track
    NEW = auto()  # has a track without a confirming answer
    LIVE = auto()  # confirmed
    ENDING = auto()  # the track ended; not offered yet


class Slot(msgspec.Struct):
    """One m-line; ``off``: port zero, after which the slot needs a new mid.

    ``meanings``: the bitstream of every payload type used with its mid.
    """

    kind: str
    mid: str
    phase: Phase = Phase.NEW
    track: Track | None = None
    off: bool = False
    text: str = ""
    bitstream: Bitstream = ("", "")
    numbers: PayloadTypes = PayloadTypes(0, None)
    meanings: dict[int, Bitstream] = {}
    codec_lines: str = ""
    offered: Phase | None = None
    offered_mid: str = ""

    @property
    def described(self) -> bool:
        """Whether its payload types are or will be described to the peer."""
        return not (self.off and self.phase is Phase.FREE)

    def agrees(self, bitstream: Bitstream, numbers: PayloadTypes) -> bool:
        """Return whether these payload types had no other bitstream with this mid."""
        given = _meanings(bitstream, numbers)
        return all(
            self.meanings.get(number, meaning) == meaning for number, meaning in given.items()
        )


class Accepted(msgspec.Struct, frozen=True):
    """A track that the answer accepts, with its payload types, extensions and feedback."""

    mid: str
    track: Track
    numbers: PayloadTypes
    extensions: dict[str, int] = {}
    feedback: tuple[str, ...] = ()


class Answered(msgspec.Struct, frozen=True):
    """The result of an answer; ``remote`` is None where every m-line is rejected.

    ``accepted`` are new tracks; ``refused`` ones may have been sent before.
    ``data_message_bytes``: the longest message for the peer's data channels, None without them.
    ``restarted``: the server's side of an ICE restart that the answer completes.
    """

    remote: RemoteParameters | None
    accepted: list[Accepted]
    refused: list[Track]
    data_message_bytes: int | None = None
    restarted: LocalTransport | None = None


class SubscribeOffers:
    """The offers of one subscribe connection and their answers. No I/O."""

    def __init__(self, local: LocalTransport) -> None:
        self.version = 0
        self.outstanding = False
        self._local = local
        self._answered_local = local  # of the last answer: another one is an ICE restart
        self._offered_local = local
        self._remote: RemoteParameters | None = None
        self._slots: list[Slot] = []
        self._next_mid = 0

    @property
    def changed(self) -> bool:
        """Whether an offer is needed (W3C negotiation-needed flag)."""
        if self._local is not self._offered_local:
            return True
        return any(slot.phase in (Phase.NEW, Phase.ENDING) for slot in self._slots)

    def restart_ice(self, local: LocalTransport) -> None:
        """Offer other ICE credentials and candidates (RFC 8839 section 4.4.1.1.1)."""
        self._local = local
        for slot in self._slots:
            slot.text = ""

    @property
    def has_data(self) -> bool:
        """Whether there is an m-line of data channels, confirmed or not."""
        return any(slot.kind == "application" for slot in self._slots)

    def add_data(self) -> None:
        """Append the m-line of data channels, which stays."""
        if not self.has_data:
            self._slots.append(Slot("application", self._mid()))

    @property
    def tracks(self) -> list[tuple[str, Track]]:
        """The tracks with their mids, confirmed or not."""
        return [(slot.mid, slot.track) for slot in self._slots if slot.track is not None]

    def has_capacity(self, track: Track) -> bool:
        """Return whether ``add`` would succeed."""
        numbers = self._payload_types_of(track)
        if numbers is None:
            return False
        return len(self._slots) < MAX_SLOTS or self._free_slot(track, numbers) is not None

    def add(self, track: Track) -> None:
        """Assign a free m-line of its kind to a track, or append one; raise ``Refusal``."""
        numbers = self._payload_types_of(track)
        if numbers is None:
            raise Refusal("too_many_subscriptions", "no payload type is left on this connection")
        slot = self._free_slot(track, numbers)
        if slot is None:
            if len(self._slots) >= MAX_SLOTS:
                raise Refusal("too_many_subscriptions", f"{MAX_SLOTS} m-lines are in use")
            slot = Slot(track.kind, self._mid())
            self._slots.append(slot)
        elif slot.off:
            slot.mid, slot.off, slot.meanings = self._mid(), False, {}
        slot.phase, slot.track, slot.text = Phase.NEW, track, ""
        slot.bitstream, slot.numbers = _bitstream(track), numbers
        slot.meanings |= _meanings(slot.bitstream, numbers)
        slot.codec_lines = codec_lines(track, numbers)

    def remove(self, publication: int) -> Track | None:
        """End the track of a publication; its m-line is reused once an answer has confirmed it."""
        for slot in self._slots:
            if slot.track is not None and slot.track.publication == publication:
                if slot.offered is not None:
                    return self._end(slot)
                self._slots.remove(slot)  # never offered
                return slot.track
        return None

    def offer(self) -> str:
        """Write the next offer; it is outstanding until ``answer``."""
        self.version += 1
        self.outstanding = True
        self._offered_local = self._local
        for slot in self._slots:
            slot.offered, slot.offered_mid = slot.phase, slot.mid
            slot.text = slot.text or self._section(slot)
        mids = " ".join(slot.mid for slot in self._slots if not slot.off)
        return (
            f"v=0\r\no=- 1 {self.version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
            f"a=group:BUNDLE {mids}\r\na=ice-lite\r\n"
            "a=extmap-allow-mixed\r\na=msid-semantic:WMS *\r\n"
            f"{''.join(slot.text for slot in self._slots)}"
        )

    def answer(self, answer: Session, version: int | None = None) -> Answered:
        """Apply the answer to the outstanding offer; after a ``Refusal`` it stays outstanding."""
        if version is not None and version != self.version:
            raise Refusal("stale_offer", f"answers offer {version}; the newest is {self.version}")
        if not self.outstanding:
            raise Refusal("no_offer_outstanding", "there is no offer to answer")
        offered = [slot for slot in self._slots if slot.offered is not None]
        _check_shape(offered, answer.media)
        in_use = any(not media.rejected for media in answer.media)
        remote = remote_of_answer(answer, self._remote) if in_use else None
        self._remote = remote or self._remote
        self.outstanding = False
        is_restart = in_use and self._offered_local is not self._answered_local
        restarted = self._offered_local if is_restart else None
        self._answered_local = self._offered_local
        accepted: list[Accepted] = []
        refused: list[Track] = []
        data = None
        for slot, media in zip(offered, answer.media, strict=True):
            if slot.kind == "application":
                slot.phase = Phase.LIVE
                data = peer_message_bytes(media) if is_data_channels(media) else None
            else:
                self._settle(slot, media, answer.mixed_extensions, accepted, refused)
        return Answered(remote, accepted, refused, data, restarted)

    def _settle(
        self,
        slot: Slot,
        media: Section,
        mixed: bool,
        accepted: list[Accepted],
        refused: list[Track],
    ) -> None:
        """Advance one slot by its offer and answer; later changes stay pending."""
        if slot.phase is Phase.ENDING and slot.offered is Phase.ENDING:
            slot.phase = Phase.FREE
        if slot.track is None or slot.phase is not slot.offered:
            return
        track, numbers = slot.track, slot.numbers
        taken = str(numbers.payload_type) in media.formats
        if media.rejected or media.direction not in ("recvonly", "sendrecv") or not taken:
            self._end(slot, rejected=media.rejected)
            refused.append(track)
            return
        if slot.phase is Phase.LIVE:
            return
        slot.phase = Phase.LIVE
        numbers = PayloadTypes(
            numbers.payload_type,
            _taken(numbers.rtx_payload_type, media),
            _taken(numbers.red_payload_type, media),
        )
        feedback = congestion.agreed(
            congestion.offered(track.kind, track.extensions),
            media.feedback_of(numbers.payload_type),
            media.extensions,
        )
        sent = congestion.extensions_for(feedback, track.extensions)
        sent = extensions.usable_descriptor(sent, media.extensions, mixed=mixed)
        accepted.append(Accepted(slot.mid, track, numbers, sent, feedback))

    def _end(self, slot: Slot, *, rejected: bool = False) -> Track | None:
        track = slot.track
        reusable = slot.kind == "video" and slot.numbers.payload_type in _USUAL_PAYLOAD_TYPES
        off = rejected or not (reusable or slot is self._slots[0])
        slot.phase, slot.track, slot.off, slot.text = Phase.ENDING, None, off, ""
        return track

    def _free_slot(self, track: Track, numbers: PayloadTypes) -> Slot | None:
        """Find a rejected or inactive m-line, preferably one with the same bitstream before."""
        bitstream = _bitstream(track)
        found = [
            slot
            for slot in self._slots
            if slot.phase is Phase.FREE
            and slot.kind == track.kind
            and (slot.off or (slot.kind == "video" and slot.agrees(bitstream, numbers)))
        ]
        return min(found, key=lambda slot: slot.bitstream != bitstream, default=None)

    def _mid(self) -> str:
        mid = str(self._next_mid)
        self._next_mid += 1
        return mid

    def _payload_types_of(self, track: Track) -> PayloadTypes | None:
        """Return the payload types of a bitstream, or unused ones; None without free ones."""
        bitstream = _bitstream(track)
        described = [slot for slot in self._slots if slot.described]
        for slot in described:
            if slot.bitstream == bitstream:
                return slot.numbers
        used = {number for slot in described for number in msgspec.structs.astuple(slot.numbers)}
        first = _FIRST_PAYLOAD_TYPE[track.codec_name]
        free = [number for number in (first, *_SPARE_PAYLOAD_TYPES) if number not in used]
        if track.kind == "audio" and track.red:
            left = sorted(free[1:], key=lambda number: number != _RED_PAYLOAD_TYPE)
            return PayloadTypes(free[0], None, left[0]) if left else None
        if track.kind == "audio":
            return PayloadTypes(free[0], None) if free else None
        return PayloadTypes(free[0], free[1]) if len(free) > 1 else None

    def _section(self, slot: Slot) -> str:
        transport = f"a=mid:{slot.mid}\r\n{self._local.lines()}"
        candidates = self._local.candidates if slot is self._slots[0] else ""
        if slot.kind == "application":
            return data_lines(slot.mid, self._local.lines()) + candidates
        if slot.track is None:
            port = 0 if slot.off else 9
            lines = idle_lines(slot.kind, port, slot.numbers, slot.codec_lines, transport)
        else:
            lines = send_lines(slot.track, slot.numbers, transport, "UDP/TLS/RTP/SAVPF")
        return lines + candidates


def _bitstream(track: Track) -> Bitstream:
    name = f"{track.codec_name} with {RED}" if track.red else track.codec_name
    return name, sent_fmtp(track.codec_name, track.codec)


def _taken(number: int | None, media: Section) -> int | None:
    return number if str(number) in media.formats else None


def _meanings(bitstream: Bitstream, numbers: PayloadTypes) -> dict[int, Bitstream]:
    meanings = {numbers.payload_type: bitstream}
    if numbers.rtx_payload_type is not None:
        meanings[numbers.rtx_payload_type] = ("rtx", f"apt={numbers.payload_type}")
    if numbers.red_payload_type is not None:
        meanings[numbers.red_payload_type] = (RED, f"{numbers.payload_type}")
    return meanings


def _check_shape(offered: list[Slot], answered: list[Section]) -> None:
    same = len(offered) == len(answered) and all(
        media.rejected or media.mid == slot.offered_mid
        for slot, media in zip(offered, answered, strict=False)
    )
    if not same:
        raise Refusal("answer_mismatch", "the m-lines are not those of the offer")
