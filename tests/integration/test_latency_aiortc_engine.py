"""``sfukit latency --engine aiortc`` against a private server."""

from dataclasses import replace

import pytest

from tests.latency_run import measured, options

pytestmark = [pytest.mark.realtime, pytest.mark.computes]


async def test_both_engines_measure_an_injected_delay() -> None:
    given = options(duration_s=3, net_up="delay=20ms", net_down="delay=20ms")
    report = await measured(replace(given, engine="aiortc"))
    found = report.independent
    assert found is not None and found.reasons == []
    by_name = {one.metric: one for one in found.compared}
    assert by_name["rtt_pub_ms"].independent.p50 == pytest.approx(40, abs=8)
    assert by_name["e2e_frame_ms"].differs is False
    assert by_name["loss_raw"].independent.weight > 100
    assert by_name["loss_raw"].differs is False
    assert by_name["jitter_ms"].independent.count == 3
    assert found.decoded_frame_ms.p50 is not None and found.decoded_frame_ms.p50 > 40
