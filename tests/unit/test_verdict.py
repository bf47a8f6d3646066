"""Verdicts: gates, blame and mishaps become pass, fail or inconclusive, and an exit code."""

import pytest

from sfukit import gates
from sfukit.errors import ExitCode
from sfukit.gates import GateResult
from sfukit.loadgen.host.processes import Use
from sfukit.loadgen.result.report import Saturation, Side
from sfukit.loadgen.verdict.decision import Circumstances, TargetFault, decide, default_gates
from sfukit.loadgen.verdict.gate_figures import catalogue
from sfukit.loadgen.verdict.saturation import Evidence, attribute


def results(value: float | None) -> list[GateResult]:
    gate = gates.parse("e2e_frame_ms.p95 < 400", catalogue())
    return gates.judge([gate], {gate.path: value})


GOOD, BAD, UNKNOWN = results(10.0), results(900.0), results(None)


SPOKEN, SILENT = TargetFault("it went away", True), TargetFault("no media", False)


def blame(side: Side) -> Saturation:
    return Saturation(side=side, reasons=[] if side == "none" else [f"because of {side}"])


@pytest.mark.parametrize(
    ("judged", "side", "circumstances", "verdict", "code"),
    [
        (GOOD, "none", Circumstances(), "pass", 0),
        (GOOD, "server", Circumstances(), "pass", 0),
        (GOOD, "swarm", Circumstances(), "pass", 0),
        (GOOD, "swarm", Circumstances(load_delivered=False), "inconclusive", 5),
        (BAD, "none", Circumstances(), "fail", 3),
        (BAD, "server", Circumstances(), "fail", 3),
        (BAD, "swarm", Circumstances(), "inconclusive", 5),
        (BAD, "shared", Circumstances(), "inconclusive", 5),
        (BAD, "swarm", Circumstances(refused_joins=1), "fail", 3),
        (GOOD, "none", Circumstances(dropped="1 of 11"), "fail", 3),
        (GOOD, "none", Circumstances(aborted="a gate was not met"), "fail", 3),
        (GOOD, "swarm", Circumstances(aborted="a gate was not met"), "inconclusive", 5),
        (GOOD, "swarm", Circumstances(dropped="1 of 11"), "inconclusive", 5),
        (UNKNOWN, "none", Circumstances(), "inconclusive", 5),
        (GOOD, "none", Circumstances(interrupted=True), "inconclusive", 130),
        (GOOD, "none", Circumstances(target_fault=SILENT), "fail", 4),
        (GOOD, "swarm", Circumstances(target_fault=SILENT), "inconclusive", 5),
        (GOOD, "shared", Circumstances(target_fault=SPOKEN), "fail", 4),
        (BAD, "none", Circumstances(target_fault=SPOKEN, interrupted=True), "fail", 4),
    ],
)
def test_the_verdict(
    judged: list[GateResult], side: Side, circumstances: Circumstances, verdict: str, code: int
) -> None:
    decision = decide(judged, blame(side), circumstances)
    assert (decision.verdict, decision.exit_code) == (verdict, ExitCode(code))
    assert bool(decision.reasons) == (code != 0)


def test_a_failure_says_the_gate_and_its_figure() -> None:
    decision = decide(BAD, blame("none"), Circumstances())
    assert decision.reasons == ["e2e_frame_ms.p95 < 400 ms: it is 900 ms"]


def test_a_fault_by_disconnections_is_one_reason() -> None:
    text = "the target disconnected 4 of 4 clients: connection lost"
    circumstances = Circumstances(target_fault=TargetFault(text, True), dropped=text)
    assert decide(GOOD, blame("none"), circumstances).reasons == [text]


def use(busiest: float = 0.3, wait: float | None = 0.01) -> Use:
    return Use(60.0, 60 * busiest, 2**20, wait, busiest, wait)


def side(
    server: Use | None,
    swarm: Use,
    *,
    lag: float | None = 1.0,
    dropped: float | None = 0.0,
    unsent: float = 0.0,
    disjoint: bool = False,
    other_cores: float | None = None,
) -> Saturation:
    return attribute(
        Evidence(
            server=server,
            swarm=swarm,
            lag_p99_ms=lag,
            dropped=dropped,
            unsent=unsent,
            disjoint=disjoint,
            other_cores=other_cores,
        )
    )


def test_without_evidence_no_side_is_saturated() -> None:
    assert side(use(), use()) == Saturation(side="none", reasons=[])
    assert side(None, use(wait=None), lag=None, dropped=None).side == "none"


def test_a_busy_or_waiting_server_is_saturated() -> None:
    assert side(use(busiest=0.99), use()).side == "server"
    assert side(use(wait=0.4), use()).side == "server"


def test_a_late_overflowing_or_busy_load_generator_is_saturated() -> None:
    assert side(use(), use(), lag=80).side == "swarm"
    assert side(use(), use(), dropped=0.01).side == "swarm"
    assert side(use(), use(), unsent=0.02).side == "swarm"
    assert side(use(), use(busiest=0.99)).side == "swarm"
    assert side(use(busiest=0.99), use(), lag=80).side == "swarm"


def test_a_shared_core_is_named_with_the_pin_option() -> None:
    shared = side(use(wait=0.3), use(wait=0.3), lag=80)
    assert shared.side == "shared"
    assert "--pin" in shared.reasons[0]


def test_other_programs_on_the_cores_are_named() -> None:
    shared = side(use(wait=0.3), use(wait=0.3), other_cores=1.4)
    assert shared.side == "shared"
    assert "other programs used 1.4 cores" in shared.reasons[0]
    assert "--pin" not in shared.reasons[0]


def test_disjoint_cores_are_not_shared() -> None:
    assert side(use(wait=0.3), use(wait=0.3), disjoint=True).side == "server"


@pytest.mark.parametrize(
    ("receives", "video", "paths"),
    [
        (True, True, "joins tracks loss_after_rtx e2e_frame_ms.p95 freeze_est"),
        (True, False, "joins tracks loss_after_rtx"),
        (False, True, "joins"),
    ],
)
def test_default_gates_fit_what_is_measured(receives: bool, video: bool, paths: str) -> None:
    chosen = default_gates(receives=receives, video=video)
    assert [gate.path for gate in chosen] == paths.split()
    assert all(gate.default for gate in chosen)
