"""Quantities with units: read as people write them, refused with the place and the remedy."""

import pytest

from sfukit import units
from sfukit.errors import UsageError


@pytest.mark.parametrize(
    ("text", "seconds"), [("60s", 60), ("1m", 60), ("250ms", 0.25), ("5", 5), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert units.duration_s(text, "--duration") == pytest.approx(seconds)


@pytest.mark.parametrize(("text", "per_s"), [("20/s", 20), ("120/m", 2), ("3", 3), ("0.5/s", 0.5)])
def test_rates(text: str, per_s: float) -> None:
    assert units.rate_per_s(text, "--ramp") == pytest.approx(per_s)


@pytest.mark.parametrize(
    ("text", "bps"), [("1.7M", 1_700_000), ("500k", 500_000), ("2Mbps", 2_000_000), ("9", 9)]
)
def test_bitrates(text: str, bps: int) -> None:
    assert units.bitrate_bps(text, "--bitrate") == bps


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [("0.5%", "ratio", 0.005), ("1", "ratio", 1), ("80ms", "ms", 80), ("1s", "ms", 1000)],
)
def test_a_bound_is_read_into_the_unit_of_its_metric(text: str, unit: str, value: float) -> None:
    assert units.convert(text, unit, "-T") == pytest.approx(value)


@pytest.mark.parametrize("text", ["abc", "", "-3/s", "20/x", "1e3", "20 per s"])
def test_an_unreadable_rate_names_the_option_the_text_and_an_example(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        units.rate_per_s(text, "--ramp")
    assert "--ramp" in refused.value.what
    assert repr(text) in refused.value.what
    assert "20/s" in (refused.value.hint or "")


def test_a_rate_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="must be above 0"):
        units.rate_per_s("0/s", "--ramp")


@pytest.mark.parametrize(
    ("seconds", "text"), [(45, "45 s"), (0.45, "0.45 s"), (95, "1m35"), (7500, "2h05")]
)
def test_durations_are_shown_as_a_person_writes_them(seconds: float, text: str) -> None:
    assert units.show_duration(seconds) == text


@pytest.mark.parametrize(
    ("bps", "text"),
    [
        (480_000, "480 kb/s"),
        (999_400, "999 kb/s"),
        (999_600, "1 Mb/s"),
        (1_700_000, "1.7 Mb/s"),
        (1_139_000_000, "1,139 Mb/s"),
    ],
)
def test_bitrates_are_shown_as_a_person_writes_them(bps: float, text: str) -> None:
    assert units.show_bitrate(bps) == text
