"""The report of ``sfukit nat-lab`` as one self-contained page."""

from collections.abc import Iterator, Mapping

import msgspec

from sfukit.htmlreport import page as frame
from sfukit.htmlreport.elements import facts, shaded, table, text
from sfukit.htmlreport.page import Section
from sfukit.probe.natlab.cell import Cell
from sfukit.probe.natlab.result import NatLabReport, Sum
from sfukit.probe.natlab.strategy_names import MEANING

_NEXT_TO_NOTHING = 0.001


def page(result: NatLabReport) -> str:
    """Write the page."""
    how = "simulation" if result.backend == "sim" else "network namespaces"
    around = f"{how}, {result.runs:,} runs a cell, seed {result.seed}, sfukit {result.version}"
    sections = [
        Section("Met without a relay", _matrix(result)),
        Section("Weights", _weights(result)),
        Section("Strategies", facts((name, MEANING[name]) for name in result.metrics)),
        Section("Network", _conditions(result)),
    ]
    return frame.page("Kinds of NAT against each other", around, sections, None)


def saved_page(saved: bytes) -> str:
    """Write the page of a saved report."""
    return page(msgspec.json.decode(saved, type=NatLabReport))


def _matrix(result: NatLabReport) -> str:
    rows: dict[str, list[Cell]] = {}
    for cell in result.cells:
        rows.setdefault(f"{cell.a} × {cell.b}", []).append(cell)
    return (
        "<p>Below each share its 95 % interval, unless that is next to nothing, "
        "and the median time to connect.</p>"
    ) + table(
        "Pairs of NATs that meet without a relay",
        ["pair", *result.metrics],
        ([text(pair), *map(_cell, cells)] for pair, cells in rows.items()),
        ([text(label), *texts] for label, texts in _footer(result)),
    )


def _cell(cell: Cell) -> str:
    wide = cell.direct_high - cell.direct_low > _NEXT_TO_NOTHING
    interval = f"{cell.direct_low * 100:.1f} to {cell.direct_high * 100:.1f}" if wide else ""
    time = "never" if cell.time_ms_p50 is None else f"{cell.time_ms_p50:,.0f} ms"
    shown = f"{_percent(cell.direct)}<small>{interval}</small><small>{time}</small>"
    return shaded(shown, cell.direct)


def _footer(result: NatLabReport) -> Iterator[tuple[str, list[str]]]:
    sums = list(result.metrics.values())
    yield "pairs met", [f"{each.pairs_met} of {each.pairs}" for each in sums]
    if result.weights is None:
        return
    yield "of all pairs, without a relay", [_interval(each) for each in sums]
    for label, figure in _WEIGHED.items():
        yield label, [_percent(getattr(each, figure)) for each in sums]
    yield "time to connect, average", [_milliseconds(each.time_ms_avg) for each in sums]


_WEIGHED: Mapping[str, str] = {
    "of pairs with a symmetric NAT": "symmetric_direct",
    "connected, relays counted": "connected",
    "of these through a relay": "relay_share",
}


def _weights(result: NatLabReport) -> str:
    if result.weights is None:
        return "<p>None were given, so no rate over all pairs is.</p>"
    shares = facts((name, f"{share * 100:.3g} %") for name, share in result.weights.items())
    return f"<p>The rates over all pairs hold for this mix of hosts, and for no other.</p>{shares}"


def _conditions(result: NatLabReport) -> str:
    around = result.conditions
    servers = f"{around.server_rtt_ms:g} ms to servers"
    return facts(
        [
            ("loss", f"{around.loss * 100:.3g} %"),
            (
                "round trip",
                f"{around.rtt_ms:g} ms to the peer, {servers} (medians)",
            ),
            ("others", f"{around.cross_traffic_per_s:g} mappings/s at each NAT"),
            ("forgotten", f"{around.stale * 100:.3g} % of mappings"),
        ]
    )


def _interval(column: Sum) -> str:
    if column.direct is None or column.direct_low is None or column.direct_high is None:
        return "-"
    low, high = column.direct_low * 100, column.direct_high * 100
    return f"{_percent(column.direct)}<small>{low:.1f} to {high:.1f}</small>"


def _percent(ratio: float | None) -> str:
    if ratio is None:
        return "-"
    if 0 < ratio < _NEXT_TO_NOTHING:
        return f"&lt;{_NEXT_TO_NOTHING * 100:g} %"
    return f"{ratio * 100:.0f} %" if ratio in (0, 1) else f"{ratio * 100:.1f} %"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"
