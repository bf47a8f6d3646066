"""``sfukit loadtest --workers N``: the shards of a plan in processes here, in one report."""

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NoReturn

import msgspec

from sfukit import report
from sfukit.cli import interruptible, report_merge
from sfukit.cli.dask_worker import Unseen
from sfukit.cli.loadtest_outputs import Outputs
from sfukit.cli.loadtest_preflight import preflight_of
from sfukit.cli.loadtest_view import View
from sfukit.cli.output import Output
from sfukit.errors import MachineError, SfukitError
from sfukit.loadgen import scenario
from sfukit.loadgen.host.server_process import die_with_parent
from sfukit.loadgen.merging import parts
from sfukit.loadgen.options import RunOptions, Shard
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.run import prepare
from sfukit.loadgen.shards import start
from sfukit.loadgen.timeline import Progress, summed

_LEAD_S = 2.0  # beyond --join-timeout, until all processes have checked the target
_READY_S = 60.0
_PROGRESS_S = 0.5
_ENDING_S = 1.0
_SPARE_S = 60.0  # beyond the plan, until a report is there


class _Answer(msgspec.Struct, frozen=True):
    """The end of a process: a report, or why there is none."""

    report: msgspec.Raw = msgspec.Raw(b"null")
    error: str | None = None


class _Process:
    """One process and its end of a pipe.

    It is told when to start, sends its progress now and then, and answers once.
    """

    def __init__(self, options: RunOptions) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        self._process = context.Process(target=_work, args=(far, options), daemon=True)
        self._process.start()
        far.close()

    async def received(self, limit_s: float) -> Any:
        """Return what the process sends; raise ``MachineError`` where it ended or is late."""
        await self._readable(limit_s)
        try:
            return self.pipe.recv()
        except (EOFError, OSError) as error:
            self._process.join(_ENDING_S)
            raise MachineError(f"ended early (exit code {self._process.exitcode})") from error

    async def answer(self, limit_s: float, show: Callable[[Progress], None]) -> Any:
        """Return the answer; the progress until then is passed to ``show``."""
        until_s = time.monotonic() + limit_s
        while True:
            message = await self.received(until_s - time.monotonic())
            if not isinstance(message, Progress):
                return message
            show(message)

    async def _readable(self, limit_s: float) -> None:
        loop, readable = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(self.pipe.fileno(), readable.set)
        try:
            async with asyncio.timeout(limit_s):
                await readable.wait()
        except TimeoutError as error:
            raise MachineError(f"had no report within {limit_s:.0f} s") from error
        finally:
            loop.remove_reader(self.pipe.fileno())
            os.set_blocking(self.pipe.fileno(), True)  # uvloop leaves it non-blocking

    def stop(self) -> None:
        """Let the process end early, with its metrics so far."""
        if self._process.is_alive() and self._process.pid is not None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def end(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def run(count: int, options: RunOptions, out: Output, outputs: Outputs) -> NoReturn:
    """Run, print, save; exit with the code of the merged verdict."""
    planned = scenario.plan(options.load)
    shards = [Shard(index, count) for index in range(1, count + 1)]
    for shard in shards:
        planned.shared(shard)  # each has a client

    async def whole(stop: asyncio.Event) -> tuple[list[parts.Part], dict[int, str]]:
        with View(out) as view:
            await prepare(options)  # a target that cannot be used is refused once
            view.report("", f"{count} processes, target {options.target}")
            return await _collected(shards, options, view, stop)

    found, absent = interruptible.run(whole)
    if not found:
        raise MachineError(f"no process has a report: process 1: {absent[1]}")
    report_merge.ended(report_merge.merged(found, absent), out, outputs)


async def _collected(
    shards: Sequence[Shard], options: RunOptions, view: View, stop: asyncio.Event
) -> tuple[list[parts.Part], dict[int, str]]:
    processes = {one.index: _Process(replace(options, shard=one)) for one in shards}
    stopping = asyncio.create_task(_stop(processes, stop))
    found: list[parts.Part] = []
    absent: dict[int, str] = {}
    try:
        await asyncio.gather(*(one.received(_READY_S) for one in processes.values()))
        start_at_s = options.start_at_s or time.time() + options.join_timeout_s + _LEAD_S
        view.report("start", start.show(start_at_s))
        for one in processes.values():
            one.pipe.send(start_at_s)
        limit_s = start_at_s - time.time() + scenario.plan(options.load).total_s + _SPARE_S
        shown = _Progress(view, len(shards))
        answers = {
            index: one.answer(limit_s, partial(shown.update, index))
            for index, one in processes.items()
        }
        came = await asyncio.gather(*answers.values(), return_exceptions=True)
        for index, answer in zip(answers, came, strict=True):
            _take(index, answer, found, absent)
    finally:
        stopping.cancel()
        for one in processes.values():
            one.end()
    return found, absent


def _take(index: int, answer: Any, found: list[parts.Part], absent: dict[int, str]) -> None:
    if isinstance(answer, MachineError):
        absent[index] = f"process {index} {answer.what}"
        return
    if isinstance(answer, BaseException):
        raise answer
    decoded = msgspec.json.decode(answer, type=_Answer)
    if decoded.error is not None:
        absent[index] = decoded.error
        return
    made = msgspec.json.decode(decoded.report, type=LoadtestReport)
    found.append(parts.part(f"process {index}", made))


async def _stop(processes: dict[int, _Process], stop: asyncio.Event) -> None:
    await stop.wait()
    for one in processes.values():
        one.stop()


class _Progress:
    """The progress of all processes in one."""

    def __init__(self, view: View, count: int) -> None:
        self._view = view
        self._count = count
        self._of: dict[int, Progress] = {}

    def update(self, index: int, progress: Progress) -> None:
        """Take the progress of a process."""
        self._of[index] = progress
        if len(self._of) == self._count:
            self._view.progress(summed(list(self._of.values())))


class _Sender(Unseen):
    """An observer that sends the progress to the process that started this one."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sent_s = 0.0

    def progress(self, progress: Progress) -> None:
        """Send the progress now and then; its intervals stay here."""
        if time.monotonic() - self._sent_s >= _PROGRESS_S:
            self._sent_s = time.monotonic()
            self._pipe.send(replace(progress, intervals=()))


def _work(pipe: Connection, options: RunOptions) -> None:
    """Run one shard in a process of its own, and answer on a pipe.

    It ends with its parent, which passes Ctrl-C on.
    """
    os.setpgrp()
    die_with_parent()
    from sfukit.loadgen.run import run as run_load

    async def whole(stop: asyncio.Event) -> LoadtestReport:
        preflight = preflight_of(options.target or "", options, Unseen().report, stop)
        started = replace(options, start_at_s=pipe.recv())
        return await run_load(started, _Sender(pipe), stop, preflight)

    pipe.send(None)
    try:
        answer = _Answer(report=msgspec.Raw(report.encode(interruptible.run(whole)).encode()))
    except SfukitError as error:
        answer = _Answer(error=error.what)
    pipe.send(msgspec.json.encode(answer))
