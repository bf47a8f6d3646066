"""The report of ``sfukit nat-lab`` as one self-contained page."""

from collections.abc import Iterator, Mapping
from html import escape

from sfukit.probe.natlab.cell import Cell
from sfukit.probe.natlab.result import NatLabReport, Sum
from sfukit.probe.natlab.strategy_names import MEANING

_STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8881; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.4rem; margin-bottom: .2rem; }
h2 { font-size: 1.1rem; margin-top: 2rem; }
p.around { margin-top: 0; opacity: .75; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
thead th { border-bottom-width: 2px; }
tfoot th, tfoot td { background: var(--soft); }
td small { opacity: .7; display: block; font-size: .75rem; line-height: 1.2; }
dt { font-weight: 600; float: left; clear: left; width: 13rem; }
dd { margin-left: 13rem; }
"""


_NEXT_TO_NOTHING = 0.001


def page(result: NatLabReport) -> str:
    """Write the page."""
    how = "simulation" if result.backend == "sim" else "network namespaces"
    around = f"{how}, {result.runs:,} runs a cell, seed {result.seed}, sfukit {result.version}"
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width'><title>nat-lab</title>",
        f"<style>{_STYLE}</style><h1>Kinds of NAT against each other</h1>",
        f"<p class=around>{escape(around)}</p>",
        *_matrix(result),
        *_weights(result),
        *_strategies(result),
        *_conditions(result),
    ]
    return "\n".join(parts) + "\n"


def _matrix(result: NatLabReport) -> Iterator[str]:
    yield "<h2>Met without a relay</h2>"
    yield "<p>Below each share its 95 % interval, unless that is next to nothing, "
    yield "and the median time to connect.</p>"
    yield "<div class=scroll><table><thead><tr><th>pair</th>"
    yield from (f"<th>{escape(name)}</th>" for name in result.metrics)
    yield "</tr></thead><tbody>"
    rows: dict[str, list[Cell]] = {}
    for cell in result.cells:
        rows.setdefault(f"{cell.a} × {cell.b}", []).append(cell)
    for pair, cells in rows.items():
        yield f"<tr><td>{escape(pair)}</td>{''.join(map(_cell, cells))}</tr>"
    yield "</tbody><tfoot>"
    for label, texts in _footer(result):
        yield f"<tr><th>{escape(label)}</th>{''.join(f'<td>{text}</td>' for text in texts)}</tr>"
    yield "</tfoot></table></div>"


def _cell(cell: Cell) -> str:
    hue = round(120 * cell.direct)
    wide = cell.direct_high - cell.direct_low > _NEXT_TO_NOTHING
    interval = f"{cell.direct_low * 100:.1f} to {cell.direct_high * 100:.1f}" if wide else ""
    time = "never" if cell.time_ms_p50 is None else f"{cell.time_ms_p50:,.0f} ms"
    return (
        f"<td style='background:hsl({hue} 65% 50% / .28)'>{_percent(cell.direct)}"
        f"<small>{interval}</small><small>{time}</small></td>"
    )


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


def _weights(result: NatLabReport) -> Iterator[str]:
    yield "<h2>Weights</h2>"
    if result.weights is None:
        yield "<p>None were given, so no rate over all pairs is.</p>"
        return
    yield "<p>The rates over all pairs hold for this mix of hosts, and for no other.</p><dl>"
    for name, share in result.weights.items():
        yield f"<dt>{escape(name)}</dt><dd>{_percent(share)}</dd>"
    yield "</dl>"


def _strategies(result: NatLabReport) -> Iterator[str]:
    yield "<h2>Strategies</h2><dl>"
    for name in result.metrics:
        yield f"<dt>{escape(name)}</dt><dd>{escape(MEANING[name])}</dd>"
    yield "</dl>"


def _conditions(result: NatLabReport) -> Iterator[str]:
    yield "<h2>Network</h2><dl>"
    around = result.conditions
    yield f"<dt>loss</dt><dd>{_percent(around.loss)}</dd>"
    yield f"<dt>round trip</dt><dd>{around.rtt_ms:g} ms to the peer, "
    yield f"{around.server_rtt_ms:g} ms to servers (medians)</dd>"
    yield f"<dt>others</dt><dd>{around.cross_traffic_per_s:g} mappings/s at each NAT</dd>"
    yield f"<dt>forgotten</dt><dd>{_percent(around.stale)} of mappings</dd></dl>"


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
