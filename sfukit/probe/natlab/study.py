"""The articles' experiment again: which mixes of NATs give its figures, and which do not.

Claimed, over 217 devices, before and after the articles' stack: success 52.3 and 73.8 %, with a
symmetric NAT 10.4 and 42.6 %, first connection after 3.21 and 1.87 s, relayed 68.2 and 22.9 %.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from sfukit.probe.natlab import matrix
from sfukit.probe.natlab.cell import Cell, Total
from sfukit.probe.natlab.conditions import Conditions, Mix
from sfukit.probe.natlab.interval import wilson
from sfukit.probe.natlab.kinds import KINDS, kind_of
from sfukit.probe.natlab.strategy_names import Strategy

DEVICES = 217
SUCCESS = (0.523, 0.738)
SYMMETRIC = (0.104, 0.426)
CONNECT_S = (3.21, 1.87)
RELAYED = (0.682, 0.229)
INCIDENT = (0.183, 0.619)
ACCURACY = 0.731

BEFORE: Strategy = "staged"
AFTER: Strategy = "stack"
COMPARED: tuple[Strategy, ...] = (BEFORE, "predict", AFTER, "turn")

MIXES: Mapping[str, Mapping[str, float]] = {
    "homes": {
        "full-cone": 10,
        "address-restricted": 10,
        "port-restricted": 70,
        "symmetric-sequential": 2,
        "symmetric-random": 8,
    },
    "old routers": {"full-cone": 10, "port-restricted": 60, "symmetric-sequential": 30},
    "mobile": {
        "full-cone": 5,
        "port-restricted": 45,
        "symmetric-sequential": 5,
        "symmetric-random": 45,
    },
    "offices": {"port-restricted": 50, "symmetric-random": 30, "udp-blocked": 20},
    "quarters": {
        "cgnat:port-restricted": 25,
        "symmetric-random": 37.5,
        "udp-blocked": 12.5,
        "port-restricted": 25,
    },
}
"""Assumed, not measured: no survey that we know of counts the ports that symmetric NATs choose."""

BUSY = Conditions(cross_traffic_per_s=5.0, loss=0.02)
QUIET = Conditions()


class Contradiction(msgspec.Struct, frozen=True, kw_only=True):
    """What the claimed figures say of one another; ratios 0..1.

    ``symmetric_pairs_at_most`` is the largest share of pairs with a symmetric NAT at which the
    others need not exceed 100 %; even there they gained ``others_gained_at_least``.
    """

    success_plus_relayed: float
    symmetric_pairs_if_only_they_gained: float
    others_before_if_only_they_gained: float
    symmetric_pairs_at_most: float
    others_gained_at_least: float


class Fitted(msgspec.Struct, frozen=True, kw_only=True):
    """The mix in which plain punching meets the claim, and the sequential share for one target."""

    easy: float
    symmetric: float
    sequential: float
    target: str
    totals: list[Total]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What the stack gains over plain punching in one mix of port-restricted and symmetric NATs."""

    symmetric: float
    sequential: float
    before: float
    after: float


class Decay(msgspec.Struct, frozen=True, kw_only=True):
    """How prediction fares while others take mappings too; shares 0..1."""

    cross_traffic_per_s: float
    easy_side: Cell
    both_sides: Cell


def contradiction() -> Contradiction:
    """Compare the claimed figures with one another; nothing is simulated.

    All pairs are those with a symmetric NAT and the others: success = P sym + (1 - P) others.
    """
    gained = SUCCESS[1] - SUCCESS[0]
    only = gained / (SYMMETRIC[1] - SYMMETRIC[0])
    at_most = (1 - SUCCESS[1]) / (1 - SYMMETRIC[1])
    others_before = (SUCCESS[0] - at_most * SYMMETRIC[0]) / (1 - at_most)
    return Contradiction(
        success_plus_relayed=SUCCESS[0] + RELAYED[0],
        symmetric_pairs_if_only_they_gained=only,
        others_before_if_only_they_gained=(SUCCESS[0] - only * SYMMETRIC[0]) / (1 - only),
        symmetric_pairs_at_most=at_most,
        others_gained_at_least=1 - others_before,
    )


def claimed_interval(share: float) -> tuple[float, float]:
    """Return the 95 % interval that a share over so few devices has."""
    return wilson(share * DEVICES, DEVICES)


