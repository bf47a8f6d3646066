"""The matrix: every pair of NAT kinds under every strategy, each cell a share with its interval."""

import itertools
import zlib
from collections.abc import Iterator, Sequence

import numpy as np

from sfukit.probe.natlab.cell import Cell, Total
from sfukit.probe.natlab.conditions import Conditions, Mix
from sfukit.probe.natlab.interval import wilson
from sfukit.probe.natlab.kinds import NatKind
from sfukit.probe.natlab.strategies import Outcomes, simulate
from sfukit.probe.natlab.strategy_names import Strategy


def pairs(kinds: Sequence[NatKind]) -> list[tuple[NatKind, NatKind]]:
    """List the unordered pairs, each kind with itself too."""
    return list(itertools.combinations_with_replacement(kinds, 2))


def cells(
    kinds: Sequence[NatKind],
    strategies: Sequence[Strategy],
    conditions: Conditions,
    runs: int,
    seed: int,
) -> Iterator[Cell]:
    """Measure every cell; the same seed gives the same table, whatever else is in it."""
    for a, b in pairs(kinds):
        for strategy in strategies:
            yield cell(strategy, a, b, conditions, runs, seed)


def cell(
    strategy: Strategy,
    a: NatKind,
    b: NatKind,
    conditions: Conditions,
    runs: int,
    seed: int,
    *,
    same_nat: bool = False,
) -> Cell:
    """Measure one cell."""
    named = zlib.crc32(f"{strategy} {a.name} {b.name} {same_nat}".encode())
    rng = np.random.default_rng([seed, named])
    outcomes = simulate(strategy, a, b, conditions, runs, rng, same_nat=same_nat)
    return summary(strategy, a, b, outcomes, same_nat=same_nat)


def summary(
    strategy: Strategy, a: NatKind, b: NatKind, outcomes: Outcomes, *, same_nat: bool = False
) -> Cell:
    """Reduce the runs of one cell to figures."""
    runs = len(outcomes.direct)
    direct, relayed = int(outcomes.direct.sum()), int(outcomes.relayed.sum())
    low, high = wilson(direct, runs)
    times = outcomes.time_ms[outcomes.connected]
    p50, p95 = np.percentile(times, [50, 95]) if len(times) else (None, None)
    return Cell(
        a=a.name,
        b="same" if same_nat else b.name,
        symmetric=a.symmetric or b.symmetric,
        strategy=strategy,
        runs=runs,
        direct=direct / runs,
        direct_low=low,
        direct_high=high,
        relayed=relayed / runs,
        connected=(direct + relayed) / runs,
        time_ms_p50=_rounded(p50),
        time_ms_p95=_rounded(p95),
        time_ms_avg=_rounded(times.mean() if len(times) else None),
    )


def totals(measured: Sequence[Cell], mix: Mix, strategies: Sequence[Strategy]) -> list[Total]:
    """Weigh the cells by how common their pairs are."""
    return [total(measured, mix, strategy) for strategy in strategies]


def total(measured: Sequence[Cell], mix: Mix, strategy: Strategy) -> Total:
    """Weigh the cells of one strategy.

    The interval is that of as many pairs drawn from the mix as a cell has runs: it says nothing
    about how true the mix is.
    """
    weighed = [
        (mix.pair_weight(cell.a, cell.b), cell)
        for cell in measured
        if cell.strategy == strategy and {cell.a, cell.b} <= mix.shares.keys()
    ]
    direct = sum(weight * cell.direct for weight, cell in weighed)
    connected = sum(weight * cell.connected for weight, cell in weighed)
    relayed = sum(weight * cell.relayed for weight, cell in weighed)
    symmetric = sum(weight for weight, cell in weighed if cell.symmetric)
    symmetric_direct = sum(weight * cell.direct for weight, cell in weighed if cell.symmetric)
    time_ms = sum(
        weight * cell.connected * cell.time_ms_avg
        for weight, cell in weighed
        if cell.time_ms_avg is not None
    )
    runs = min((cell.runs for _, cell in weighed), default=0)
    low, high = wilson(direct * runs, runs)
    return Total(
        strategy=strategy,
        direct=direct,
        direct_low=low,
        direct_high=high,
        symmetric_pairs=symmetric,
        symmetric_direct=symmetric_direct / symmetric if symmetric else None,
        connected=connected,
        relay_share=relayed / connected if connected else None,
        time_ms_avg=_rounded(time_ms / connected if connected else None),
    )


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(float(milliseconds), 1)
