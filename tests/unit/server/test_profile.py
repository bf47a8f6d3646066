"""The CPU profile: kinds of work, signals, the file."""

import gc
import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfukit.server.profile import Profiler, work_of
from sfukit.signaling import sdp

OFFER = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" + "a=x\r\n" * 500


@pytest.fixture
def profiler(tmp_path: Path) -> Iterator[Profiler]:
    handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGPROF)}
    profiler = Profiler(tmp_path / "profile.json")
    profiler.install()
    yield profiler
    signal.setitimer(signal.ITIMER_PROF, 0)
    profiler.remove()
    for number, handler in handlers.items():
        signal.signal(number, handler)


def test_the_work_of_a_second_is_named(profiler: Profiler, tmp_path: Path) -> None:
    os.kill(os.getpid(), signal.SIGUSR2)
    end_s = time.thread_time() + 0.3
    while time.thread_time() < end_s:
        sdp.parse(OFFER)
    gc.collect()
    os.kill(os.getpid(), signal.SIGUSR2)
    written = json.loads((tmp_path / "profile.json").read_text())
    assert 0.2 < written["cpu_s"] < 1.0
    assert written["samples"] > 10
    shares = {entry["work"]: entry["share"] for entry in written["entries"]}
    assert shares["SDP parsing"] > 0.5
    assert shares["garbage collection"] > 0
    assert written["longest_collection_ms"] > 0
    assert sum(shares.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("stack", "work"),
    [
        ([("/x/sfukit/signaling/sdp.py", "parse")], "SDP parsing"),
        ([("/lib/json.py", "dumps"), ("/x/sfukit/signaling/jsonrpc.py", "result")], "JSON"),
        ([("/lib/aiohttp/web_ws.py", "ping"), ("/x/sfukit/server/run.py", "serve")], "WebSocket"),
        ([("/x/sfukit/server/run.py", "serve")], "event loop and sockets"),
        ([("/lib/asyncio/events.py", "_run")], "event loop and sockets"),
        ([], "event loop and sockets"),
    ],
)
def test_the_innermost_known_frame_decides(stack: list[tuple[str, str]], work: str) -> None:
    assert work_of(stack)[0] == work
