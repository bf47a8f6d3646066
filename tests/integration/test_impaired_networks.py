"""Networks that change during a run, and clients behind one queue, against a real server."""

from pathlib import Path

import pytest

from sfukit import units
from tests.integration.loadtest_command import Loadtest

pytestmark = pytest.mark.realtime

VIEWERS = ("-c", "3", "--scenario", "broadcast", "--bitrate", "500k", "--no-simulcast")


@pytest.fixture
def loadtest(tmp_path: Path) -> Loadtest:
    return Loadtest(tmp_path)


async def test_a_network_changes_by_its_phases(loadtest: Loadtest, tmp_path: Path) -> None:
    phases = tmp_path / "phases.toml"
    phases.write_text(
        '[[phase]]\nat = "3s"\nnet_down = "loss=20%,burst=3"\n[[phase]]\nat = "5s"\nnet = "none"\n'
    )
    window = ("--warmup", "1s", "-d", "6s", "--seed", "7", "--no-default-gates")
    outcome = await loadtest(*VIEWERS, *window, "--net-down", "delay=5ms", "--phases", str(phases))
    report = outcome.measured
    assert outcome.code == 0, outcome.out
    assert [one.at_s for one in report.scenario.phases] == [3.0, 5.0]
    loss = {
        name: max(
            one.loss_raw or 0.0
            for one in report.series
            if first <= one.start_s and one.end_s <= last
        )
        for name, first, last in (("before", 0, 3), ("lossy", 3, 5.2), ("after", 5.2, 9))
    }
    assert loss["before"] == loss["after"] == 0, loss
    assert 0.05 < loss["lossy"] < 0.4, loss


async def test_two_viewers_share_a_queue_that_one_would_not_fill(loadtest: Loadtest) -> None:
    window = ("--warmup", "1s", "-d", "3s", "--seed", "7", "--no-default-gates")
    down = ("--net-down", "rate=800k,queue=100ms,shared=2", "--audio", "none")
    # a server that estimates would send less
    outcome = await loadtest(*VIEWERS, *window, *down, "--server-args=--bwe none")
    report = outcome.measured
    # each of the two gets less than its 500 kb/s, both together no more than the rate
    rates = [one.bitrate_in_bps or 0.0 for one in report.clients if one.impaired]
    assert len(rates) == 2
    assert 600_000 < sum(rates) < 800_000, rates
    assert (report.metrics["loss_raw"].avg or 0.0) > 0.05


async def test_a_flow_beside_tcp_is_reported_by_a_case(loadtest: Loadtest, tmp_path: Path) -> None:
    page = tmp_path / "case.html"
    outcome = await loadtest("--rfc8867", "5.6", "-d", "5s", "--seed", "7", "--html", str(page))
    assert outcome.code == 0, outcome.out
    case = outcome.measured.rfc8867
    assert case is not None
    media, tcp = case.flows
    assert (media.kind, tcp.kind, len(tcp.seconds)) == ("media", "tcp", 5)
    # the TCP flow fills what the media leave, and the queue with it
    rates = [flow.intervals[0].rate_bps for flow in case.flows]
    assert rates[0] > 100_000, rates
    assert 1_600_000 < sum(rates) < 2_100_000, rates
    assert (media.intervals[0].queue_p95_ms or 0) > 100
    assert "\nexpected" in outcome.out
    assert f"TCP {units.show_bitrate(rates[1])}" in " ".join(outcome.out.split())
    assert "Rate of each flow" in page.read_text()
