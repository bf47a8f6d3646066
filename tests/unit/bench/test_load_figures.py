"""Reports of load tests become figures; a run that did not pass spoils its row."""

from pathlib import Path

import msgspec
import pytest

from sfukit.loadgen.result.report import LoadtestReport, ServerUse, SwarmUse
from tools.bench import load_figures
from tools.bench.figure import Figure

RECORDED = Path(__file__).parent / "recorded"


def recorded(name: str) -> LoadtestReport:
    return msgspec.json.decode((RECORDED / f"{name}.json").read_bytes(), type=LoadtestReport)


def with_server(report: LoadtestReport, **changes: object) -> LoadtestReport:
    assert report.server is not None
    server: ServerUse = msgspec.structs.replace(report.server, **changes)
    return msgspec.structs.replace(report, server=server)


def with_metric(report: LoadtestReport, name: str, **changes: float) -> LoadtestReport:
    metric = msgspec.structs.replace(report.metrics[name], **changes)
    return msgspec.structs.replace(report, metrics={**report.metrics, name: metric})


def with_group_metric(
    report: LoadtestReport, group: str, name: str, **changes: float
) -> LoadtestReport:
    metric = msgspec.structs.replace(report.groups[group][name], **changes)
    groups = {**report.groups, group: {**report.groups[group], name: metric}}
    return msgspec.structs.replace(report, groups=groups)


def named(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


@pytest.fixture
def clean() -> LoadtestReport:
    return recorded("clean")


@pytest.fixture
def lossy() -> LoadtestReport:
    return recorded("lossy")


def test_a_packet_is_charged_to_the_server_by_pacing(clean: LoadtestReport) -> None:
    whole = with_server(clean, cpu_us_per_packet=1.79)
    paced = with_server(clean, cpu_us_per_packet=2.31, packets_sent=1000, packets_retransmitted=10)
    figures = named(load_figures.broadcast(whole, paced))
    assert figures["whole: server_cpu_us_per_packet"].met
    assert figures["paced: server_cpu_us_per_packet"].met is False
    assert figures["paced: retransmitted"].value == 0.01
    assert figures["verdict"].met


def test_a_session_is_held_against_every_bound(clean: LoadtestReport) -> None:
    good = with_metric(clean, "e2e_delta_ms", p99=31.0)
    good = with_metric(good, "e2e_keyframe_ms", p99=89.9)
    good = with_metric(good, "ttff_ms", p95=700.0)
    assert all(figure.met is not False for figure in load_figures.session(good))
    one_lost = with_metric(good, "loss_after_rtx", avg=1e-7)
    assert [one.name for one in load_figures.session(one_lost) if one.met is False] == [
        "loss_after_rtx"
    ]


def test_a_run_that_failed_spoils_its_row(clean: LoadtestReport, lossy: LoadtestReport) -> None:
    assert lossy.verdict == "fail"
    verdict = named(load_figures.broadcast(clean, lossy))["verdict"]
    assert (verdict.value, verdict.met) == ("fail", False)


def test_loss_is_compared_with_what_was_sent_again(
    clean: LoadtestReport, lossy: LoadtestReport
) -> None:
    lossy = with_server(lossy, packets_sent=1030, packets_retransmitted=30, cpu_us_per_packet=2.5)
    lossy = with_metric(lossy, "loss_raw", avg=0.02)
    figures = named(load_figures.lossy(lossy, with_server(clean, cpu_us_per_packet=2.0)))
    assert figures["retransmitted packets per lost packet"].value == 1.5
    assert figures["retransmitted packets per lost packet"].met
    assert figures["CPU per packet, times the clean run's"].value == 1.25
    lossless = with_metric(lossy, "loss_raw", avg=0.0)
    unknown = named(load_figures.lossy(lossless, clean))["retransmitted packets per lost packet"]
    assert (unknown.value, unknown.met) == (None, False)


def test_narrow_links_are_judged_apart_from_free_ones(lossy: LoadtestReport) -> None:
    """The recorded window is 2 s, so that one switch in it is five in 10 s."""
    unhindered = with_group_metric(lossy, "free", "stream_e2e_p99_ms", p95=40.0)
    narrow = with_group_metric(lossy, "free", "stream_e2e_p99_ms", p95=44.0)
    narrow = with_group_metric(narrow, "impaired", "settled_ms", max=4_999.0)
    narrow = with_group_metric(narrow, "impaired", "layer_switches", max=1.0)
    figures = named(load_figures.narrow(narrow, unhindered))
    assert figures["narrow: settled_ms max"].met
    assert figures["narrow: switches per 10 s, max"].value == 5.0
    assert figures["narrow: switches per 10 s, max"].met is False
    assert figures["free: times that without narrow links"].value == pytest.approx(1.1)
    full = with_group_metric(narrow, "impaired", "bitrate_in", max=990_000.0)
    assert named(load_figures.narrow(full, unhindered))["narrow: bitrate_in max"].met is False


def test_a_join_is_charged_without_the_media_that_follows(clean: LoadtestReport) -> None:
    """3 s of CPU, of which half a core for 5 / 2 + 1 s: 1.25 s are left for 5 clients."""
    scenario = msgspec.structs.replace(clean.scenario, ramp_s=5.0, warmup_s=1.0)
    report = with_server(clean, ramp_cpu_s=3.0, cpu_s=1.0, wall_s=2.0)
    report = msgspec.structs.replace(report, scenario=scenario)
    cost = named(load_figures.ramp(report))["server_cpu_ms per participant joining"]
    assert cost.value == pytest.approx(250.0)
    assert cost.met is False


def test_memory_is_spread_over_the_subscribers_more(
    clean: LoadtestReport, lossy: LoadtestReport
) -> None:
    few = with_server(clean, rss_bytes=100_000_000)
    many = with_server(lossy, rss_bytes=100_000_000 + 4 * 96 * 1024)
    each = named(load_figures.memory(few, many))["rss_bytes per subscriber more"]
    assert (clean.scenario.tracks, lossy.scenario.tracks) == (4, 8)
    assert (each.value, each.met) == (96 * 1024, True)


def test_the_swarm_is_charged_by_received_packet(clean: LoadtestReport) -> None:
    assert clean.generator is not None
    use: SwarmUse = msgspec.structs.replace(clean.generator, cpu_s=0.3, packets_received=200_000)
    figures = named(load_figures.swarm(msgspec.structs.replace(clean, generator=use)))
    assert figures["swarm_cpu_us per received packet"].value == pytest.approx(1.5)


def test_memory_is_spread_over_the_bots_more(clean: LoadtestReport) -> None:
    assert clean.generator is not None
    scenario = msgspec.structs.replace(clean.scenario, clients=clean.scenario.clients + 100)
    rss_bytes = clean.generator.rss_bytes + 100 * 65 * 1024
    use: SwarmUse = msgspec.structs.replace(clean.generator, rss_bytes=rss_bytes)
    many = msgspec.structs.replace(clean, scenario=scenario, generator=use)
    figures = named(load_figures.many_receivers(clean, many))
    assert figures["memory per bot"].value == pytest.approx(65 * 1024)
    assert figures["memory per bot"].met is False
    assert figures["saturated"].met is True


def test_a_server_elsewhere_has_no_figures(clean: LoadtestReport) -> None:
    elsewhere = msgspec.structs.replace(clean, server=None)
    figures = named(load_figures.session(elsewhere))
    assert figures["server, cores"].met is False
