"""Port allocation: preserved, sequential, from a block, or random (RFC 4787 4.2)."""

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import msgspec

from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.resolve import Address

AllocationKind = Literal["port_preservation", "sequential", "block", "random", "unknown"]

_LEAST_SAMPLES = 4
_LARGEST_STEP = 16
_BLOCK_PORTS = 4096  # of carrier-grade NATs: 64 to 4096 ports per subscriber (RFC 7422)
_MOST = 0.6  # other hosts behind the NAT take ports in between


class Sample(msgspec.Struct, frozen=True):
    """One mapping, in the order of creation."""

    local_port: int
    mapped_port: int


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """The allocation of mapped ports; ``delta`` is the step of a sequence, in ports."""

    kind: AllocationKind
    delta: int | None = None
    span: int | None = None
    samples: list[Sample] = []


async def probe(
    context: Context, destinations: Sequence[Address], *, endpoint_dependent: bool
) -> Allocation:
    """Create mappings sequentially, each measured before the next is created."""
    towards = destinations if endpoint_dependent else destinations[:1]
    samples: list[Sample] = []
    with context.sockets(context.options.samples) as sockets:
        for number, socket in enumerate(sockets, 1):
            for place, to in enumerate(towards, 1):
                transaction = await context.send_request(socket, to, f"alloc.{number}.{place}")
                if transaction.mapped is not None:
                    samples.append(Sample(socket.local.port, transaction.mapped.port))
    return classify(samples)


def four(server: FullServer) -> list[Address]:
    """List the four destinations of a server with two addresses."""
    return [server.primary, server.other_port, server.other_ip, server.alternate]


def classify(samples: Sequence[Sample]) -> Allocation:
    """Classify the allocation of ports that were mapped in this order."""
    if len(samples) < _LEAST_SAMPLES:
        return Allocation(kind="unknown", samples=list(samples))
    ports = [sample.mapped_port for sample in samples]
    span = max(ports) - min(ports) + 1
    kept = sum(sample.local_port == sample.mapped_port for sample in samples)
    if kept >= 0.8 * len(samples):
        return Allocation(kind="port_preservation", span=span, samples=list(samples))
    steps = [after - before for before, after in pairwise(ports)]
    small = [step for step in steps if 0 < abs(step) <= _LARGEST_STEP]
    rising = sum(step > 0 for step in small)
    if max(rising, len(small) - rising) >= _MOST * len(steps):
        delta, _times = Counter(small).most_common(1)[0]
        return Allocation(kind="sequential", delta=delta, span=span, samples=list(samples))
    kind: AllocationKind = "block" if span <= _BLOCK_PORTS else "random"
    return Allocation(kind=kind, span=span, samples=list(samples))
