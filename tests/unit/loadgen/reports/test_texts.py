"""Markdown and CSV."""

import csv
import io

import msgspec
import pytest

from sfukit.cli import loadtest_text
from sfukit.loadgen.reports import html, markdown, table
from tests.unit.loadgen.reports.runs import changed, gate, hostile, passed, relayed


def test_a_summary_begins_with_the_verdict_and_lists_gates_and_percentiles() -> None:
    lines = markdown.document(passed()).splitlines()
    assert lines[0] == "## ✅ PASS: 2/2 joined, 4/4 tracks, 5/5 default gates"
    assert "| e2e\\_frame\\_ms.p95 &lt; 400 ms | 0.10 ms | met |" in lines
    assert "| join | 20 ms | 20 ms | 20 ms | 20 ms | 20 ms |" in lines
    assert "the load generator was not saturated: figures can be trusted." in lines


def test_a_failure_is_marked_and_has_its_reasons() -> None:
    report = changed(passed(), verdict="fail", gates=[gate(False)], reasons=["too slow"])
    text = markdown.document(report)
    assert text.startswith("## ❌ FAIL") and "- too slow\n" in text and "**NOT MET**" in text


def test_the_relay_retries_and_unknown_frame_delays_are_said() -> None:
    plain = markdown.document(passed()), html.page(passed())
    assert not any("relay" in text or "tried again" in text for text in plain)
    report = relayed()
    page, text = html.page(report), markdown.document(report).replace("\\", "")
    for said in (page, text, "\n".join(loadtest_text.result_lines(report))):
        assert "?transport=tcp by tls: 3 allocations, for 1 of 2 clients, failed: 2 x turn" in said
        assert "3 joins of 2 clients failed and were tried again (3 x connect_timeout)" in said
        assert "unknown: VP9, 2 streams: the target forwards no abs-capture-time" in said
    assert ">unknown<" in page  # the tile of the frame delay


def test_swapped_cores_and_a_shared_endpoint_are_said() -> None:
    plain, report = markdown.document(passed()), passed()
    assert "exchange" not in plain and "endpoint" not in plain
    placement = msgspec.structs.replace(
        report.environment.placement, pin="exchange", cores_swapped=True
    )
    report = changed(
        report,
        environment=msgspec.structs.replace(report.environment, placement=placement),
        target=msgspec.structs.replace(report.target, publishers_per_endpoint=3),
    )
    for text in (markdown.document(report), html.page(report)):
        assert "swapped cores every 50 ms, which improves figures of the server" in text
        assert "3 publishers share one WHIP endpoint" in text


def test_hostile_text_stays_in_its_cell() -> None:
    text = markdown.document(hostile())
    assert "<script" not in text and "<b>" not in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    for row in rows:
        assert row.replace("\\|", "").count("|") in (4, 7), row
    assert not any(line.startswith("# x") for line in text.splitlines())


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a|b", "a\\|b"), ("<b>", "&lt;b\\>"), ("a\nb", "a b"), ("@all *x*", "\\@all \\*x\\*")],
)
def test_plain_text_is_escaped(text: str, expected: str) -> None:
    assert markdown.plain(text) == expected


def test_csv_has_a_row_for_each_interval() -> None:
    report = passed()
    rows = list(csv.DictReader(io.StringIO(table.document(report))))
    assert [float(row["end_s"]) for row in rows] == [1, 2, 3, 4, 5]
    assert [row["phase"] for row in rows] == ["ramp", "warm-up", *["measuring"] * 3]
    assert float(rows[4]["e2e_frame_p95_ms"]) == report.series[4].e2e_frame_p95_ms
    assert set(rows[0]) >= {"joined", "loss_raw", "loss_after_rtx", "lag_p99_ms", "server_cores"}
