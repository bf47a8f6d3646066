"""Measure one case: both engines through the relay, and what the relay saw meanwhile."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
import msgspec

from sfukit.loadgen.host import server_process
from sfukit.loadgen.latency.options import Engine, LatencyOptions
from sfukit.loadgen.latency.result import LatencyReport, Sample
from sfukit.loadgen.latency.run import run
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.machine import usable_cores
from tools.ruler.cases import BITRATE_BPS, Case
from tools.ruler.recording import Session, Window

_SEED = 7
_INTERVAL_S = 0.1  # the jitter falls and rises within a frame: many readings of it
_SERVER = ("--max-publish-bitrate", "5M")


@dataclass
class Observed:
    """The samples of one engine, and when each was taken."""

    samples: list[Sample] = field(default_factory=list)
    taken_s: list[float] = field(default_factory=list)

    @property
    def window(self) -> Window:
        """The measured window, by the monotonic clock."""
        return Window(self.taken_s[0] - self.samples[0].at_s, self.taken_s)


@dataclass(frozen=True)
class Measured:
    """One case: the report, the samples by engine, and the sessions in order of opening."""

    case: Case
    report: LatencyReport
    native: Observed
    aiortc: Observed
    sessions: list[Session]

    def session(self, engine: Engine, role: str) -> Session:
        """Return the session of an engine's participant."""
        return [one for one in self.sessions if one.role == role][engine == "aiortc"]


class _Observer:
    def __init__(self) -> None:
        self.native, self.aiortc = Observed(), Observed()
        self._current = self.native

    def report(self, label: str, text: str) -> None:
        """Take the line that begins the second engine."""
        if label == "engine":
            self._current = self.aiortc

    def sample(self, sample: Sample) -> None:
        """Note a sample, and when it came."""
        self._current.samples.append(sample)
        self._current.taken_s.append(time.monotonic())


class Bench:
    """A private server behind a relay."""

    def __init__(self, relay_url: str) -> None:
        self._relay = relay_url

    async def measure(self, case: Case, duration_s: float, engine: Engine) -> Measured:
        """Measure one case."""
        async with httpx.AsyncClient(base_url=self._relay, trust_env=False) as client:
            network = msgspec.json.encode(case.network)
            (await client.put("/network", content=network)).raise_for_status()
            observer = _Observer()
            report = await run(self._options(duration_s, engine), observer, asyncio.Event())
            reply = (await client.get("/recording", timeout=60)).raise_for_status()
        sessions = msgspec.json.decode(reply.content, type=list[Session])
        return Measured(case, report, observer.native, observer.aiortc, sessions)

    def _options(self, duration_s: float, engine: Engine) -> LatencyOptions:
        load = LoadOptions(
            rooms=1,
            publishers=1,
            subscribers=1,
            audio="none",
            simulcast=False,
            bitrate_bps=BITRATE_BPS,
            warmup_s=0.0,
            duration_s=duration_s,
            seed=_SEED,
        )
        run_options = RunOptions(
            load=load,
            target=f"whip+{self._relay}/whip/ruler",
            play=f"{self._relay}/whep/ruler",
            default_gates=False,
        )
        return LatencyOptions(run=run_options, engine=engine, interval_s=_INTERVAL_S)


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    """Start a private server and a relay in front of it."""
    server = await server_process.start(_SERVER, usable_cores())
    try:
        relay = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "tools.ruler.relay", server.ready.url),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert relay.stdout is not None and relay.stdin is not None
        try:
            url = (await asyncio.wait_for(relay.stdout.readline(), 30)).decode().strip()
            yield Bench(url)
        finally:
            relay.stdin.close()
            await relay.wait()
    finally:
        await server.stop()
