"""The WHIP muxer of FFmpeg publishes the scene and the speech, in a separate process.

The muxer's writes block; SIGINT to the process ends the session by DELETE.
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
    arguments = [f"{name}={value}" for name, value in options.items()]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.interop.ffmpeg_whip", url, *arguments),
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
        video = muxer.add_stream("libx264", rate=LOW.frames_per_second, options=OPTIONS["h264"])
        video.width, video.height, video.pix_fmt = LOW.width, LOW.height, "yuv420p"
        video.gop_size, video.max_b_frames = LOW.frames_per_second, 0
        speech = muxer.add_stream("libopus", rate=audio.SAMPLES_PER_SECOND, layout="stereo")
        start = time.monotonic()
        for frame in heapq.merge(video_frames(), audio_frames(), key=lambda due: due.time):
            time.sleep(max(0.0, start + frame.time - time.monotonic()))
            if isinstance(frame, av.VideoFrame):
                muxer.mux(video.encode(frame))
            else:
                muxer.mux(speech.encode(frame))


def video_frames() -> Iterator[av.VideoFrame]:
    """Repeat the scene."""
    frames = list(drawn_frames(LOW))
    for number in itertools.count():
        frame = frames[number % len(frames)]
        frame.pts = number
        yield frame


def audio_frames() -> Iterator[av.AudioFrame]:
    """Repeat the speech on both channels."""
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
        publish(sys.argv[1], dict(option.split("=", 1) for option in sys.argv[2:]))
