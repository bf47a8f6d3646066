"""FFmpeg's own WHIP muxer publishes the drawn scene and the talk, in a process of its own.

The muxer's writes block, so a test ends the process: SIGINT ends the session by DELETE.
"""

import asyncio
import contextlib
import heapq
import itertools
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterator
from fractions import Fraction

import av

from sfukit.media import audio
from sfukit.media.catalog import LOW
from sfukit.media.encode import OPTIONS, OPUS_FRAME_SAMPLES, drawn_frames

STOP_S = 15.0


@contextlib.asynccontextmanager
async def ffmpeg_publisher(url: str, **options: str) -> AsyncIterator[None]:
    """Publish until the block ends; `options` are those of the muxer."""
    words = [f"{name}={value}" for name, value in options.items()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.interop.ffmpeg_whip", url, *words),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    printed = asyncio.create_task(process.stdout.read())
    try:
        yield
    except BaseException as failure:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        failure.add_note((await printed).decode(errors="replace"))
        raise
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), STOP_S)
        await printed


def publish(url: str, options: dict[str, str]) -> None:
    """Encode and send in real time until interrupted."""
    with av.open(url, "w", format="whip", options=options, timeout=STOP_S) as muxer:
        picture = muxer.add_stream("libx264", rate=LOW.frames_per_second, options=OPTIONS["h264"])
        picture.width, picture.height, picture.pix_fmt = LOW.width, LOW.height, "yuv420p"
        picture.gop_size, picture.max_b_frames = LOW.frames_per_second, 0
        voice = muxer.add_stream("libopus", rate=audio.SAMPLES_PER_SECOND, layout="stereo")
        start = time.monotonic()
        for frame in heapq.merge(video_frames(), audio_frames(), key=lambda due: due.time):
            time.sleep(max(0.0, start + frame.time - time.monotonic()))
            if isinstance(frame, av.VideoFrame):
                muxer.mux(picture.encode(frame))
            else:
                muxer.mux(voice.encode(frame))


def video_frames() -> Iterator[av.VideoFrame]:
    """Show the scene again and again."""
    frames = list(drawn_frames(LOW))
    for number in itertools.count():
        frame = frames[number % len(frames)]
        frame.pts = number
        yield frame


def audio_frames() -> Iterator[av.AudioFrame]:
    """Play the talk again and again, on both channels."""
    samples = audio.speech().repeat(2)
    for position in itertools.count(step=OPUS_FRAME_SAMPLES):
        at = 2 * position % samples.size
        block = samples[None, at : at + 2 * OPUS_FRAME_SAMPLES]
        frame = av.AudioFrame.from_ndarray(block, format="s16", layout="stereo")
        frame.sample_rate, frame.pts = audio.SAMPLES_PER_SECOND, position
        frame.time_base = Fraction(1, audio.SAMPLES_PER_SECOND)
        yield frame


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        publish(sys.argv[1], dict(word.split("=", 1) for word in sys.argv[2:]))
