"""A viewer whose link becomes narrow gets an encoding that fits, against a real server."""

from pathlib import Path

import pytest

from sfukit.loadgen.result.paths import Link
from tests.integration.loadtest_command import Loadtest
from tools.bench.adaptation import ideal
from tools.bench.adaptation.cases import HIGH

pytestmark = pytest.mark.realtime

WIDE_BPS, NARROW_BPS = 5_000_000, 1_000_000
NARROW_FROM_S = 4.0
SETTLED_S = 9.0


async def test_the_encoding_follows_a_capacity_that_drops(tmp_path: Path) -> None:
    phases = tmp_path / "phases.toml"
    phases.write_text(f'[[phase]]\nat = "{NARROW_FROM_S}s"\nnet_down = "rate={NARROW_BPS}"\n')
    page = tmp_path / "report.html"
    outcome = await Loadtest(tmp_path)(
        *("--scenario", "broadcast", "-c", "2", "--warmup", "1s", "-d", "9s", "--seed", "7"),
        *("--net-down", f"rate={WIDE_BPS},queue=300ms,delay=20ms", "--phases", str(phases)),
        *("--no-default-gates", "--html", str(page)),
    )
    report = outcome.measured
    assert outcome.code == 0, outcome.out

    (video,) = report.video_streams
    received = [(one.at_s, one.encoding) for one in video.encodings]
    assert ideal.at(received, NARROW_FROM_S) == HIGH, received
    assert video.end_s is not None
    # whichever the estimator, it has left the encoding that does not fit, and the path
    wanted = ideal.ideal(NARROW_BPS, audio=True)
    assert ideal.at(received, SETTLED_S) == wanted, received
    assert video.layer_switches >= 1 and video.encoding_shares[wanted] > 0.2

    link = next(one for one in report.links if one.client == video.client)
    assert {WIDE_BPS, NARROW_BPS} == {one for one in link.capacity_bps if one is not None}
    narrow = _rates(link, NARROW_FROM_S + 1, video.end_s)
    wide = _rates(link, 2.0, NARROW_FROM_S)
    assert max(_means(narrow)) < 1.1 * NARROW_BPS, narrow
    assert sum(wide) / len(wide) > 1.4 * NARROW_BPS, wide
    assert report.metrics["queue_ms"].count > 500
    assert "Impaired links" in page.read_text()


def _rates(link: Link, start_s: float, end_s: float) -> list[float]:
    """Return the rates that passed in the intervals between two times."""
    first, last = ((at_s - link.start_s) / link.interval_s for at_s in (start_s, end_s))
    return link.rate_bps[round(first) : round(last)]


def _means(rates: list[float]) -> list[float]:
    """Return the means of half seconds."""
    return [sum(rates[n : n + 5]) / 5 for n in range(0, len(rates) - 4, 5)]
