"""A measurement of ``sfukit latency`` inside a test: short options, the samples as they come."""

import asyncio
from collections.abc import Callable
from dataclasses import replace

from sfukit import gates
from sfukit.loadgen.latency import result
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.result import LatencyReport, Sample
from sfukit.loadgen.latency.run import run
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.swarm import impairment

LOAD = LoadOptions(
    rooms=1,
    publishers=1,
    subscribers=1,
    audio="none",
    simulcast=False,
    bitrate_bps=500_000,
    warmup_s=0.0,
    duration_s=3.0,
    seed=7,
)


class Watcher:
    """The lines and samples of a measurement; ``on_sample`` is called with each sample."""

    def __init__(self, on_sample: Callable[[Sample], None] | None = None) -> None:
        self.lines: list[str] = []
        self.samples: list[Sample] = []
        self._on_sample = on_sample

    def report(self, label: str, text: str) -> None:
        self.lines.append(f"{label} {text}".strip())

    def sample(self, sample: Sample) -> None:
        self.samples.append(sample)
        if self._on_sample is not None:
            self._on_sample(sample)


def options(
    target: str | None = None,
    *,
    play: str | None = None,
    duration_s: float = 3.0,
    join_timeout_s: float = 10.0,
    net_up: str | None = None,
    net_down: str | None = None,
    gate: tuple[str, ...] = (),
) -> LatencyOptions:
    load = replace(
        LOAD,
        duration_s=duration_s,
        net_up=impairment.parse(net_up, "--net-up") if net_up else None,
        net_down=impairment.parse(net_down, "--net-down") if net_down else None,
    )
    run_options = RunOptions(
        load=load,
        target=target,
        play=play,
        join_timeout_s=join_timeout_s,
        gates=tuple(gates.parse(one, result.catalogue()) for one in gate),
        default_gates=False,
    )
    return LatencyOptions(run=run_options)


async def measured(
    given: LatencyOptions, watcher: Watcher | None = None, stop: asyncio.Event | None = None
) -> LatencyReport:
    async with asyncio.timeout(60):
        return await run(given, watcher or Watcher(), stop or asyncio.Event())
