"""The series of a load test as CSV (RFC 4180)."""

import csv
import io

import msgspec

from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.result.series import Interval


def document(report: LoadtestReport) -> str:
    """Return a row for each interval; unknown values are empty."""
    text = io.StringIO()
    names = [field.name for field in msgspec.structs.fields(Interval) if field.name != "hdr"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([getattr(interval, name) for name in names] for interval in report.series)
    return text.getvalue()
