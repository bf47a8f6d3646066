"""The text of both engines beside each other."""

from sfukit import gates
from sfukit.cli.output import labelled
from sfukit.loadgen.latency.independent.comparison import typical
from sfukit.loadgen.latency.result import LatencyReport

_LABELS = {
    "e2e_frame_ms": "frame delay",
    "rtt_pub_ms": "RTT publisher",
    "jitter_ms": "jitter",
    "loss_raw": "loss, mean",
}
_JITTER_RULES = "aiortc counts jitter from frame to frame, sfukit for each packet (RFC 3550 6.4.1)"
_SAYS = {True: "DIFFERS", False: "agrees", None: "unknown"}


def lines(report: LatencyReport) -> list[str]:
    """Return a table of medians and of the loss; nothing where the native engine measured alone."""
    found = report.independent
    if found is None:
        return []
    rows = [labelled("engines, p50", f"{'native':>9} {'aiortc':>9}")]
    for one in found.compared:
        native, other = (
            gates.show(typical(each), each.unit) for each in (one.native, one.independent)
        )
        label = _LABELS.get(one.metric, one.metric)
        rows.append(labelled(label, f"{native:>9} {other:>9}   {_SAYS[one.differs]}"))
    encode, decoded = (
        gates.show(each.p50, "ms") for each in (found.encode_ms, found.decoded_frame_ms)
    )
    rows.append(labelled("aiortc", f"encoding {encode}; capture to decoded frame {decoded}"))
    if any(one.metric == "jitter_ms" and one.differs for one in found.compared):
        rows.append(labelled("", _JITTER_RULES))
    rows.append(labelled("", "RTT of its subscriber and residence unknown: aiortc sends no RRTR"))
    return rows
