"""The figures of single clients, of rooms and groups, and the worst streams."""

import pytest

from sfukit.errors import UsageError
from sfukit.gates import Scope
from sfukit.loadgen.metrics import scoped
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.verdict import gate_figures
from sfukit.swarm.impairment import Impairment
from tests.unit.loadgen.test_summary import Run, histogram, stream


def test_a_client_has_its_join_and_the_sum_of_its_streams() -> None:
    run = Run()
    run.join()
    run.streams = [
        stream(10, 1, e2e_histogram=histogram(0.02, 0.02)),
        stream(11, 1, e2e_histogram=histogram(0.09), packets_lost_after_rtx=10),
    ]
    first, second = run.report().clients
    assert (first.room, first.name, first.joined, first.failure) == ("room-1", "p1", True, "")
    assert first.join_ms == 20 and first.ttff_ms == 40
    assert (first.tracks, first.planned_tracks) == (2, 2)
    assert first.e2e_frame_p95_ms == 0.09
    assert (first.loss_raw, first.loss_after_rtx) == (4 / 2000, 10 / 2000)
    assert first.freeze_est == 0 and first.bitrate_in_bps == 2_000_000 * 8 / 10
    assert (second.e2e_frame_p95_ms, second.loss_raw, second.bitrate_in_bps) == (None, None, None)


def test_a_client_that_did_not_join_has_the_reason() -> None:
    run = Run()
    run.ledger.failed(run.plan.bots[0], "refused", "full")
    first, second = run.report().clients
    assert (first.joined, first.failure, first.join_ms) == (False, "refused", None)
    assert (second.joined, second.failure) == (False, "")


def test_a_gate_may_name_a_room() -> None:
    gates = (
        gate_figures.parse("e2e_frame_ms[room=room-2].p95 < 0.05"),
        gate_figures.parse("joins[room=room-1] == 100%"),
        gate_figures.parse("tracks[room=room-2] == 100%"),
    )
    load = LoadOptions(clients=4, rooms=2, seed=71)
    run = Run(RunOptions(load=load, gates=gates, default_gates=False))
    run.join()
    run.streams = [
        stream(10, 1, e2e_histogram=histogram(0.01)),
        stream(11, 3, e2e_histogram=histogram(0.08)),
    ]
    made = run.report()
    assert [(gate.path, gate.value, gate.ok) for gate in made.gates] == [
        ("e2e_frame_ms[room=room-2].p95", 0.08, False),
        ("joins[room=room-1]", 1.0, True),
        ("tracks[room=room-2]", 1.0, True),
    ]
    assert made.rooms.keys() == {"room-1", "room-2"}
    assert made.rooms["room-1"]["e2e_frame_ms"].p95 == 0.01


def test_a_gate_may_name_a_group_of_impaired_clients() -> None:
    load = LoadOptions(clients=2, seed=71, net_down=Impairment(loss=0.1), net_share=0.5)
    gate = gate_figures.parse("loss_after_rtx[group=impaired] < 1%")
    run = Run(RunOptions(load=load, gates=(gate,), default_gates=False))
    run.join()
    impaired = next(bot for bot in run.plan.bots if bot.impaired).index + 1
    run.streams = [
        stream(10, impaired, packets_lost_after_rtx=30),
        stream(11, 3 - impaired, packets_lost_after_rtx=0),
    ]
    [judged] = run.report().gates
    assert (judged.value, judged.ok) == (0.03, False)


def test_a_figure_of_a_room_without_media_is_unknown_and_no_pass() -> None:
    gate = gate_figures.parse("loss_raw[room=room-1] < 1%")
    run = Run(RunOptions(load=LoadOptions(clients=2), gates=(gate,), default_gates=False))
    run.streams = []
    made = run.report()
    assert made.gates[0].ok is None and made.verdict == "inconclusive"


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("loss_raw[room=room-7] < 1%", "this run has no room room-7", "room-1, room-2"),
        ("loss_raw[group=free] < 1%", "this run has no group free", "--net-up or --net-down"),
    ],
)
def test_a_scope_outside_the_plan_is_refused_with_what_exists(
    text: str, says: str, hint: str
) -> None:
    plan = Run(RunOptions(load=LoadOptions(clients=4, rooms=2))).plan
    with pytest.raises(UsageError, match=says) as refused:
        scoped.check([gate_figures.parse(text)], plan)
    assert hint in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("rtt_ms[room=room-1] < 1", "rtt_ms is measured over all clients", "by room: joins"),
        ("loss_raw[site=x] < 1%", r"\[site=x\] is not a scope", r"[room=NAME] or [group=NAME]"),
        ("loss_raw[room] < 1%", r"\[room\] is not a scope", "[room=NAME]"),
        ("loss_raw[room=] < 1%", r"\[room=\] is not a scope", "[room=NAME]"),
        ("loss_raw[room=a].p77 < 1%", "no metric loss_raw.p77", "nearest"),
        ("loss_raw[room=a < 1%", "not a gate", "PATH OP VALUE"),
        ("nothing[room=a] < 1%", "nothing is measured over all clients", "by room"),
    ],
)
def test_a_scope_that_does_not_apply_is_refused(text: str, says: str, hint: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        gate_figures.parse(text)
    assert hint in (refused.value.hint or "")


def test_a_scope_is_part_of_the_gate() -> None:
    gate = gate_figures.parse("metrics.e2e_frame_ms[room=room-3].p95<200")
    assert gate.scope == Scope("room", "room-3")
    assert str(gate) == "e2e_frame_ms[room=room-3].p95 < 200 ms"


def test_the_worst_streams_are_ranked_by_their_share_of_the_default_bounds() -> None:
    run = Run()
    run.join()
    run.streams = [
        stream(10, 1),
        stream(11, 2, packets_lost_after_rtx=9),
        stream(12, 1, frozen_ms=400.0, longest_gap_ms=900.0, packets_lost_raw=60),
        *(stream(20 + index, 1) for index in range(5)),
    ]
    worst = run.report().worst
    assert len(worst) == 5
    assert [(one.metric, one.note) for one in worst[:3]] == [
        ("frozen", "6 % lost before repair, longest gap 900 ms"),
        ("loss after repair", ""),
        ("frame delay p99", ""),
    ]
