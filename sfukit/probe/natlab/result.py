"""The report of ``sfukit nat-lab``: cells, sums by strategy, and the paths that gates may name."""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from sfukit import gates, report
from sfukit.errors import ExitCode
from sfukit.gates import Gate, GateResult, Value
from sfukit.probe.natlab.cell import Cell, Total
from sfukit.probe.natlab.conditions import Conditions, Mix

Backend = Literal["sim", "netns"]

MET = 0.5  # a pair counts as met where at least half of its runs did

_UNITS: Mapping[str, str] = {
    "pairs_met": "pairs",
    "direct": "ratio",
    "connected": "ratio",
    "relay_share": "ratio",
    "symmetric_direct": "ratio",
    "time_ms_avg": "ms",
}


class Sum(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs under one strategy; without weights the rates would mean nothing and are None.

    ``direct`` is met without a relay, with the 95 % interval of ``runs`` pairs drawn from the
    mix; ``connected`` counts relays too; ``relay_share`` is of the connected; ratios 0..1.
    """

    pairs: int
    pairs_met: int
    direct: float | None = None
    direct_low: float | None = None
    direct_high: float | None = None
    symmetric_direct: float | None = None
    connected: float | None = None
    relay_share: float | None = None
    time_ms_avg: float | None = None


class NatLabReport(report.Envelope, kw_only=True, frozen=True):
    """The JSON of ``sfukit nat-lab``; ``weights`` are the shares of the kinds among hosts."""

    backend: Backend
    seed: int
    runs: int
    conditions: Conditions
    weights: dict[str, float] | None
    cells: list[Cell]
    metrics: dict[str, Sum]
    gates: list[GateResult]


def catalogue(strategies: Sequence[str]) -> dict[str, str]:
    """List the paths that a gate may name, with their units."""
    return {
        f"{strategy}.{figure}": unit for strategy in strategies for figure, unit in _UNITS.items()
    }


def conclude(
    *,
    backend: Backend,
    seed: int,
    runs: int,
    conditions: Conditions,
    mix: Mix | None,
    cells: Sequence[Cell],
    totals: Sequence[Total],
    bounds: Sequence[Gate],
    interrupted: bool = False,
) -> NatLabReport:
    """Build the report and judge its gates."""
    sums = _sums(cells, totals)
    judged = gates.judge(bounds, _figures(sums))
    code = ExitCode.INTERRUPTED if interrupted else _exit_code(judged)
    return NatLabReport(
        schema=report.schema_id("nat-lab"),
        command="nat-lab",
        verdict=_VERDICTS[code],
        exit_code=code,
        backend=backend,
        seed=seed,
        runs=runs,
        conditions=conditions,
        weights=mix.shares if mix else None,
        cells=list(cells),
        metrics=sums,
        gates=judged,
    )


_VERDICTS: Mapping[ExitCode, report.Verdict] = {
    ExitCode.OK: "pass",
    ExitCode.FAILED: "fail",
    ExitCode.INCONCLUSIVE: "inconclusive",
    ExitCode.INTERRUPTED: "inconclusive",
}


def _exit_code(judged: Sequence[GateResult]) -> ExitCode:
    if any(gate.ok is False for gate in judged):
        return ExitCode.FAILED
    unknown = any(gate.ok is None for gate in judged)
    return ExitCode.INCONCLUSIVE if unknown else ExitCode.OK


def _sums(cells: Sequence[Cell], totals: Sequence[Total]) -> dict[str, Sum]:
    weighed = {total.strategy: total for total in totals}
    sums = {}
    for strategy in dict.fromkeys(cell.strategy for cell in cells):
        column = [cell for cell in cells if cell.strategy == strategy]
        met = sum(cell.direct >= MET for cell in column)
        sums[strategy] = _sum(len(column), met, weighed.get(strategy))
    return sums


def _sum(pairs: int, met: int, total: Total | None) -> Sum:
    if total is None:
        return Sum(pairs=pairs, pairs_met=met)
    return Sum(
        pairs=pairs,
        pairs_met=met,
        direct=total.direct,
        direct_low=total.direct_low,
        direct_high=total.direct_high,
        symmetric_direct=total.symmetric_direct,
        connected=total.connected,
        relay_share=total.relay_share,
        time_ms_avg=total.time_ms_avg,
    )


def _figures(sums: Mapping[str, Sum]) -> dict[str, Value]:
    return {
        f"{strategy}.{figure}": getattr(column, figure)
        for strategy, column in sums.items()
        for figure in _UNITS
    }
