"""Redundant audio data in descriptions (RED, RFC 2198): ``red/48000/2`` whose blocks are Opus."""

from collections.abc import Iterator, Sequence

from sfukit.signaling.sdp import Codec, Section

RED = "red"
_OPUS_CLOCK_RATE_HZ = 48_000


def red_of(codec: Codec, offered: Sequence[Codec]) -> Codec | None:
    """Return the first RED whose blocks are all of this Opus codec, None without one."""
    if codec.name.lower() != "opus":
        return None
    for other in offered:
        if other.name.lower() != RED or other.clock_rate != _OPUS_CLOCK_RATE_HZ:
            continue
        if set(other.fmtp.split("/")) == {str(codec.payload_type)}:
            return other
    return None


def preferred_red(codec: Codec, offered: Sequence[Codec]) -> Codec | None:
    """Return the RED of an Opus codec where the offer prefers it: a publisher sends that then."""
    red = red_of(codec, offered)
    numbers = [entry.payload_type for entry in offered]
    if red is None or numbers.index(red.payload_type) > numbers.index(codec.payload_type):
        return None
    return red


def red_lines(red: int, opus: int) -> str:
    """Write the rtpmap and fmtp of RED with one redundant block."""
    rate = _OPUS_CLOCK_RATE_HZ
    return f"a=rtpmap:{red} {RED}/{rate}/2\r\na=fmtp:{red} {opus}/{opus}\r\n"


def with_red(
    media: Section, codec: Codec, rtx: int | None, red: Codec | None
) -> Iterator[tuple[Section, Codec, int | None]]:
    """List the meanings of the payload types of an m-line, for ``check_meanings``."""
    yield media, codec, rtx
    if red is not None:
        yield media, red, None
