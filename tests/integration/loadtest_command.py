"""The command ``sfukit loadtest`` as a process, with its report."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import NamedTuple

import msgspec

from sfukit.loadgen.result.report import LoadtestReport

SHORT = ("--duration", "2s", "--warmup", "1s", "--seed", "7")
_RUN_S = 90.0


class Outcome(NamedTuple):
    """How a load test ended."""

    code: int
    out: str
    err: str
    report: LoadtestReport | None

    @property
    def measured(self) -> LoadtestReport:
        """The report, which has to be there."""
        assert self.report is not None, self.out + self.err
        return self.report


class Loadtest:
    """The command ``sfukit loadtest`` as a process."""

    def __init__(self, folder: Path) -> None:
        self._json = folder / "report.json"
        own = {"XDG_STATE_HOME": str(folder), "XDG_CACHE_HOME": str(folder)}
        self._environment = os.environ | own

    async def start(self, *options: str, before: tuple[str, ...] = ()) -> Process:
        command = [*before, sys.executable, "-m", "sfukit", "loadtest", *options]
        if "--json" not in options:
            command += ["--json", str(self._json)]
        return await asyncio.create_subprocess_exec(
            *command, stdout=PIPE, stderr=PIPE, env=self._environment
        )

    async def finish(self, process: Process, *, told: str = "") -> Outcome:
        async with asyncio.timeout(_RUN_S):
            out, err = await process.communicate()
        report = None
        if self._json.exists():
            report = msgspec.json.decode(self._json.read_bytes(), type=LoadtestReport)
        assert process.returncode is not None
        return Outcome(process.returncode, told + out.decode(), err.decode(), report)

    async def __call__(self, *options: str, before: tuple[str, ...] = ()) -> Outcome:
        return await self.finish(await self.start(*options, before=before))
