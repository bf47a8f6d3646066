"""Real punching between two NATs in network namespaces, with a rendezvous that sees both.

The rules that the model plays out are here the kernel's; only the strategies are the same.
"""

import os
import select
import socket
import time
from collections.abc import Sequence

import numpy as np

from sfukit.errors import MachineError, UsageError
from sfukit.probe.natlab import matrix, netns, punching, sockets
from sfukit.probe.natlab.cell import Cell
from sfukit.probe.natlab.conditions import Conditions
from sfukit.probe.natlab.kinds import NatKind
from sfukit.probe.natlab.netns import SERVER_IPS, World
from sfukit.probe.natlab.side import SAMPLES
from sfukit.probe.natlab.strategies import Outcomes
from sfukit.probe.natlab.words import REAL_STRATEGIES, Strategy

_PORTS = (3478, 3479, 3480)
_ROUNDS = 5
_ROUND_S = 0.03
_PROBE, _ANSWER = b"probe", b"answer"

Address = tuple[str, int]


async def cell(
    strategy: Strategy, a: NatKind, b: NatKind, conditions: Conditions, runs: int
) -> Cell:
    """Build the two NATs and let two hosts try to meet, ``runs`` times with fresh sockets.

    Raises ``UsageError`` for what only the model knows, ``MachineError`` without root.
    """
    if strategy not in REAL_STRATEGIES:
        raise UsageError(
            f"--strategy {strategy}: in namespaces there are only {' and '.join(REAL_STRATEGIES)}",
            hint="use --backend sim",
        )
    async with netns.world(a.name, b.name, loss_percent=round(conditions.loss * 100)) as world:
        servers = [
            sock for ip in SERVER_IPS for sock in sockets.opened(world.server, ip, list(_PORTS))
        ]
        try:
            tried = [_once(world, servers, strategy) for _ in range(runs)]
        finally:
            _close(servers)
    times = np.array([np.nan if took is None else took for took in tried])
    met = np.isfinite(times)
    return matrix.summary(strategy, a, b, Outcomes(met, np.zeros(runs, bool), times))


def _once(world: World, servers: Sequence[socket.socket], strategy: Strategy) -> float | None:
    """Let the hosts of both sides try once; give the milliseconds it took, None if in vain."""
    began_s = time.monotonic()
    met = _stage(world, servers[:1])
    if not met and strategy == "predict":
        # with sockets of its own: a destination that was tried keeps the mapping it had
        met = _stage(world, servers[1:])
    return (time.monotonic() - began_s) * 1000 if met else None


def _stage(world: World, servers: Sequence[socket.socket]) -> bool:
    """Ask the servers for the mapped ports, and send to those that should come next."""
    pair = [sockets.opened(side.client, side.client_ip, [0])[0] for side in world.sides]
    try:
        seen = [[_seen(client, server) for server in servers] for client in pair]
        targets = [_expected(addresses) for addresses in reversed(seen)]
        return all(targets) and _meet(pair, targets)
    finally:
        _close(pair)


def _seen(client: socket.socket, server: socket.socket) -> Address | None:
    """Send to a server until it sees a datagram; give the address that it came from."""
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


def _meet(pair: Sequence[socket.socket], targets: Sequence[Sequence[Address]]) -> bool:
    """Both send to their targets, round after round, and answer what they hear."""
    for _ in range(_ROUNDS):
        for client, addresses in zip(pair, targets, strict=True):
            for address in addresses:
                client.sendto(_PROBE, address)
        until_s = time.monotonic() + _ROUND_S
        while (left_s := until_s - time.monotonic()) > 0:
            for client in select.select(pair, [], [], left_s)[0]:
                heard, address = client.recvfrom(64)
                if heard == _ANSWER:
                    return True
                client.sendto(_ANSWER, address)
    return False


def _close(opened: Sequence[socket.socket]) -> None:
    for each in opened:
        each.close()


def need(kinds: Sequence[NatKind]) -> None:
    """Refuse what cannot be built; raise ``UsageError`` or ``MachineError``."""
    known = netns.kinds()
    for kind in kinds:
        if kind.name not in known:
            raise UsageError(
                f"{kind.name}: only the model has it", hint=f"namespaces: {', '.join(known)}"
            )
    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        raise MachineError("--backend netns needs root", hint="use --backend sim, or sudo")
