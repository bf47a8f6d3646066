"""The model of hole punching: mapping and filtering of two NATs, vectorized over runs."""

from dataclasses import dataclass

import numpy as np

from sfukit.probe.natlab.kinds import NatKind
from sfukit.probe.natlab.side import PORTS, Mask, Ports, Side, Times, as_port

TRIES = 5
RETRY_MS = 250.0
WINDOW = 16  # ports that a prediction covers

BIRTHDAY_SOCKETS = 256
BIRTHDAY_PROBES = 1024
BIRTHDAY_MS = 2000.0  # for all probes


@dataclass(frozen=True)
class Probes:
    """The probes of one host: mapped source and target ports, runs x probes."""

    kind: NatKind
    signaled: Ports
    source: Ports
    target: Ports


@dataclass(frozen=True)
class PunchResult:
    """Whether the hosts met in each run, and the milliseconds that lost probes cost."""

    met: Mask
    late_ms: Times


def punch(a: Side, b: Side, loss: float, rng: np.random.Generator) -> PunchResult:
    """Both send to the signaled port (RFC 5128 section 3.3)."""
    return _meet(_probes(a, b.signaled[:, None]), _probes(b, a.signaled[:, None]), loss, rng)


def predicted(
    a: Side, b: Side, loss: float, signalling_s: float, rng: np.random.Generator
) -> PunchResult:
    """Both sample their NAT, signal the samples, and send to the predicted ports."""
    targets = {}
    for side in (a, b):
        targets[side is a] = window(side.sample())
        side.wait(signalling_s)
    return _meet(_probes(a, targets[False]), _probes(b, targets[True]), loss, rng)


def window(samples: Ports) -> Ports:
    """Choose the ports to try after these samples: one if all agree, else the next in a row.

    The step is the least one seen: larger ones hold ports that others took in between.
    """
    steps = np.diff(samples, axis=1)
    if not steps.any():
        return samples[:, -1:]
    sizes = np.abs(steps)
    least = np.take_along_axis(steps, np.argmin(sizes, axis=1)[:, None], axis=1)
    ahead: Ports = least * np.arange(1, WINDOW + 1)
    return as_port(samples[:, -1:] + ahead)


def birthday(a: Side, b: Side, loss: float, rng: np.random.Generator) -> PunchResult:
    """One opens 256 sockets to one port, the other tries 1024 ports of it at random.

    With two hosts whose ports are unknown both would have to guess right at once.
    """
    if not (a.kind.symmetric or b.kind.symmetric):
        return PunchResult(np.zeros(a.runs, bool), np.zeros(a.runs))
    delivered = 1 - loss**TRIES
    if a.kind.symmetric and b.kind.symmetric:
        hits = rng.binomial(BIRTHDAY_PROBES**2, delivered / PORTS**2, a.runs)
    else:
        others = PORTS - BIRTHDAY_SOCKETS
        hits = rng.hypergeometric(BIRTHDAY_SOCKETS, others, BIRTHDAY_PROBES, a.runs)
        hits = rng.binomial(hits, delivered)
    first = 1 - rng.random(a.runs) ** (1 / np.maximum(hits, 1))  # of so many, evenly spread
    return PunchResult(hits > 0, first * BIRTHDAY_MS)


def _probes(side: Side, targets: Ports) -> Probes:
    return Probes(side.kind, side.signaled, side.towards_peer(targets.shape[1]), targets)


def _meet(a: Probes, b: Probes, loss: float, rng: np.random.Generator) -> PunchResult:
    late_ms = np.full(len(a.signaled), np.inf)
    for sender, receiver in ((a, b), (b, a)):
        lost = rng.geometric(1 - loss, sender.source.shape) - 1
        through = _answered(sender, receiver) & (lost < TRIES)
        late = np.where(through, lost * RETRY_MS, np.inf).min(axis=1)
        late_ms = np.minimum(late_ms, late)
    met = np.isfinite(late_ms)
    return PunchResult(met, np.where(met, late_ms, 0.0))


def _answered(sender: Probes, receiver: Probes) -> Mask:
    """Return which probes pass, and their answers; runs x probes of the sender."""
    lands = sender.target[:, :, None] == receiver.source[:, None, :]
    asked = receiver.target[:, None, :] == sender.source[:, :, None]
    lands_any: Mask = lands.any(axis=2)
    exact: Mask = (lands & asked).any(axis=2)
    let_in: Mask
    match receiver.kind.filtering:
        case "EIF":
            # also on the mapping towards the server, another one for a symmetric NAT
            to_server_mapping = sender.target == receiver.signaled[:, None]
            let_in = lands_any | (to_server_mapping & receiver.kind.symmetric)
        case "ADF":
            let_in = lands_any
        case "APDF":
            let_in = exact
    if sender.kind.filtering != "APDF":
        return let_in
    # a receiver whose mapping depends on the sender's port answers from another one
    answered: Mask = exact if receiver.kind.mapping == "APDM" else lands_any
    return let_in & answered
