"""The ruler at small scale: injected loss and delay against what both engines report."""

import pytest

from tools.ruler import recording
from tools.ruler.cases import Case
from tools.ruler.measure import bench
from tools.ruler.relay import Network
from tools.ruler.rows import Row, rows

pytestmark = pytest.mark.computes

LOSS = Case("5 % loss", Network(subscriber_down="loss=5%"), ("loss", "jitter", "bitrate"))
DELAY = Case(
    "80 ms",
    Network(publisher_down="delay=80ms", subscriber_down="delay=80ms"),
    ("frame delay", "RTT publisher", "RTT subscriber"),
)


async def test_injected_loss_and_delay_are_reported() -> None:
    async with bench() as stand:
        loss = await stand.measure(LOSS, 2.5, "aiortc")
        delay = await stand.measure(DELAY, 2.5, "aiortc")
    found = list(rows(loss, [delay]))

    def one(figure: str, by: str) -> Row:
        [row] = [row for row in found if (row.figure, row.by) == (figure, by)]
        return row

    def lost(by: str, packets: int) -> tuple[int, int]:
        row = one("loss", by)
        assert row.expected is not None and row.reported is not None
        return round(row.expected / 100 * packets), round(row.reported / 100 * packets)

    # on a machine with other work timers are late, those of sfukit as those of the relay
    held = delay.session("native", "subscriber").down
    late_ms = recording.lateness_ms(recording.media(held), delay.native.window)
    for figure in (*LOSS.figures[1:], *DELAY.figures):
        row = one(figure, "native")
        assert row.error is not None
        assert row.met or (row.unit == "ms" and abs(row.error) <= row.bound + late_ms), row
    for by, observed in (("native", loss.native), ("aiortc", loss.aiortc)):
        expected, reported = lost(by, sum(one.packets_expected for one in observed.samples))
        assert expected > 2, "packets were lost"
        assert abs(reported - expected) <= 1, "but for one at an edge of the window"
    for figure, why in (("jitter", "of frames"), ("frame delay", "by the barcode")):
        row = one(figure, "aiortc")
        assert row.error is not None and abs(row.error) <= row.bound + late_ms, why
