"""The simulcast encodings of the test video, and the paths of the packaged clips."""

from dataclasses import dataclass
from pathlib import Path

CLIPS = Path(__file__).parent / "clips"

LOOP_SECONDS = 4
"""Length of a video loop; its last frame is followed seamlessly by its first."""

TICKS_PER_SECOND = 30
"""Ticks of the drawn clock: the finest frame rate; slower encodings skip ticks."""

LOOP_TICKS = LOOP_SECONDS * TICKS_PER_SECOND

KEYFRAME_SECONDS = 1
"""Keyframe interval: on a keyframe request a bot goes on with the next keyframe of the clip."""


@dataclass(frozen=True)
class Encoding:
    """One simulcast encoding of the drawn scene, or of a video file."""

    name: str
    width: int
    height: int
    frames_per_second: int
    bitrate_bps: int
    source: Path | None = None

    @property
    def ticks_per_frame(self) -> int:
        return TICKS_PER_SECOND // self.frames_per_second

    @property
    def frames_per_keyframe(self) -> int:
        return self.frames_per_second * KEYFRAME_SECONDS


LOW = Encoding("180p15", 320, 180, 15, 150_000)
MIDDLE = Encoding("360p30", 640, 360, 30, 500_000)
HIGH = Encoding("720p30", 1280, 720, 30, 1_700_000)

SIMULCAST = (LOW, MIDDLE, HIGH)
"""Lowest first, as the encodings of one simulcast publication."""

SHIPPED_VIDEO_CODECS = ("vp8", "h264")


def video_clip(codec: str, encoding: Encoding) -> Path:
    """Return the path of the packaged clip of `codec` ("vp8" or "h264") and `encoding`."""
    if codec not in SHIPPED_VIDEO_CODECS:
        raise KeyError(f"no {codec} clip is shipped; there are {', '.join(SHIPPED_VIDEO_CODECS)}")
    return CLIPS / f"{codec}-{encoding.name}.ivf"


def audio_clip() -> Path:
    """Return the path of the packaged Opus clip: talk spurts with DTX between them."""
    return CLIPS / "opus.ivf"
