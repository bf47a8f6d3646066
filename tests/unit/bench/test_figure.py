"""A figure is met, not met, or asked for nothing; an unknown one is never met."""

import pytest

from tools.bench.figure import Figure, Reach, at_most, below, exactly, ratio, worst


@pytest.mark.parametrize(
    ("value", "reach", "met"),
    [
        (1.8, at_most(1.8), True),
        (1.81, at_most(1.8), False),
        (50.0, below(50.0), False),
        (0.0, exactly(0.0), True),
        (1e-9, exactly(0.0), False),
        ("pass", exactly("pass"), True),
        ("inconclusive", exactly("pass"), False),
        (None, at_most(1.8), False),
        (None, exactly("pass"), False),
        (7.0, None, None),
    ],
)
def test_a_figure_is_held_against_its_reach(
    value: float | str | None, reach: Reach | None, met: bool | None
) -> None:
    assert Figure("one", value, "", reach).met is met


def test_figures_are_written_with_their_units() -> None:
    figure = Figure("loss", 0.0005, "ratio", at_most(0.01))
    assert (figure.measured_text, figure.reach_text) == ("0.05 %", "<= 1 %")
    assert Figure("memory", 98304, "bytes").measured_text == "96 KiB"
    assert Figure("unknown", None, "ms").measured_text == "unknown"


def test_what_is_unknown_stays_unknown() -> None:
    assert ratio(3.0, 2.0) == 1.5
    assert ratio(None, 2.0) is ratio(3.0, None) is ratio(3.0, 0.0) is None
    assert worst([1.0, 3.0, 2.0]) == 3.0
    assert worst([1.0, None]) is worst([]) is None
