"""The HTML report of a load test: what it says, its size, hostile text."""

import re

from sfukit.loadgen.reports import html
from tests.unit.htmlreport.test_embed import parsed
from tests.unit.loadgen.reports.runs import (
    HOSTILE,
    changed,
    gate,
    hostile,
    large,
    passed,
    saturated,
)

MOST_BYTES = 3_000_000


def text_of(page: str) -> str:
    return re.sub(r"<[^>]+>", " ", re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL))


def test_a_page_begins_with_the_verdict_and_the_gates() -> None:
    page = html.page(passed())
    headings = re.findall(r"<h2[^>]*>([^<]+)</h2>", page)
    assert headings == [
        "Gates",
        "At a glance",
        "Over time",
        "Participants",
        "Worst streams",
        "Load generator",
        "Figures",
        "Run",
    ]
    assert page.index(">PASS<") < page.index("e2e_frame_ms.p95 &lt; 400 ms")
    text = text_of(page)
    for said in ("2/2 joined", "sfukit loadtest -c 2", "figures can be trusted", "room-1 p1 of p1"):
        assert said in text, said
    for plot in ("Joins", "Bitrate", "Frame delay", "Packet loss", "CPU", "Lag of the load"):
        assert f"<h3>{plot}" in page, plot


def test_a_failed_and_a_saturated_run_say_so() -> None:
    failed = changed(
        passed(), verdict="fail", exit_code=3, gates=[gate(False)], reasons=["it is 6 ms"]
    )
    page = html.page(failed)
    assert 'class="banner bad"' in page and "NOT MET" in page and "it is 6 ms" in page
    unclear = changed(passed(), verdict="inconclusive", saturation=saturated(), gates=[gate(None)])
    page = html.page(unclear)
    assert 'class="banner warn"' in page and "unknown" in page
    assert "not trusted" in page and "load generator 90 ms late" in page


def test_hostile_text_is_shown_and_is_no_markup() -> None:
    found = parsed(html.page(hostile()))
    plain = parsed(html.page(passed()))
    assert found.names.count("script") == plain.names.count("script")
    assert "b" not in found.names
    assert HOSTILE not in html.page(hostile())


def test_a_run_of_500_participants_and_ten_minutes_is_small() -> None:
    page = html.page(large())
    assert len(page.encode()) < MOST_BYTES
    assert page.count("<tr>") < 1_100, "elements that a browser lays out"


def test_a_run_without_series_clients_or_figures_has_a_page() -> None:
    bare = changed(
        passed(), series=[], clients=[], worst=[], metrics={}, gates=[], server=None, generator=None
    )
    text = text_of(html.page(bare))
    assert "This run has no gates" in text
    assert "figures of the load generator are unknown" in text
