"""``sfukit latency --engine aiortc`` against a private server."""

import asyncio
from dataclasses import replace

import pytest

from tests.latency_run import Watcher, measured, options

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


async def test_a_stop_while_aiortc_measures_keeps_both() -> None:
    stop = asyncio.Event()
    given = replace(options(duration_s=1.0), engine="aiortc", interval_s=0.5)

    def count(_: object) -> None:
        if len(watcher.samples) == 3:  # the second half second of aiortc has begun
            stop.set()

    watcher = Watcher(count)
    report = await measured(given, watcher, stop)
    assert (report.interrupted, report.verdict, report.exit_code) == (True, "inconclusive", 130)
    assert report.reasons[0] == "interrupted, while aiortc measured"
    assert len(report.samples) == 2
    assert report.independent is not None and len(report.independent.samples) == 1


async def test_a_stop_before_aiortc_measures_keeps_the_native_figures() -> None:
    stop = asyncio.Event()

    class Early(Watcher):
        def report(self, label: str, text: str) -> None:
            super().report(label, text)
            if label == "engine":
                stop.set()

    given = replace(options(duration_s=1.0), engine="aiortc", interval_s=0.5)
    report = await measured(given, Early(), stop)
    assert (report.interrupted, report.exit_code, report.independent) == (True, 130, None)
    assert len(report.samples) == 2
