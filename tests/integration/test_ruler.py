"""The ruler at small scale: injected loss and delay against what both engines report."""

import pytest

from tools.ruler.cases import CLEAN, Case
from tools.ruler.measure import bench
from tools.ruler.relay import Network
from tools.ruler.rows import Row, rows

pytestmark = pytest.mark.computes

IMPAIRED = Case(
    "2 % loss and 80 ms",
    Network(publisher_down="delay=80ms", subscriber_down="loss=2%,delay=80ms"),
    ("loss", "frame delay", "RTT publisher", "RTT subscriber", "jitter", "bitrate"),
)


async def test_injected_loss_and_delay_are_reported() -> None:
    async with bench() as stand:
        clean = await stand.measure(CLEAN, 2.0, "aiortc")
        impaired = await stand.measure(IMPAIRED, 3.0, "aiortc")
    found = list(rows(clean, [impaired]))

    def one(figure: str, by: str) -> Row:
        [row] = [
            row
            for row in found
            if (row.injected, row.figure, row.by) == (IMPAIRED.injected, figure, by)
        ]
        return row

    def lost(by: str, packets: int) -> tuple[int, int]:
        row = one("loss", by)
        assert row.expected is not None and row.reported is not None
        return round(row.expected / 100 * packets), round(row.reported / 100 * packets)

    for figure in IMPAIRED.figures:
        assert figure == "loss" or one(figure, "native").met, one(figure, "native")
    assert impaired.report.independent is not None
    compared = impaired.report.independent.compared
    [by_aiortc] = [each for each in compared if each.metric == "loss_raw"]
    for by, metric in (("native", by_aiortc.native), ("aiortc", by_aiortc.independent)):
        expected, reported = lost(by, metric.count)
        assert expected > 2, "packets were lost"
        assert abs(reported - expected) <= 1, "but for one at an edge of the window"
    assert one("jitter", "aiortc").met, "the jitter of aiortc is that of frames"
    assert one("frame delay", "aiortc").met, "by the barcode of decoded frames"
