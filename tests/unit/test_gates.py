"""The gate grammar that all commands share."""

import pytest

from sfukit import gates
from sfukit.errors import UsageError
from sfukit.gates import Value

CATALOGUE = {
    "e2e_frame_ms": "ms",
    "e2e_frame_ms.p95": "ms",
    "e2e_frame_ms.p99": "ms",
    "loss_after_rtx": "ratio",
    "joins": "ratio",
    "bitrate_in.avg": "bit/s",
    "nat.mapping": gates.TEXT,
}


@pytest.mark.parametrize(
    ("text", "path", "op", "bound"),
    [
        ("e2e_frame_ms.p95<200", "e2e_frame_ms.p95", "<", 200),
        ("  e2e_frame_ms.p95  <=  0.2s ", "e2e_frame_ms.p95", "<=", 200),
        ("metrics.loss_after_rtx < 0.5%", "loss_after_rtx", "<", 0.005),
        ("joins == 100%", "joins", "==", 1),
        ("bitrate_in.avg>=1.5M", "bitrate_in.avg", ">=", 1_500_000),
        ("nat.mapping==EIM", "nat.mapping", "==", "EIM"),
    ],
)
def test_gates_are_read_into_the_unit_of_the_figure(
    text: str, path: str, op: str, bound: float | str
) -> None:
    gate = gates.parse(text, CATALOGUE)
    assert (gate.path, gate.op) == (path, op)
    assert gate.bound == (bound if isinstance(bound, str) else pytest.approx(bound))


def test_an_unknown_path_lists_the_nearest_three() -> None:
    with pytest.raises(UsageError) as refused:
        gates.parse("e2e_frame.p95<200", CATALOGUE)
    assert "e2e_frame.p95" in refused.value.what
    hint = refused.value.hint or ""
    assert hint.startswith("nearest: e2e_frame_ms.p95") and hint.count(",") == 2


@pytest.mark.parametrize("text", ["", "joins", "joins 5", "joins =< 3", "< 5", "joins <"])
def test_what_is_no_gate_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="not a gate"):
        gates.parse(text, CATALOGUE)


@pytest.mark.parametrize("text", ["joins < 3ms", "e2e_frame_ms < 5%", "joins == abc"])
def test_a_bound_in_the_wrong_unit_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read"):
        gates.parse(text, CATALOGUE)


def test_words_have_no_order() -> None:
    with pytest.raises(UsageError, match="no order"):
        gates.parse("nat.mapping < EIM", CATALOGUE)


@pytest.mark.parametrize(
    ("text", "value", "ok"),
    [
        ("e2e_frame_ms.p95 < 200", 199.9, True),
        ("e2e_frame_ms.p95 < 200", 200.0, False),
        ("joins == 100%", 1.0, True),
        ("joins != 100%", 1.0, False),
        ("nat.mapping == EIM", "EIM", True),
        ("nat.mapping != EIM", "EIM", False),
        ("joins >= 1", None, None),
    ],
)
def test_a_gate_holds_fails_or_is_unknown(text: str, value: Value, ok: bool | None) -> None:
    gate = gates.parse(text, CATALOGUE)
    [result] = gates.judge([gate], {gate.path: value})
    assert result.ok is ok


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "unknown"),
        (0.0002, "ratio", "0.02 %"),
        (1.24, "ms", "1.2 ms"),
        (1234.0, "ms", "1,234 ms"),
        (2**20 * 212, "bytes", "212 MiB"),
        (3.0, "", "3"),
    ],
)
def test_figures_are_shown_with_their_unit(value: Value, unit: str, text: str) -> None:
    assert gates.show(value, unit) == text
