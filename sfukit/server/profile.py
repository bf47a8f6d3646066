"""A sampling CPU profile of the event loop's thread, by kind of work.

The timer counts CPU time (ITIMER_PROF), so that an idle loop has no samples. Each sample has the
weight of the thread's own CPU time since the one before: the media workers run in other threads,
and their time moves the timer but not the weights. Python runs a signal handler between two
instructions, so that time in C code (sockets, JSON, encryption) counts for the Python function
that called it, and time in the event loop itself for the callback after it.
"""

import gc
import json
import signal
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

_INTERVAL_S = 0.002
_FUNCTIONS = 5  # the costliest of each kind of work
_MAX_DEPTH = 60  # frames of one stack

# The first part of a file name that matches a frame, from the innermost frame outwards, decides.
_WORK: Sequence[tuple[str, str]] = (
    ("sfukit/signaling/sdp", "SDP parsing"),
    ("sfukit/signaling/grammar", "SDP parsing"),
    ("sfukit/signaling/format_parameters", "SDP parsing"),
    ("sfukit/signaling/jsonrpc", "JSON"),
    ("sfukit/signaling/token", "tokens"),
    ("sfukit/server/access", "tokens"),
    ("/jwt/", "tokens"),
    ("/hmac", "tokens"),
    ("sfukit/signaling/", "negotiation"),
    ("sfukit/server/publish_connection", "negotiation"),
    ("sfukit/server/subscribe_connection", "negotiation"),
    ("sfukit/server/publication", "negotiation"),
    ("sfukit/server/engine_metrics", "metrics"),
    ("sfukit/server/metrics", "metrics"),
    ("/prometheus_client/", "metrics"),
    ("sfukit/server/engine", "media engine commands"),
    ("sfukit/server/core", "media engine commands"),
    ("sfukit/server/logs", "log lines"),
    ("/structlog/", "log lines"),
    ("sfukit/server/call_limits", "request limits"),
    ("sfukit/server/limiter", "request limits"),
    ("sfukit/buckets", "request limits"),
    ("sfukit/server/rpc_session", "WebSocket"),
    ("sfukit/server/outbox", "WebSocket"),
    ("/aiohttp/_websocket/", "WebSocket"),
    ("/aiohttp/web_ws", "WebSocket"),
    ("/aiohttp/", "HTTP"),
    ("sfukit/server/app", "HTTP"),
    ("sfukit/server/connections", "HTTP"),
    ("sfukit/server/listener", "HTTP"),
    ("sfukit/server/requests", "HTTP"),
    ("sfukit/server/run", "event loop and sockets"),
    ("sfukit/server/", "rooms and participants"),
)
_COLLECTION = "garbage collection"
_MS_PER_S = 1000.0
_REST = "event loop and sockets"


class Profiler:
    """The samples between two signals; written to a file at the second one."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._cpu_s: defaultdict[str, float] = defaultdict(float)
        self._functions: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._samples = 0
        self._last_s = 0.0
        self._collection_began_s = self._longest_collection_s = 0.0
        self._running = self._collecting = False

    def install(self) -> None:
        """Let SIGUSR2 start the profile, and end it the second time."""
        signal.signal(signal.SIGUSR2, self._toggle)
        signal.signal(signal.SIGPROF, self._sample)
        signal.siginterrupt(signal.SIGPROF, False)
        gc.callbacks.append(self._collection)

    def remove(self) -> None:
        """Ignore the signals again."""
        for number in (signal.SIGUSR2, signal.SIGPROF):
            signal.signal(number, signal.SIG_IGN)
        gc.callbacks.remove(self._collection)

    def _toggle(self, _number: int, _frame: FrameType | None) -> None:
        self._running = not self._running
        interval_s = _INTERVAL_S if self._running else 0.0
        self._last_s = time.thread_time()
        signal.setitimer(signal.ITIMER_PROF, interval_s, interval_s)
        if not self._running:
            self._write()

    def _sample(self, _number: int, frame: FrameType | None) -> None:
        if self._collecting:
            return
        now_s = time.thread_time()
        spent_s, self._last_s = now_s - self._last_s, now_s
        self._samples += 1
        work, function = work_of(_stack(frame))
        self._cpu_s[work] += spent_s
        self._functions[work, function] += spent_s

    def _collection(self, phase: str, info: dict[str, int]) -> None:
        """Count a garbage collection, in which no signal handler runs."""
        if not self._running:
            return
        now_s = time.thread_time()
        if phase == "start":
            self._collecting, self._collection_began_s = True, now_s
            return
        spent_s = now_s - self._collection_began_s
        self._last_s += spent_s  # not in the sample that follows
        self._cpu_s[_COLLECTION] += spent_s
        self._functions[_COLLECTION, f"generation {info['generation']}"] += spent_s
        self._longest_collection_s = max(self._longest_collection_s, spent_s)
        self._collecting = False

    def _write(self) -> None:
        part = self._file.with_suffix(".part")
        part.write_text(json.dumps(self._report()), encoding="utf-8")
        part.replace(self._file)

    def _report(self) -> dict[str, Any]:
        total_s = sum(self._cpu_s.values())
        entries = []
        for work, cpu_s in sorted(self._cpu_s.items(), key=lambda entry: -entry[1]):
            own = {name: s for (kind, name), s in self._functions.items() if kind == work}
            functions = sorted(own, key=lambda name: -own[name])[:_FUNCTIONS]
            share = cpu_s / total_s if total_s else 0.0
            entries.append({"work": work, "share": share, "cpu_s": cpu_s, "functions": functions})
        return {
            "samples": self._samples,
            "cpu_s": total_s,
            "longest_collection_ms": self._longest_collection_s * _MS_PER_S,
            "entries": entries,
        }


def work_of(stack: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Return the kind of work of a stack, innermost frame first, and the function that decides."""
    for path, function in stack:
        for part, work in _WORK:
            if part in path:
                return work, function
    return _REST, stack[0][1] if stack else ""


def _stack(frame: FrameType | None) -> list[tuple[str, str]]:
    return list(_frames(frame))


def _frames(frame: FrameType | None) -> Iterator[tuple[str, str]]:
    for _ in range(_MAX_DEPTH):
        if frame is None:
            return
        code = frame.f_code
        yield code.co_filename, code.co_qualname if hasattr(code, "co_qualname") else code.co_name
        frame = frame.f_back
