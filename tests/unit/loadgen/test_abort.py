"""``--abort-after``: a gate that is not met for so long ends the run, and one that recovers not."""

from sfukit import gates
from sfukit.gates import GateResult
from sfukit.loadgen.abort import GateWatch
from sfukit.loadgen.verdict.gate_figures import catalogue

DELAY = gates.parse("e2e_frame_ms.p95 < 400ms", catalogue())
LOSS = gates.parse("loss_after_rtx < 0.5%", catalogue())
CPU = gates.parse("server.cpu_us_per_packet < 9", catalogue())


def judged(delay_ms: float | None, loss: float | None = 0.0) -> list[GateResult]:
    return gates.judge([DELAY, LOSS], {DELAY.path: delay_ms, LOSS.path: loss})


def test_a_gate_that_is_not_met_for_the_whole_time_ends_the_run() -> None:
    watch = GateWatch([DELAY, LOSS, CPU], 10.0)
    assert watch.reason(1.0, judged(500.0)) is None
    assert watch.reason(10.9, judged(600.0)) is None
    assert watch.reason(11.0, judged(612.0)) == (
        "ended by --abort-after: e2e_frame_ms.p95 < 400 ms was not met for 10 s, it is 612 ms"
    )


def test_the_time_begins_again_when_a_gate_is_met_or_unknown() -> None:
    for between in (10.0, None):
        watch = GateWatch([DELAY, LOSS], 10.0)
        assert watch.reason(1.0, judged(500.0)) is None
        assert watch.reason(6.0, judged(between)) is None
        assert watch.reason(11.0, judged(500.0)) is None
        assert watch.reason(21.0, judged(500.0)) is not None


def test_each_gate_has_its_own_time() -> None:
    watch = GateWatch([DELAY, LOSS], 10.0)
    assert watch.reason(0.0, judged(500.0)) is None
    assert watch.reason(8.0, judged(10.0, 0.2)) is None
    assert watch.reason(12.0, judged(10.0, 0.2)) is None
    reason = watch.reason(18.0, judged(10.0, 0.2))
    assert reason is not None and "loss_after_rtx" in reason


def test_another_window_begins_without_failures() -> None:
    watch = GateWatch([DELAY, LOSS], 10.0)
    watch.reason(0.0, judged(500.0))
    watch.reset()
    assert watch.reason(11.0, judged(500.0)) is None


def test_gates_are_judged_once_a_second() -> None:
    watch = GateWatch([DELAY, LOSS], 10.0)
    assert watch.due(5.0)
    watch.reason(5.0, judged(1.0))
    assert not watch.due(5.9)
    assert watch.due(6.0)
