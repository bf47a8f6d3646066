"""The options of ``sfukit loadtest`` that name files and addresses: refusals, and Prometheus."""

import socket
from pathlib import Path

import httpx
import pytest

from sfukit.cli.app import main
from sfukit.cli.loadtest_prometheus import exported
from sfukit.loadgen.timeline import Progress
from tests.unit.loadgen.reports.runs import intervals


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--html", "absent/x.html"], "--html absent/x.html: there is no folder absent"),
        (["--junit", "."], "--junit .: it is a folder"),
        (["--csv", "-", "--json", "-"], "--json and --csv are both on standard output"),
        (["--interval", "10ms"], "--interval 10ms: below 250ms"),
        (["--interval", "x"], "--interval: cannot read 'x'"),
        (["--prometheus", "9091"], "--prometheus 9091: not an address"),
        (["--prometheus", ":99999"], "--prometheus :99999: not an address"),
        (["--baseline", "absent.json"], "absent.json: No such file"),
        (["--baseline", "text"], "text: not a report of sfukit"),
        (["--max-regression", "2x"], "--max-regression: cannot read '2x'"),
        (["--hdr", "absent/x.hlog"], "--hdr absent/x.hlog: there is no folder absent"),
        (["--tag", "nightly"], "--tag nightly: not K=V"),
        (["--tag", "a b=1"], "--tag a b=1: not K=V"),
        (["--tag", "a=1", "--tag", "a=2"], "--tag a=2: a is given twice"),
        (["--name", "x" * 201], "--name: 201 characters"),
    ],
)
def test_what_cannot_be_written_or_read_is_refused_before_the_run(
    options: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text").write_text("no JSON")
    assert main(["loadtest", *options]) == 2
    printed = capsys.readouterr()
    assert says in printed.err and printed.out == ""


def test_an_address_in_use_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["loadtest", "--prometheus", f":{taken.getsockname()[1]}"]) == 2
    assert "Address already in use" in capsys.readouterr().err


def scrape(url: str) -> dict[str, float]:
    text = httpx.get(url, trust_env=False).text
    lines = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in lines}


def test_metrics_are_those_of_the_last_interval() -> None:
    series = intervals(3, 500)
    with exported(":0") as exporter:
        assert exporter is not None and exporter.url.startswith("http://127.0.0.1:")
        assert scrape(exporter.url) == {}
        exporter.progress = Progress("ramp", 1.0, 9.0, 500, 40, 2, 300, 4000)
        assert scrape(exporter.url)["sfukit_loadtest_joins_failed"] == 2
        exporter.progress = Progress("ramp", 1.0, 9.0, 500, 40, 2, 300, 4000, series)
        found = scrape(exporter.url)
    assert found["sfukit_loadtest_clients_joined"] == 40
    assert found["sfukit_loadtest_tracks_planned"] == 4000
    last = series[-1]
    assert found["sfukit_loadtest_received_bits_per_second"] == last.bitrate_in_bps
    delay_ms = last.e2e_frame_p95_ms
    assert delay_ms is not None
    name = 'sfukit_loadtest_frame_delay_seconds{quantile="0.95"}'
    assert found[name] == pytest.approx(delay_ms / 1000)


def test_an_address_of_ipv6_is_served(capsys: pytest.CaptureFixture[str]) -> None:
    with exported("[::1]:0") as exporter:
        assert exporter is not None and exporter.url.startswith("http://[::1]:")
        assert scrape(exporter.url) == {}
