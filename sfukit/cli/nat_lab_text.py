"""The text of ``sfukit nat-lab``: lines with a style each."""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from sfukit import gates
from sfukit.errors import ExitCode
from sfukit.probe.natlab.cell import Cell
from sfukit.probe.natlab.conditions import Conditions
from sfukit.probe.natlab.result import NatLabReport, Sum
from sfukit.probe.natlab.strategy_names import MEANING

Line = tuple[str, str | None]

_PAIR = 35
_COLUMN = 11
_NEXT_TO_NOTHING = 0.001
_FEW_RUNS = 100  # too few for a percentage


def render(result: NatLabReport) -> Iterator[Line]:
    """Return the lines of a report, opening line first, verdict last."""
    one_pair = len({(cell.a, cell.b) for cell in result.cells}) == 1
    yield opening(result), None
    yield "", None
    yield from _pair(result) if one_pair else _matrix(result)
    if result.exit_code == ExitCode.INTERRUPTED:
        yield f"interrupted after {len(result.cells)} cells", "yellow"
    for gate in result.gates:
        state = {True: "ok", False: "FAIL", None: "unknown"}[gate.ok]
        value = gates.show(gate.value, gate.unit)
        yield f"{state:<8}{gate.gate}: {value}", "green" if gate.ok else "bold red"


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    result = msgspec.json.decode(saved, type=NatLabReport)
    return [text for text, _ in render(result)]


def opening(result: NatLabReport) -> str:
    """Return the line with backend, runs and network."""
    if result.backend == "netns":
        words = ", ".join(_disturbances(result.conditions))
        return f"nat-lab  network namespaces, {result.runs:,} runs a cell; {words}"
    return (
        f"nat-lab  simulation, {result.runs:,} runs a cell, seed {result.seed}; "
        f"{around(result.conditions)}"
    )


def around(conditions: Conditions) -> str:
    """Return the network conditions of a run."""
    words = [*_disturbances(conditions), f"RTT {conditions.rtt_ms:g} ms"]
    if conditions.stale:
        words.append(f"{share(conditions.stale)} of mappings expired")
    return ", ".join(words)


def _disturbances(conditions: Conditions) -> list[str]:
    rate = conditions.cross_traffic_per_s
    return [
        f"loss {share(conditions.loss)}" if conditions.loss else "no loss",
        f"{rate:g} mappings/s of cross traffic" if rate else "no cross traffic",
    ]


def share(ratio: float) -> str:
    """Return a ratio as a percentage without false precision."""
    percent = ratio * 100
    return f"{percent:.0f} %" if percent in (0, 100) else f"{percent:.1f} %"


def shown(cell: Cell) -> str:
    """Return a cell in percent with half of its 95 % interval; few runs as a count."""
    if cell.runs < _FEW_RUNS:
        return f"{round(cell.direct * cell.runs)} of {cell.runs}"
    if cell.direct in (0.0, 1.0):
        return f"{cell.direct * 100:.0f}"
    if cell.direct < _NEXT_TO_NOTHING:
        return f"<{_NEXT_TO_NOTHING * 100:g}"
    return _interval(cell.direct, cell.direct_low, cell.direct_high)


def _matrix(result: NatLabReport) -> Iterator[Line]:
    unit = "runs" if result.runs < _FEW_RUNS else "%"
    yield _row(f"direct (no relay), {unit}", list(result.metrics)), "bold"
    rows: dict[str, dict[str, list[Cell]]] = {}
    for cell in result.cells:
        rows.setdefault(cell.a, {}).setdefault(cell.b, []).append(cell)
    for a, partners in rows.items():
        yield f"{a} with", None
        for b, cells in partners.items():
            yield _row(f"  {b}", [shown(cell) for cell in cells]), _style(cells)
    yield "", None
    yield from _sums(result)
    yield "", None
    for strategy in result.metrics:
        yield f"{strategy:<10} {MEANING[strategy]}", "dim"


def _pair(result: NatLabReport) -> Iterator[Line]:
    one = result.cells[0]
    unit = "" if one.runs < _FEW_RUNS else " %"
    columns = f"{f'direct{unit}':>10}{f'relayed{unit}':>11}{'after':>11}"
    yield f"{f'{one.a} with {one.b}':<46}{columns}", "bold"
    for cell in result.cells:
        relayed = _portion(cell.relayed, cell.runs)
        after = "never" if cell.time_ms_p50 is None else f"{cell.time_ms_p50:,.0f} ms"
        yield f"{cell.strategy:<46}{shown(cell):>10}{relayed:>11}{after:>11}", _style([cell])
        yield f"  {MEANING[cell.strategy]}", "dim"


def _portion(ratio: float, runs: int) -> str:
    return f"{round(ratio * runs)} of {runs}" if runs < _FEW_RUNS else f"{ratio * 100:.3g}"


def _style(cells: Sequence[Cell]) -> str | None:
    if cells[0].direct >= 0.5:
        return None
    return "yellow" if any(cell.direct >= 0.5 for cell in cells) else "red"


def _sums(result: NatLabReport) -> Iterator[Line]:
    sums = list(result.metrics.values())
    yield (
        _row("pairs met", [f"{each.pairs_met} of {each.pairs}" for each in sums]),
        "bold",
    )
    if result.weights is None:
        yield "no rate over all pairs: give the weights of the kinds (--weights FILE)", "dim"
        return
    yield _row("direct, over all pairs, %", [_with_interval(each) for each in sums]), "bold"
    for label, figure in _WEIGHED.items():
        yield _row(label, [_figure(each, figure) for each in sums]), None
    yield f"weights  {weights(result.weights)}", None


_WEIGHED: Mapping[str, str] = {
    "  with a symmetric NAT, %": "symmetric_direct",
    "connected, relays counted, %": "connected",
    "  of these through a relay, %": "relay_share",
    "time to connect, average, ms": "time_ms_avg",
}


def weights(shares: Mapping[str, float]) -> str:
    """Return the shares of the kinds, the largest first."""
    ordered = sorted(shares.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {share(ratio)}" for name, ratio in ordered)


def _with_interval(column: Sum) -> str:
    if column.direct is None or column.direct_high is None or column.direct_low is None:
        return "unknown"
    return _interval(column.direct, column.direct_low, column.direct_high)


def _interval(middle: float, low: float, high: float) -> str:
    return f"{middle * 100:.1f} ±{(high - low) / 2 * 100:.1f}"


def _figure(column: Sum, figure: str) -> str:
    value = getattr(column, figure)
    if value is None:
        return "-"
    return f"{value:,.0f}" if figure == "time_ms_avg" else f"{value * 100:.1f}"


def _row(label: str, columns: Sequence[str]) -> str:
    return f"{label:<{_PAIR}}" + "".join(f"{column:>{_COLUMN}}" for column in columns)
