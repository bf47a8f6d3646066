"""One host behind one NAT, in many runs at once: which ports the NAT gives it."""

import numpy as np
import numpy.typing as npt

from sfukit.probe.natlab.conditions import Conditions
from sfukit.probe.natlab.kinds import NatKind

Ports = npt.NDArray[np.int64]
Times = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

LOWEST_PORT = 1024
PORTS = 65536 - LOWEST_PORT
SAMPLES = 5  # the articles' predictor looks at the last five mapped ports
SAMPLE_GAP_S = 0.05
PROBE_GAP_S = 0.005


def as_port(number: Ports) -> Ports:
    """Bring a counter into the range of ports that NATs give out."""
    return (number - LOWEST_PORT) % PORTS + LOWEST_PORT


class Side:
    """The mappings of one host; arrays have one row per run.

    ``signaled`` is the mapped port at the servers, sent to the peer; ``mapped`` is the current port
    of an endpoint-independent NAT: another one where the mapping has expired.
    """

    def __init__(
        self, kind: NatKind, conditions: Conditions, runs: int, rng: np.random.Generator
    ) -> None:
        self.kind = kind
        self._conditions = conditions
        self._rng = rng
        self.runs = runs
        self.signaled = self._anywhere(1)[:, 0]
        self._counter = self.signaled.copy()
        self._of_peer: Ports | None = None
        self.mapped = self._after_idling()

    def sample(self) -> Ports:
        """Ask ``SAMPLES`` servers in turn; give the mapped ports, runs x SAMPLES."""
        if not self.kind.symmetric:
            return np.repeat(self.mapped[:, None], SAMPLES, axis=1)
        return self._fresh(SAMPLES, SAMPLE_GAP_S)

    def wait(self, seconds: float) -> None:
        """Advance the time, in which cross traffic takes ports of a sequential NAT."""
        self._counter = self._counter + self._others(seconds, 1)[:, 0]

    def towards_peer(self, ports: int) -> Ports:
        """Send to that many ports of the peer in turn; give the mapped ports, runs x ports."""
        match self.kind.mapping:
            case "EIM":
                one = self.mapped[:, None]
            case "ADM":
                if self._of_peer is None:
                    self._of_peer = self._fresh(1, PROBE_GAP_S)
                one = self._of_peer
            case "APDM":
                return self._fresh(ports, PROBE_GAP_S)
        return np.repeat(one, ports, axis=1)

    def _fresh(self, count: int, gap_s: float) -> Ports:
        if self.kind.allocation != "sequential":
            return self._anywhere(count)
        steps = 1 + self._others(gap_s, count)
        numbers = self._counter[:, None] + np.cumsum(steps, axis=1)
        self._counter = numbers[:, -1]
        return as_port(numbers)

    def _others(self, seconds: float, count: int) -> Ports:
        expected = self._conditions.cross_traffic_per_s * seconds
        return self._rng.poisson(expected, (self.runs, count))

    def _anywhere(self, count: int) -> Ports:
        return self._rng.integers(LOWEST_PORT, 65536, (self.runs, count))

    def _after_idling(self) -> Ports:
        """A NAT that preserves ports gives a forgotten mapping the same port again."""
        if self.kind.allocation == "preserving" or self._conditions.stale == 0:
            return self.signaled
        forgotten = self._rng.random(self.runs) < self._conditions.stale
        return np.where(forgotten, self._fresh(1, SAMPLE_GAP_S)[:, 0], self.signaled)
