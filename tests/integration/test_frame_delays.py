"""What frame delays are measured by (``--latency``), against a real server."""

from pathlib import Path

import pytest

from tests.integration.loadtest_command import Loadtest

pytestmark = pytest.mark.realtime

VIEWER = ("-c", "2", "--scenario", "broadcast", "--bitrate", "150k", "--no-simulcast")
WINDOW = ("--warmup", "1s", "-d", "2s", "--seed", "7", "--no-default-gates")


@pytest.fixture
def loadtest(tmp_path: Path) -> Loadtest:
    return Loadtest(tmp_path)


async def test_capture_times_are_forwarded_and_give_the_delay(loadtest: Loadtest) -> None:
    outcome = await loadtest(*VIEWER, *WINDOW, "--latency", "capture-time")
    use, delays = outcome.measured.frame_delay, outcome.measured.metrics["e2e_frame_ms"]
    assert use is not None
    assert outcome.code == 0, outcome.out
    assert (use.mode, use.by_frame_id, use.unmeasured, use.reasons) == ("capture-time", 0, 0, [])
    assert use.by_capture_time == delays.count > 20
    assert delays.p50 is not None
    assert 0 < delays.p50 < 100
    assert "measured by abs-capture-time" in outcome.out


async def test_barcodes_of_decoded_frames_give_the_delay(loadtest: Loadtest) -> None:
    pytest.importorskip("av")
    down = ("--net-down", "delay=60ms")
    outcome = await loadtest(*VIEWER, *WINDOW, *down, "--latency", "barcode")
    use, delays = outcome.measured.frame_delay, outcome.measured.metrics["e2e_frame_ms"]
    assert use is not None
    assert outcome.code == 0, outcome.out
    assert (use.by_barcode, use.unmeasured, use.sampled_streams) == (delays.count, 0, 1)
    assert delays.count > 20
    assert delays.p50 is not None
    assert 60 < delays.p50 < 160
    assert "measured by barcode in 1 sampled stream (" in outcome.out


async def test_nothing_measures_without_frame_ids(loadtest: Loadtest) -> None:
    gate = ("-T", "e2e_frame_ms.p95<400ms")
    outcome = await loadtest(*VIEWER, *WINDOW, *gate, "--latency", "off")
    report = outcome.measured
    assert report.frame_delay is not None
    assert (outcome.code, report.reasons) == (5, ["e2e_frame_ms.p95 < 400 ms: unknown"])
    assert report.metrics["e2e_frame_ms"].count == 0
    assert (report.metrics["freeze_est"].count, report.metrics["loss_raw"].avg) == (1, 0)
    assert "frame delay     not measured: --latency off" in outcome.out