def mix_of(weights: Mapping[str, float], conditions: Conditions) -> Mix:
    """Make shares of weights."""
    total = sum(weights.values())
    return Mix({name: weight / total for name, weight in weights.items() if weight}, conditions)


def measure(mix: Mix, strategies: Sequence[Strategy], runs: int, seed: int) -> list[Total]:
    """Measure a mix under some strategies."""
    cells = list(matrix.cells(mix.kinds, strategies, mix.conditions, runs, seed))
    return matrix.totals(cells, mix, strategies)


def fit(target: str, runs: int, seed: int) -> Fitted:
    """Find the mix in which plain punching meets both claims, and the prediction one of them.

    The target is ``success`` or ``symmetric``. With shares e of full cones, s symmetric and the
    rest port-restricted, plain punching reaches 1 - 2 (1 - e - s) s - s^2 of all pairs and
    2 e / (2 - s) of those with a symmetric NAT: two equations for e and s.
    """
    sym = SYMMETRIC[0]
    a, b, c = 1 - sym, -2 * (1 - sym), 1 - SUCCESS[0]
    symmetric = (-b - (b * b - 4 * a * c) ** 0.5) / (2 * a)
    easy = sym * (2 - symmetric) / 2
    cells = _cells_of(
        ("full-cone", "port-restricted", "symmetric-sequential", "symmetric-random"),
        QUIET,
        runs,
        seed,
    )
    wanted = SUCCESS[1] if target == "success" else SYMMETRIC[1]

    def reached(sequential: float) -> float:
        total = matrix.total(cells, _fitted_mix(easy, symmetric, sequential), AFTER)
        return total.direct if target == "success" else total.symmetric_direct or 0.0

    sequential = _solve(reached, wanted)
    mix = _fitted_mix(easy, symmetric, sequential)
    return Fitted(
        easy=easy,
        symmetric=symmetric,
        sequential=sequential,
        target=target,
        totals=matrix.totals(cells, mix, COMPARED),
    )


def landscape(steps: int, runs: int, seed: int, conditions: Conditions = QUIET) -> list[Point]:
    """Measure the gain for every share of symmetric NATs and every sequential part of them."""
    cells = _cells_of(
        ("port-restricted", "symmetric-sequential", "symmetric-random"), conditions, runs, seed
    )
    points = []
    for i in range(steps + 1):
        for j in range(steps + 1):
            mix = _fitted_mix(0.0, i / steps, j / steps)
            before, after = (matrix.total(cells, mix, name).direct for name in (BEFORE, AFTER))
            point = Point(symmetric=i / steps, sequential=j / steps, before=before, after=after)
            points.append(point)
    return points


def decay(rates: Sequence[float], runs: int, seed: int) -> list[Decay]:
    """Measure prediction against ports that others take in between."""
    port, row = KINDS["port-restricted"], KINDS["symmetric-sequential"]
    measured = []
    for rate in rates:
        conditions = Conditions(cross_traffic_per_s=rate)
        easy, both = (
            matrix.cell("predict", other, row, conditions, runs, seed) for other in (port, row)
        )
        measured.append(Decay(cross_traffic_per_s=rate, easy_side=easy, both_sides=both))
    return measured


def stale_mappings(stale: float, runs: int, seed: int) -> Cell:
    """Measure punching where ``stale`` of the mappings have expired and get a new port.

    Two hosts meet only if neither was forgotten: (1 - stale)^2.
    """
    remapped = KINDS["eim-not-preserving"]
    return matrix.cell("punch", remapped, remapped, Conditions(stale=stale), runs, seed)


def _cells_of(names: Sequence[str], conditions: Conditions, runs: int, seed: int) -> list[Cell]:
    kinds = [kind_of(name, "study") for name in names]
    return list(matrix.cells(kinds, COMPARED, conditions, runs, seed))


def _fitted_mix(easy: float, symmetric: float, sequential: float) -> Mix:
    shares = {
        "full-cone": easy,
        "port-restricted": 1 - easy - symmetric,
        "symmetric-sequential": symmetric * sequential,
        "symmetric-random": symmetric * (1 - sequential),
    }
    return Mix(shares)


def _solve(rising: Callable[[float], float], wanted: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < wanted else (low, middle)
    return high
