"""Strategies: the stages of two hosts until they are connected, and the timeout of each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from sfukit.probe.natlab import punching
from sfukit.probe.natlab.conditions import Conditions
from sfukit.probe.natlab.kinds import NatKind
from sfukit.probe.natlab.punching import PunchResult
from sfukit.probe.natlab.side import SAMPLE_GAP_S, SAMPLES, Mask, Side, Times
from sfukit.probe.natlab.strategy_names import Strategy

STAGE_MS = 3000.0  # the articles' first batch of checks; each further one takes twice as long
_TURN_RTT_MS = 800.0
_TURN_LOSS = 0.15


@dataclass(frozen=True)
class Outcomes:
    """The runs of one cell: connected directly, by a relay, and after how long."""

    direct: Mask
    relayed: Mask
    time_ms: Times

    @property
    def connected(self) -> Mask:
        """Whether the hosts connected."""
        return self.direct | self.relayed


class _Runs:
    """Many runs of one pair on their way through the stages of a strategy."""

    def __init__(
        self,
        a: NatKind,
        b: NatKind,
        conditions: Conditions,
        runs: int,
        rng: np.random.Generator,
        *,
        same_nat: bool,
    ) -> None:
        self.a, self.b = (Side(kind, conditions, runs, rng) for kind in (a, b))
        self.conditions = conditions
        self.rng = rng
        self.udp = a.udp and b.udp
        self.reachable = not same_nat or a.hairpin
        self.rtt_ms = self._round_trips(conditions.rtt_ms)
        self.server_ms = self._round_trips(conditions.server_rtt_ms)
        self.spent_ms = 2 * self.server_ms  # request the mapped port, then signal it to the peer
        self.direct = np.zeros(runs, bool)
        self.relayed = np.zeros(runs, bool)
        self.time_ms = np.full(runs, np.nan)
        self._limit_ms = STAGE_MS

    def stage(
        self, result: PunchResult, own_ms: Times | float = 0.0, *, usable: bool = True
    ) -> None:
        """Run one stage for unconnected runs; a failed stage costs its timeout."""
        took_ms = own_ms + self.rtt_ms + result.late_ms
        met = result.met & (usable and self.reachable) & ~self.done
        self.direct |= met
        self.time_ms = np.where(met, self.spent_ms + took_ms, self.time_ms)
        self.spent_ms = self.spent_ms + own_ms + self._limit_ms
        self._limit_ms *= 2

    def relay(self, wanted: Mask, at_ms: Times) -> None:
        """Connect unconnected runs by a relay, over TLS where UDP is dropped."""
        over_tls_ms = 0.0 if self.udp else 2 * self.server_ms
        took = self.rng.geometric(1 - self.conditions.loss, len(wanted)) - 1
        met = wanted & ~self.done & (took < punching.TRIES)
        self.relayed |= met
        late_ms = took * punching.RETRY_MS
        self.time_ms = np.where(met, at_ms + over_tls_ms + self.rtt_ms + late_ms, self.time_ms)

    @property
    def done(self) -> Mask:
        """Whether a run is connected."""
        return self.direct | self.relayed

    def _round_trips(self, median_ms: float) -> Times:
        spread = self.conditions.rtt_spread
        return median_ms * self.rng.lognormal(0.0, spread, self.a.runs)


def simulate(
    strategy: Strategy,
    a: NatKind,
    b: NatKind,
    conditions: Conditions,
    runs: int,
    rng: np.random.Generator,
    *,
    same_nat: bool = False,
) -> Outcomes:
    """Simulate two hosts ``runs`` times; equal generators give equal outcomes."""
    going = _Runs(a, b, conditions, runs, rng, same_nat=same_nat)
    _STAGES[strategy](going)
    return Outcomes(going.direct, going.relayed, going.time_ms)


def _punch(going: _Runs) -> None:
    result = punching.punch(going.a, going.b, going.conditions.loss, going.rng)
    going.stage(result, usable=going.udp)


def _predicted(going: _Runs) -> None:
    signalling_s = going.conditions.server_rtt_ms / 1000
    result = punching.predicted(going.a, going.b, going.conditions.loss, signalling_s, going.rng)
    sampling_ms = SAMPLES * SAMPLE_GAP_S * 1000 + going.server_ms
    going.stage(result, sampling_ms, usable=going.udp)


def _predict(going: _Runs) -> None:
    _punch(going)
    _predicted(going)


def _birthday(going: _Runs) -> None:
    _predict(going)
    result = punching.birthday(going.a, going.b, going.conditions.loss, going.rng)
    going.stage(result, usable=going.udp)


def _simultaneous_open(going: _Runs) -> None:
    """TCP has the same mapping; besides, both NATs must tolerate an unsolicited SYN."""
    result = punching.punch(going.a, going.b, going.conditions.loss, going.rng)
    tolerated = going.rng.random((2, going.a.runs)) < going.conditions.tcp_tolerated
    going.stage(PunchResult(result.met & tolerated.all(axis=0), result.late_ms))


def _tcp(going: _Runs) -> None:
    _punch(going)
    _simultaneous_open(going)


def _turn(going: _Runs) -> None:
    allocated_ms = 3 * going.server_ms  # the relay's own round trip beside that of the STUN server
    _punch(going)
    going.relay(~going.direct, allocated_ms)


def _staged(going: _Runs) -> None:
    _punch(going)
    going.relay(~going.direct, going.spent_ms + 2 * going.server_ms)


def _stack(going: _Runs) -> None:
    _predicted(going)
    _simultaneous_open(going)
    terrible = (going.rtt_ms > _TURN_RTT_MS) & (going.conditions.loss > _TURN_LOSS)
    going.relay(terrible, going.spent_ms + 2 * going.server_ms)


_STAGES: Mapping[Strategy, Callable[[_Runs], None]] = {
    "punch": _punch,
    "predict": _predict,
    "birthday": _birthday,
    "tcp": _tcp,
    "turn": _turn,
    "staged": _staged,
    "stack": _stack,
}
