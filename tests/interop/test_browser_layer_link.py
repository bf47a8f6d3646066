"""A viewer of AV1 L3T3 behind a link that becomes narrow and wide again; Chromium on both sides."""

import pytest

from tests.interop.browser import Browser
from tests.interop.layer_link import Sample, run, table
from tests.interop.server import Server

pytestmark = pytest.mark.realtime

PHASES = ((2_500_000, 3.0), (400_000, 4.0), (2_500_000, 4.0))
FOLLOWS_WITHIN_S = 3.0


def settled(samples: list[Sample], phase: int) -> list[Sample]:
    """Return the samples of a phase from when the viewer should have followed."""
    return [
        row
        for row in samples
        if row.phase == phase and row.phase_s > FOLLOWS_WITHIN_S and not row.cpu_limited
    ]


async def test_size_and_frame_rate_follow_the_capacity(browser: Browser, server: Server) -> None:
    samples = await run(browser, server, "av1", PHASES)
    shown = table(samples)
    narrow, wide = settled(samples, 1), settled(samples, 2)
    assert {row.width for row in narrow} <= {320, 160}, shown
    assert {row.width for row in wide} == {640}, shown
    for row in (*narrow, *wide):
        assert row.fps > 6, shown
        assert row.freezes == 0, shown
    # the structure of L3T3 allows to leave out layers at any frame
    down = [row for row in samples if row.phase == 1]
    assert sum(row.requests for row in down) == 0, shown
