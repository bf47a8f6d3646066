"""The HTML report of a measurement: what it shows, and text of servers in it."""

import re

from sfukit.gates import judge, parse
from sfukit.loadgen.latency import html, result
from sfukit.loadgen.result.report import Fault, Metric, Target
from tests.latency_reports import CLOCK, a_report, independent, whole

from ...htmlreport.test_embed import parsed


def headings(page: str) -> list[str]:
    return re.findall(r"<h2[^>]*>([^<]+)</h2>", page)


def test_a_page_has_the_verdict_the_plots_and_the_figures() -> None:
    page = html.page(a_report())
    assert headings(page) == ["At a glance", "Over time", "Figures", "Run"]
    for title in ("Frame delay and SFU residence", "Round trips", "Jitter", "Packet loss"):
        assert f"<h3>{title}" in page
    assert ">PASS<" in page
    assert "3 s measured, 90 frames received" in page
    assert "assumes that both directions of a path take equally long" in page


def test_gates_clocks_and_unknown_figures_have_their_sections() -> None:
    report = a_report(verdict="fail", reasons=["too late"], clock=CLOCK)
    gate = parse("e2e_frame_ms.p95<4ms", result.catalogue())
    report = a_report(
        verdict="fail",
        reasons=["too late"],
        clock=CLOCK,
        gates=judge([gate], result.figures(report.metrics, CLOCK)),
        metrics={**report.metrics, "rtt_sub_ms": Metric(unit="ms", count=0)},
        unknown={"rtt_sub_ms": "it does not implement DLRR"},
    )
    page = html.page(report)
    assert headings(page) == [
        "At a glance", "Over time", "Gates", "Figures", "Unknown", "Clocks", "Run",
    ]  # fmt: skip
    for shown in ("NOT MET", "too late", "it does not implement DLRR", "-12.500 ms", "0.147 ms"):
        assert shown in page, shown
    assert 'class="tile bad"' in page


def test_the_second_engine_is_beside_the_native_one() -> None:
    page = html.page(whole())
    assert "Engines" in headings(page)
    rows = re.findall(r"<tr><th scope=row>([^<]*)</th>(.*?)</tr>", page)
    cells = {name: re.findall(r">([^<>]+)<", row) for name, row in rows}
    assert cells["frame delay, median"] == ["47 ms", "52 ms", "DIFFERS"]
    assert cells["round trip of the publisher, median"] == ["41 ms", "42 ms", "agrees"]
    assert cells["jitter, median"] == ["4.4 ms", "unknown", "unknown"]
    assert cells["loss before repair, mean"] == ["3 %", "3.1 %", "agrees"]
    assert "<h3>Frame delay by engine" in page
    assert "aiortc, capture to decoded frame" in page


def test_why_the_second_engine_has_no_figures_is_said() -> None:
    failed = independent(samples=[], reasons=["aiortc decoded no frame within 2 s"])
    page = html.page(a_report(independent=failed))
    assert "aiortc decoded no frame within 2 s" in page
    assert "Engines" in headings(page)


def test_a_run_without_samples_has_a_page() -> None:
    empty = {name: Metric(unit=unit, count=0) for name, unit in result.METRICS.items()}
    page = html.page(a_report(samples=[], metrics=empty, generator=None))
    assert headings(page) == ["Figures", "Run"]


def test_text_of_a_server_is_no_markup() -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    report = a_report(
        target=Target(kind="sfukit", url=f"http://h/{hostile}"),
        reasons=[hostile],
        unknown={"jitter_ms": hostile},
        errors=[Fault(code=hostile, message=hostile, count=1, first=hostile)],
    )
    names, plain = parsed(html.page(report)).names, parsed(html.page(a_report())).names
    assert names.count("script") == plain.count("script")
    assert "img" not in names
