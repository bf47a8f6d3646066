"""Frames of a video file in the size and rate of an encoding (the extra `media`).

The first seconds of a file make one loop. Its aspect ratio is kept, with black bars.
"""

from collections.abc import Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av

from sfukit.errors import UsageError
from sfukit.media.catalog import Encoding

LONGEST_S = 10
SHORTEST_S = 1
MAX_PIXELS = 7680 * 4320
MAX_DECODED_FRAMES = 5_000
_FORMATS = "such as .mp4, .webm, .ivf or .y4m"


def file_frames(source: Path, encoding: Encoding) -> Iterator[av.VideoFrame]:
    """Yield up to ten seconds of frames with their numbers as time stamps.

    Raises `UsageError` where the file cannot be read, or has less than a second of video.
    """
    count = 0
    try:
        for frame in islice(_converted(source, encoding), LONGEST_S * encoding.frames_per_second):
            frame.pts, frame.time_base = count, Fraction(1, encoding.frames_per_second)
            keyframe = count % encoding.frames_per_keyframe == 0
            frame.pict_type = av.video.frame.PictureType[("NONE", "I")[keyframe]]
            count += 1
            yield frame
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise UsageError(
            f"--media {source}: no video file that can be decoded ({error.args[-1]})",
            hint=f"give a file that FFmpeg reads, {_FORMATS}",
        ) from error
    if count < SHORTEST_S * encoding.frames_per_second:
        raise UsageError(
            f"--media {source}: {count / encoding.frames_per_second:.2g} s of video",
            hint=f"give a file of {SHORTEST_S} s or more; the first {LONGEST_S} s are sent",
        )


def _converted(source: Path, encoding: Encoding) -> Iterator[av.VideoFrame]:
    # a playlist names no other files or hosts: only the file itself is opened
    options = {"protocol_whitelist": "file"}
    with av.open(f"file:{source}", options=options) as container:
        if not container.streams.video:
            raise ValueError("it has no video")
        stream = container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            raise ValueError(f"{stream.width}x{stream.height} is above 7680x4320")
        graph = _graph(stream, encoding)
        for frame in islice(container.decode(stream), MAX_DECODED_FRAMES):
            graph.push(frame)
            yield from _pulled(graph)
        graph.push(None)
        yield from _pulled(graph)


def _graph(stream: av.VideoStream, encoding: Encoding) -> av.filter.Graph:
    width, height = encoding.width, encoding.height
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_buffer(template=stream),
        graph.add("fps", str(encoding.frames_per_second)),
        graph.add("scale", f"{width}:{height}:force_original_aspect_ratio=decrease"),
        graph.add("pad", f"{width}:{height}:(ow-iw)/2:(oh-ih)/2"),
        graph.add("setsar", "1"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    ).configure()
    return graph


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    while True:
        try:
            frame = graph.pull()
        except (av.error.BlockingIOError, av.error.EOFError):
            return
        assert isinstance(frame, av.VideoFrame)
        yield frame
