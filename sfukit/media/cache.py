"""Clips for any encoding: the packaged clip where there is one, else encoded once and cached.

The cache key holds codec, size, frame rate, bitrate and the version of the drawing, or path, length
and time of the video file. A clip is
written to a temporary file and renamed, so two processes may encode the same clip at once.
"""

import hashlib
import os
import tempfile
from pathlib import Path

from sfukit.errors import MachineError, UsageError
from sfukit.media import catalog, ivf
from sfukit.media.catalog import Encoding
from sfukit.media.stopping import Stopped, never

DRAWING_VERSION = 1
"""Part of the cache key: raise the version when the scene changes."""


def video_clip(codec: str, encoding: Encoding, stopped: Stopped = never) -> Path:
    """Return the clip of `codec` and `encoding`; encode it where it is missing.

    Raises `MachineError` where the clip has to be encoded without the extra `media` installed, or
    cannot be written, `EncodingStoppedError` once `stopped` returns True.
    """
    clip = path(codec, encoding)
    if not clip.exists():
        encode_to(clip, codec, encoding, stopped)
    return clip


def path(codec: str, encoding: Encoding) -> Path:
    """Return the path of the clip; a clip that is not packaged may not exist yet."""
    if codec in catalog.SHIPPED_VIDEO_CODECS and encoding in catalog.SIMULCAST:
        return catalog.video_clip(codec, encoding)
    return folder() / f"{key(codec, encoding)}.ivf"


def folder() -> Path:
    """Return the folder of cached clips (XDG base directories: XDG_CACHE_HOME)."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if home else Path.home() / ".cache") / "sfukit" / "clips"


def key(codec: str, encoding: Encoding) -> str:
    size = f"{encoding.width}x{encoding.height}p{encoding.frames_per_second}"
    content = f"v{DRAWING_VERSION}" if encoding.source is None else identity(encoding.source)
    return f"{codec}-{size}-{encoding.bitrate_bps}-{content}"


def identity(source: Path) -> str:
    """Return a name for a file as it is now; raise `UsageError` where there is none."""
    try:
        state = source.stat()
    except OSError as error:
        raise UsageError(f"--media {source}: {error.strerror}", hint="give a video file") from error
    if not source.is_file():
        raise UsageError(f"--media {source}: not a file", hint="give a video file")
    text = f"{source.resolve()} {state.st_size} {state.st_mtime_ns}"
    return "file-" + hashlib.sha256(text.encode()).hexdigest()[:16]


def encode_to(path: Path, codec: str, encoding: Encoding, stopped: Stopped = never) -> None:
    try:
        from sfukit.media import encode
    except ImportError as missing:
        raise MachineError(
            f"{codec} {encoding.name} at {encoding.bitrate_bps / 1000:g} kb/s is not among the "
            "shipped clips",
            hint="encoding it needs the extra: pip install 'sfukit[media]'",
        ) from missing
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error) from error
    _write(path, encode.encode_video(codec, encoding, stopped))


def _write(path: Path, clip: ivf.Clip) -> None:
    """Write a clip whole, or leave no file."""
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".part", delete=False) as part:
            pass
        try:
            ivf.write(Path(part.name), clip)
            Path(part.name).replace(path)
        finally:
            Path(part.name).unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path.parent, error) from error


def _unwritable(folder: Path, error: OSError) -> MachineError:
    return MachineError(
        f"a clip cannot be cached in {folder}: {error.strerror}",
        hint="set XDG_CACHE_HOME to a folder with space for it",
    )
