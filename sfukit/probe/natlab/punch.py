"""Hole punching between two NATs in network namespaces, with a rendezvous server.

Mapping and filtering are the kernel's instead of the model's; the strategies are the same.
"""

import os
import select
import socket
import time
from collections.abc import Sequence

import numpy as np

from sfukit.errors import MachineError, UsageError
from sfukit.probe import system
from sfukit.probe.natlab import matrix, netns, punching, sockets
from sfukit.probe.natlab.cell import Cell
from sfukit.probe.natlab.conditions import Conditions
from sfukit.probe.natlab.kinds import NatKind
from sfukit.probe.natlab.netns import SERVER_IPS, Topology
from sfukit.probe.natlab.side import PROBE_GAP_S, SAMPLE_GAP_S, SAMPLES
from sfukit.probe.natlab.strategies import Outcomes
from sfukit.probe.natlab.strategy_names import REAL_STRATEGIES, Strategy

_PORTS = (3478, 3479, 3480)
_ROUNDS = 5
_ROUND_S = 0.03
_PROBE, _ANSWER = b"probe", b"answer"

Address = tuple[str, int]


async def cell(
    strategy: Strategy, a: NatKind, b: NatKind, conditions: Conditions, runs: int, seed: int
) -> Cell:
    """Build the two NATs and run hole punching of two hosts ``runs`` times with new sockets.

    Of the conditions loss and cross traffic are made. Raises ``UsageError`` for what only the model
    knows, ``MachineError`` without root.
    """
    if strategy not in REAL_STRATEGIES:
        raise UsageError(
            f"--strategy {strategy}: in namespaces there are only {' and '.join(REAL_STRATEGIES)}",
            hint="use --backend sim",
        )
    async with netns.topology(a.name, b.name, loss_percent=round(conditions.loss * 100)) as world:
        lab = _Lab(world, conditions, np.random.default_rng(seed))
        try:
            tried = [lab.run(strategy) for _ in range(runs)]
        finally:
            lab.close()
    times = np.array([np.nan if took is None else took for took in tried])
    met = np.isfinite(times)
    return matrix.summary(strategy, a, b, Outcomes(met, np.zeros(runs, bool), times))


class _Lab:
    """The servers that both hosts reach, and the neighbours behind the same NATs."""

    def __init__(self, world: Topology, conditions: Conditions, rng: np.random.Generator) -> None:
        self._world = world
        self._rng = rng
        self._others_per_s = conditions.cross_traffic_per_s
        self._signalling_s = conditions.server_rtt_ms / 1000
        self._servers = [
            each for ip in SERVER_IPS for each in sockets.opened(world.server, ip, list(_PORTS))
        ]
        self._neighbours = self._clients()

    def run(self, strategy: Strategy) -> float | None:
        """Run one attempt; return its milliseconds, None if it failed."""
        began_s = time.monotonic()
        met = self._stage(self._servers[:1])
        if not met and strategy == "predict":
            # with sockets of its own: a destination that was tried keeps the mapping it had
            met = self._stage(self._servers[1:])
        return (time.monotonic() - began_s) * 1000 if met else None

    def close(self) -> None:
        """Close what stays open between runs."""
        _close([*self._servers, *self._neighbours])

    def _stage(self, servers: Sequence[socket.socket]) -> bool:
        """Sample the mapped ports at the servers, and send to the predicted ones."""
        pair = self._clients()
        try:
            seen = [self._sampled(side, client, servers) for side, client in enumerate(pair)]
            for side in range(len(pair)):
                self._others(side, self._signalling_s)
            targets = [_expected(addresses) for addresses in reversed(seen)]
            return all(targets) and self._meet(pair, targets)
        finally:
            _close(pair)

    def _sampled(
        self, side: int, client: socket.socket, servers: Sequence[socket.socket]
    ) -> list[Address | None]:
        samples = []
        for server in servers:
            self._others(side, SAMPLE_GAP_S)
            samples.append(_seen(client, server))
        return samples

    def _meet(self, pair: Sequence[socket.socket], targets: Sequence[Sequence[Address]]) -> bool:
        """Send from both to their targets in rounds, and answer received probes."""
        for number in range(_ROUNDS):
            for side, client in enumerate(pair):
                for address in targets[side]:
                    if number == 0:  # later rounds take no new mappings
                        self._others(side, PROBE_GAP_S)
                    client.sendto(_PROBE, address)
            if _exchange_probes(pair):
                return True
        return False

    def _others(self, side: int, seconds: float) -> None:
        """Create the cross traffic's mappings of that time, without waiting."""
        for _ in range(self._rng.poisson(self._others_per_s * seconds)):
            port = int(self._rng.integers(10_000, 60_000))
            self._neighbours[side].sendto(_PROBE, (SERVER_IPS[0], port))

    def _clients(self) -> list[socket.socket]:
        return [sockets.opened(side.client, side.client_ip, [0])[0] for side in self._world.sides]


def _exchange_probes(pair: Sequence[socket.socket]) -> bool:
    """Answer probes for a round; return whether an answer was received."""
    until_s = time.monotonic() + _ROUND_S
    while (left_s := until_s - time.monotonic()) > 0:
        for client in select.select(pair, [], [], left_s)[0]:
            heard, address = client.recvfrom(64)
            if heard == _ANSWER:
                return True
            client.sendto(_ANSWER, address)
    return False


def _seen(client: socket.socket, server: socket.socket) -> Address | None:
    """Send to a server until it receives a datagram; return the mapped address."""
    for _ in range(_ROUNDS):
        client.sendto(_PROBE, server.getsockname())
        if select.select([server], [], [], _ROUND_S)[0]:
            _, address = server.recvfrom(64)
            return address[0], int(address[1])
    return None


def _expected(samples: Sequence[Address | None]) -> list[Address]:
    seen = [address for address in samples if address is not None][-SAMPLES:]
    if len(seen) < 2:
        return seen  # one server, or the others did not answer: the port that was seen
    ports = punching.window(np.array([[port for _, port in seen]]))
    return [(seen[-1][0], int(port)) for port in ports[0]]


def _close(opened: Sequence[socket.socket]) -> None:
    for each in opened:
        each.close()


def require_supported(kinds: Sequence[NatKind]) -> None:
    """Refuse what cannot be built; raise ``UsageError`` or ``MachineError``."""
    known = netns.kinds()
    for kind in kinds:
        if kind.name not in known:
            raise UsageError(
                f"{kind.name}: only the model has it", hint=f"namespaces: {', '.join(known)}"
            )
    if not system.linux():
        raise MachineError("--backend netns needs Linux", hint="use --backend sim")
    if os.geteuid() != 0:
        raise MachineError("--backend netns needs root", hint="use --backend sim, or sudo")
