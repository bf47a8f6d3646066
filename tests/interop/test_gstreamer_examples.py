"""The GStreamer programs of examples/: a test video, a camera, a file by WHIP, played by WHEP."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import absent
from tests.interop.server import Server, serving

pytestmark = pytest.mark.realtime

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "gstreamer"
WIDTH, HEIGHT = 320, 180
FRAMES = 15
MEDIA_S = 30
HOW = "on Debian: apt-get install python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-nice"
NEEDED = """
import gi
for name in ("Gst", "GstSdp", "GstWebRTC"):
    gi.require_version(name, "1.0")
from gi.repository import Gst, GstSdp, GstWebRTC
Gst.init(None)
for element in ("webrtcbin", "nicesrc", "vp8enc", "opusenc", "v4l2src"):
    assert Gst.ElementFactory.find(element), element
"""
FROM_PIPELINE = """
import sys
sys.path.insert(0, sys.argv[1])
from session import Session, parsed
Session(parsed(sys.argv[2]), sys.argv[3], None).run()
"""


@pytest.fixture(scope="module")
def python() -> str:
    """Return the interpreter with PyGObject, which is that of the system."""
    for interpreter in ("/usr/bin/python3", sys.executable):
        if Path(interpreter).exists():
            tried = subprocess.run([interpreter, "-c", NEEDED], capture_output=True, check=False)
            if tried.returncode == 0:
                return interpreter
    absent("GStreamer for Python", HOW)
    raise AssertionError


@contextlib.asynccontextmanager
async def running(*command: str | Path) -> AsyncIterator[Process]:
    """Run a program until the block ends, then interrupt it: it has to end well."""
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE, stderr=PIPE)
    try:
        yield process
    except BaseException as failure:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        failure.add_note((await process.communicate())[1].decode(errors="replace"))
        raise
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGINT)
    _, printed = await asyncio.wait_for(process.communicate(), MEDIA_S)
    assert process.returncode == 0, printed.decode()


async def played(python: str, url: str, audio: Path) -> tuple[np.ndarray, int]:
    """Play; return the luma of some frames, and the peak of the audio."""
    grey = "videoscale ! video/x-raw,format=GRAY8,width={},height={} ! fdsink"
    sinks = (
        "--video-sink",
        grey.format(WIDTH, HEIGHT),
        "--audio-sink",
        f"filesink location={audio}",
    )
    async with running(python, EXAMPLES / "play.py", url, *sinks) as player:
        assert player.stdout is not None
        wanted = FRAMES * WIDTH * HEIGHT
        luma = await asyncio.wait_for(player.stdout.readexactly(wanted), MEDIA_S)
    samples = np.frombuffer(audio.read_bytes(), dtype="<i2")
    frames = np.frombuffer(luma, dtype=np.uint8).reshape(FRAMES, HEIGHT, WIDTH)
    return frames, int(samples.max(initial=0))


def assert_ball(frames: np.ndarray) -> None:
    """Assert that the frames show a white ball on black."""
    assert all(frame.max() > 200 and frame.mean() < 60 for frame in frames)


async def test_a_test_video_is_published_and_played(
    server: Server, python: str, tmp_path: Path
) -> None:
    size = ("--size", f"{WIDTH}x{HEIGHT}")
    async with running(python, EXAMPLES / "publish.py", server.url("/whip/test"), *size):
        await server.published("test")
        frames, peak = await played(python, server.url("/whep/test"), tmp_path / "audio")
    assert_ball(frames)
    assert peak > 3000
    [room] = [room for room in server.rooms()["rooms"] if room["room"] == "test"]
    assert room["participants"] == []  # both ended their sessions


def make_file(launch: str, file: Path) -> None:
    """Make a file of 7 s."""
    pipeline = (
        "videotestsrc pattern=ball num-buffers=210 ! video/x-raw,width=320,height=180,"
        "framerate=30/1 ! vp8enc deadline=1 cpu-used=8 ! mux."
        " audiotestsrc freq=440 num-buffers=300 ! audioconvert ! opusenc ! mux."
        " webmmux name=mux ! filesink"
    )
    subprocess.run([launch, "-q", *pipeline.split(), f"location={file}"], check=True)


async def test_a_file_is_published_to_its_end(
    server: Server,
    python: str,
    program: Callable[[str, str], str],
    tmp_path: Path,
) -> None:
    launch = program("gst-launch-1.0", "on Debian: apt-get install gstreamer1.0-tools")
    file = tmp_path / "a talk.webm"
    make_file(launch, file)
    async with running(
        python, EXAMPLES / "publish.py", server.url("/whip/file"), "--file", file
    ) as publisher:
        await server.published("file")
        frames, peak = await played(python, server.url("/whep/file"), tmp_path / "audio")
        assert await asyncio.wait_for(publisher.wait(), MEDIA_S) == 0  # at the end of the file
    assert_ball(frames)
    assert peak > 3000


async def test_a_camera_is_published(server: Server, python: str, tmp_path: Path) -> None:
    """Where no camera is: its pipeline, with a test video in place of the device."""
    command = (python, EXAMPLES / "publish.py", "unused", "--camera", "/dev/video9", "--print")
    printed = (await asyncio.to_thread(subprocess.check_output, command, text=True)).strip()
    camera, microphone = 'v4l2src device="/dev/video9"', "autoaudiosrc"
    assert camera in printed and microphone in printed
    text = printed.replace(camera, "videotestsrc is-live=true pattern=ball")
    text = text.replace(microphone, "audiotestsrc is-live=true")
    url = server.url("/whip/camera")
    async with running(python, "-c", FROM_PIPELINE, EXAMPLES, text, url):
        await server.published("camera")
        frames, peak = await played(python, server.url("/whep/camera"), tmp_path / "audio")
    assert_ball(frames)
    assert peak > 3000


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--camera", "/dev/no-camera"), "/dev/no-camera"),
        (("--file", "/no-file.webm"), "--file /no-file.webm: there is no such file"),
        ((), "401 Unauthorized"),
    ],
)
def test_what_fails_is_said(
    python: str, tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    with serving(tmp_path, "--api-key", "key", "--api-secret", "s" * 32) as server:
        ended = subprocess.run(
            [python, EXAMPLES / "publish.py", server.url("/whip/a"), *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=MEDIA_S,
        )
    assert ended.returncode in (1, 2)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
