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

    for figure in IMPAIRED.figures:
        assert one(figure, "native").met, one(figure, "native")
    lost = one("loss", "native")
    assert lost.expected is not None and lost.expected > 0.5, "packets were lost"
    assert one("loss", "aiortc").met, "loss by aiortc's own statistics"
    assert one("jitter", "aiortc").met, "the jitter of aiortc is that of frames"
    assert one("frame delay", "aiortc").met, "by the barcode of decoded frames"
