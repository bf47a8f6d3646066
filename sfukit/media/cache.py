"""Clips for any encoding: the shipped one where it fits, else encoded once and kept.

The key names all that the bytes depend on, so a clip of another bitrate or version of the drawing
is another file. Two processes that encode the same clip at once both end with a whole file.
"""

import os
import tempfile
from pathlib import Path

from sfukit.errors import MachineError
from sfukit.media import catalog, ivf
from sfukit.media.catalog import Encoding

DRAWING_VERSION = 1
"""Raise it when the scene changes."""


def video_clip(codec: str, encoding: Encoding) -> Path:
    """Find or make the clip of `codec` ("vp8" or "h264") and `encoding`.

    Raises `MachineError` where it has to be encoded and the extra `media` is not installed.
    """
    clip = path(codec, encoding)
    if not clip.exists():
        encode_to(clip, codec, encoding)
    return clip


def path(codec: str, encoding: Encoding) -> Path:
    """Name the clip, which need not be there unless it is a shipped one."""
    if encoding in catalog.SIMULCAST:
        return catalog.video_clip(codec, encoding)
    return folder() / f"{key(codec, encoding)}.ivf"


def folder() -> Path:
    """Name the folder of clips made here (XDG base directories: XDG_CACHE_HOME)."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "sfukit" / "clips"


def key(codec: str, encoding: Encoding) -> str:
    size = f"{encoding.width}x{encoding.height}p{encoding.frames_per_second}"
    return f"{codec}-{size}-{encoding.bitrate_bps}-v{DRAWING_VERSION}"


def encode_to(path: Path, codec: str, encoding: Encoding) -> None:
    try:
        from sfukit.media import encode
    except ImportError as missing:
        raise MachineError(
            f"{codec} at {encoding.bitrate_bps / 1000:g} kb/s is not among the shipped clips",
            hint="encoding it needs the extra: pip install 'sfukit[media]'",
        ) from missing
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
        ivf.write(Path(part.name), encode.video(codec, encoding))
    Path(part.name).replace(path)
