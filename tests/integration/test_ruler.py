"""The ruler at small scale: injected loss and delay against what both engines report."""

import pytest

from tools.ruler import recording
from tools.ruler.cases import CLEAN, Case
from tools.ruler.measure import Observed, bench
from tools.ruler.relay import Network
from tools.ruler.rows import Row, rows

pytestmark = [pytest.mark.realtime, pytest.mark.computes]

IMPAIRED = Case(
    "3 % loss and 80 ms",
    Network(publisher_down="delay=80ms", subscriber_down="loss=3%,delay=80ms"),
    ("loss", "jitter", "bitrate", "frame delay", "RTT publisher", "RTT subscriber"),
)


async def test_injected_loss_and_delay_are_reported() -> None:
    async with bench() as stand:
        clean = await stand.measure(CLEAN, 2.0, "native")
        impaired = await stand.measure(IMPAIRED, 2.5, "aiortc")
    found = {
        (row.by, row.figure): row
        for row in rows(clean, [impaired])
        if row.injected == IMPAIRED.injected
    }
    # on a machine with other work timers are late, those of sfukit as those of the relay
    received = recording.media(impaired.session("native", "subscriber").down)
    late_ms = recording.lateness_ms(received, impaired.native.window)

    def is_near(row: Row) -> bool:
        assert row.error is not None, row
        return bool(row.met) or (row.unit == "ms" and abs(row.error) <= row.bound + late_ms)

    for figure in IMPAIRED.figures[1:]:
        assert is_near(found["native", figure]), found["native", figure]
    for figure, why in (("jitter", "counted from frame to frame"), ("frame delay", "by barcode")):
        assert is_near(found["aiortc", figure]), why
    for by, observed in (("native", impaired.native), ("aiortc", impaired.aiortc)):
        expected, reported = lost_packets(found[by, "loss"], observed)
        assert expected >= 1, "packets were lost"
        assert abs(reported - expected) <= 1, "but for one at an edge of the window"


def lost_packets(row: Row, observed: Observed) -> tuple[int, int]:
    """Return the number of packets that the relay and the engine count as lost."""
    assert row.expected is not None and row.reported is not None
    packets = sum(one.packets_expected for one in observed.samples)
    return round(row.expected / 100 * packets), round(row.reported / 100 * packets)
