"""The histograms of a load test as an HdrHistogram log."""

import csv

import msgspec

from sfukit.cli import loadtest_text
from sfukit.loadgen.metrics import hdr
from sfukit.loadgen.reports import hdr_log, html, junit, markdown
from tests.unit.loadgen.reports.runs import HOSTILE, changed, hostile, passed


def test_every_metric_is_a_tagged_line_that_decodes() -> None:
    report = passed()
    lines = hdr_log.document(report).splitlines()
    assert lines[0] == "#[Histogram log format version 1.3]"
    legend = lines.index(
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    )
    assert all(line.startswith("#[") and line.endswith("]") for line in lines[:legend])
    rows = list(csv.reader(lines[legend + 1 :]))
    found = {row[0].removeprefix("Tag="): row[1:] for row in rows}
    assert found.keys() == {name for name, one in report.metrics.items() if one.count and one.hdr}
    start, length, largest, histogram = found["join_ms"]
    assert (float(start), float(length), float(largest)) == (0.0, 10.0, 20.0)
    assert hdr.decode(histogram) == {hdr.bucket_of(20_000): 2}


def test_texts_of_a_report_begin_no_line() -> None:
    made = changed(hostile(), name=HOSTILE)
    made = changed(made, metrics={**made.metrics, HOSTILE: made.metrics["join_ms"]})
    plain = hdr_log.document(passed()).splitlines()
    assert len(hdr_log.document(made).splitlines()) == len(plain) + 2


def test_name_and_tags_are_in_every_form() -> None:
    made = changed(passed(), name="nightly", tags={"commit": "1a2b"})
    assert "<title>nightly: load test of" in html.page(made)
    assert "<dt>commit</dt><dd>1a2b</dd>" in html.page(made)
    assert "nightly, commit=1a2b; a private SFU" in markdown.document(made)
    assert '<property name="commit" value="1a2b" />' in junit.document(made)
    text = "\n".join(loadtest_text.render_saved(msgspec.json.encode(made)))
    assert "\nname            nightly, commit=1a2b\n" in text
