"""The common start of several processes."""

import time

import pytest

from sfukit.errors import UsageError
from sfukit.loadgen.shards import start

NOW_S = 1_893_456_000.0


@pytest.mark.parametrize(
    ("text", "at_s"),
    [
        ("2030-01-01T00:00:30Z", NOW_S + 30),
        ("2030-01-01T01:00:30+01:00", NOW_S + 30),
        ("1893456030.5", NOW_S + 30.5),
        ("+30s", NOW_S + 30),
    ],
)
def test_times(text: str, at_s: float) -> None:
    assert start.parse(text, NOW_S) == at_s
    assert start.show(at_s).startswith("2030-01-01T00:00:30.")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2030-01-01T00:00:30", "without a time zone"),
        ("soon", "not a time"),
        ("+soon", "cannot read"),
        ("1893455999", "was 1.0 s ago"),
        ("2031-01-01T00:00:30Z", "more than a day from now"),
        ("9" * 40, "more than a day from now"),
        ("nan", "not a time"),
        ("-5", "not a time"),
        ("", "not a time"),
    ],
)
def test_what_is_no_start_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        start.parse(text, NOW_S)


def test_a_start_that_was_missed_is_refused() -> None:
    assert start.left_s(None) == 0.0
    assert 9 < start.left_s(time.time() + 10) <= 10
    with pytest.raises(UsageError, match="was not ready in time"):
        start.left_s(time.time() - 1)
