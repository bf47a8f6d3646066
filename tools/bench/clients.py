"""Rows of receiving clients: the swarm beside a client made of pion, and 2,000 bots."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from sfukit import machine
from sfukit.loadgen.result.report import LoadtestReport
from tools.bench import load_figures
from tools.bench.figure import Figure, at_most, ratio
from tools.bench.own_server import serving
from tools.bench.runs import RunError, Runs

_US_PER_S = 1e6
_PION = Path(__file__).parent / "pion"
_VIDEO = ["--no-simulcast", "--bitrate", "1.7M", "--audio", "none", "--srtp", "gcm128"]
_STOP_S = 20.0
_COMMAND = (sys.executable, "-P", "-m", "sfukit", "loadtest")


class _Received(msgspec.Struct):
    subscribers: int
    packets: int
    cpu_s: float
    wall_s: float

    @property
    def us_per_packet(self) -> float:
        return self.cpu_s / self.packets * _US_PER_S


def beside_pion(runs: Runs) -> list[Figure]:
    """CPU time per received packet of the swarm and of pion, in turn against one server."""
    subscribers, duration = runs.count(120, 4), runs.span(10, 2)
    binary = runs.go_program(_PION)
    swarm_us, pion_us = [], []
    with serving() as server:
        publish, play = f"whip+{server.url}/whip/bench", f"{server.url}/whep/bench"
        for _ in range(runs.count(3)):
            load = (*_VIDEO, "--warmup", "3s", "--duration", duration)
            report = runs.run_loadtest(
                publish, "--play", play, "--clients", f"{subscribers + 1}", *load
            )
            per_us = load_figures.received_us(report)
            if per_us is None:
                raise RunError(f"the swarm received nothing: {report.reasons}")
            swarm_us.append(per_us)
            with _publishing(publish, *_VIDEO):
                printed = runs.program(
                    binary, *f"-url {play} -subscribers {subscribers} -duration {duration}".split()
                )
            pion_us.append(msgspec.json.decode(printed, type=_Received).us_per_packet)
    swarm, pion = statistics.median(swarm_us), statistics.median(pion_us)
    return [
        Figure("swarm: us per received packet", swarm, "us"),
        Figure("pion: us per received packet", pion, "us"),
        Figure("swarm, times pion's", ratio(swarm, pion), "", at_most(1 / 3)),
    ]


def two_thousand(runs: Runs) -> list[Figure]:
    """One publisher of 500 kb/s, with 200 and with 2,000 subscribers in one process."""
    fewer, subscribers = runs.count(200, 2), runs.count(2_000, 4)
    machine.raise_open_files(machine.open_files_for(subscribers))
    return load_figures.many_receivers(_receivers(runs, fewer), _receivers(runs, subscribers))


def _receivers(runs: Runs, subscribers: int) -> LoadtestReport:
    return runs.loadtest(
        *f"--scenario broadcast --clients {subscribers + 1} --no-simulcast --bitrate 500k".split(),
        *f"--audio none --srtp gcm128 --ramp 40/s --duration {runs.span(20, 2)}".split(),
        *("--no-default-gates", "-T", "joins==100%"),
    )


@contextmanager
def _publishing(target: str, *media: str) -> Iterator[None]:
    """Publish by one bot until the measurement is over; wait for its first packets."""
    command = [*_COMMAND, target, "--clients", "1", *media, "--warmup", "1s", "--duration", "10m"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        try:
            if not any("1/1 joined" in line for line in process.stdout):
                raise RunError("the publisher did not join")
            yield
        finally:
            process.terminate()
            try:
                process.communicate(timeout=_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
