"""The paths of a case, read once a second."""

import asyncio
from typing import NamedTuple

from sfukit.errors import MachineError
from sfukit.loadgen.metrics.figures import Figures, FlowFigures, LinkFigures
from sfukit.swarm.messages import Snapshot
from sfukit.swarm.native import Swarm

_NS_PER_S = 1e9
_MAX_READINGS = 3_600


class Reading(NamedTuple):
    """What was counted up to a time of the run."""

    at_s: float
    links: list[LinkFigures]
    flows: list[FlowFigures]


class PathSampler:
    """Reads the links and flows of a swarm from a time of the run on."""

    def __init__(self, swarm: Swarm) -> None:
        self.readings: list[Reading] = []
        self._swarm = swarm

    async def follow(self, start_ns: int, first_s: float, last_s: float) -> None:
        """Read at ``first_s`` of the run, then each second, and at ``last_s``."""
        at_s = first_s
        while len(self.readings) < _MAX_READINGS:
            due_ns = start_ns + round(at_s * _NS_PER_S)
            await asyncio.sleep(max(0.0, (due_ns - self._swarm.now_ns()) / _NS_PER_S))
            await self._read(start_ns)
            if at_s >= last_s:
                return
            at_s = min(at_s + 1.0, last_s)

    async def _read(self, start_ns: int) -> None:
        try:
            figures = await self._swarm.request(Snapshot(links=True), Figures)
        except MachineError:
            return  # an overloaded swarm leaves a longer interval
        at_s = (figures.at_ns - start_ns) / _NS_PER_S
        self.readings.append(Reading(at_s, figures.links, figures.flows))
