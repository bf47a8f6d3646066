"""What frame delays are measured by (``--latency``), and what bots send and negotiate for it. Pure.

``auto`` takes the frame id in the frames, and for VP9, whose decoders accept none, the header
extension abs-capture-time.
"""

from collections.abc import Mapping

from sfukit.errors import UsageError
from sfukit.loadgen.options import LatencyMode, LoadOptions, VideoCodec
from sfukit.swarm.messages import FrameTiming

TIMINGS: Mapping[LatencyMode, FrameTiming] = {
    "auto": "any",
    "tag": "frame_id",
    "capture-time": "capture_time",
    "barcode": "none",
    "off": "none",
}
# Codecs whose frames have no place for a frame id.
UNTAGGED: frozenset[VideoCodec] = frozenset(("vp9",))


def check(options: LoadOptions, codecs: tuple[VideoCodec, ...]) -> None:
    """Raise ``UsageError`` for a mode that these codecs do not have."""
    mode = options.latency
    untagged = sorted(UNTAGGED.intersection(codecs))
    if mode == "tag" and untagged:
        raise UsageError(
            f"--latency tag with {untagged[0].upper()}: its decoders accept no frame id",
            hint="give --latency auto or capture-time",
        )

    if mode == "barcode" and options.media is not None:
        raise UsageError(
            "--latency barcode with --media: the frames of a file have no barcode",
            hint="leave --media out, or give --latency auto",
        )


def by_capture_time(mode: LatencyMode, codec: VideoCodec) -> bool:
    """Return whether the frames of a codec are timed by abs-capture-time."""
    return mode == "capture-time" or (mode == "auto" and codec in UNTAGGED)


def sends_capture_time(mode: LatencyMode, codec: VideoCodec) -> bool:
    """Return whether publishers offer abs-capture-time.

    Packets of a codec without frame id have the encoding of the frame in it.
    """
    return mode != "off" and (codec in UNTAGGED or mode == "capture-time")
