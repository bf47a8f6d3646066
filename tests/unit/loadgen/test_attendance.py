"""When bots join and leave: stages, churn, and the tracks that are expected of it."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions, Stage
from sfukit.loadgen.scenario import Plan, Window, churn, plan, plan_line, stages


def staged(*given: Stage, **more: object) -> Plan:
    return plan(LoadOptions(stages=given, ramp_per_s=10.0, warmup_s=2.0, **more))  # type: ignore[arg-type]


def present(whole: Plan, at_s: float) -> list[str]:
    """Return the bots that are there at one time."""
    return [
        f"{whole.rooms[visit.bot.room].label} {visit.bot.name}"
        for visit in whole.attendance.visits
        if visit.joins_s <= at_s < visit.leaves_s
    ]


def test_each_stage_has_its_window_after_its_ramp_and_warm_up() -> None:
    whole = staged(Stage(30, 5), Stage(60, 11), Stage(10, 2))
    assert whole.windows == (
        Window(5, ramp_s=0.0, start_s=pytest.approx(2.4), end_s=pytest.approx(32.4)),
        Window(
            11, ramp_s=pytest.approx(32.4), start_s=pytest.approx(34.9), end_s=pytest.approx(94.9)
        ),
        Window(
            2, ramp_s=pytest.approx(94.9), start_s=pytest.approx(97.7), end_s=pytest.approx(107.7)
        ),
    )
    assert whole.total_s == pytest.approx(107.7)
    for window in whole.windows:
        middle_s = (window.start_s + window.end_s) / 2
        assert len(present(whole, middle_s)) == window.clients


def test_the_last_clients_leave_first_and_others_take_their_places() -> None:
    whole = staged(Stage(9, 4), Stage(9, 2), Stage(9, 4))
    first, second, third = ((one.start_s + one.end_s) / 2 for one in whole.windows)
    assert present(whole, first) == ["room-1 p1", "room-1 p2", "room-1 p3", "room-1 p4"]
    assert present(whole, second) == ["room-1 p1", "room-1 p2"]
    assert present(whole, third) == ["room-1 p1", "room-1 p2", "room-1 p3-2", "room-1 p4-2"]
    assert [bot.index for bot in whole.bots] == [0, 1, 2, 3, 4, 5]
    assert whole.rooms[0].bots == whole.bots


def test_a_stage_of_the_same_clients_follows_without_ramp_and_warm_up() -> None:
    first, second = staged(Stage(30, 5), Stage(30, 5)).windows
    assert second.start_s - first.end_s == 0.5


def test_a_load_without_stages_has_one_window() -> None:
    whole = plan(LoadOptions(clients=5, ramp_per_s=10.0, warmup_s=2.0, duration_s=9.0))
    [window] = whole.windows
    assert (window.clients, window.ramp_s) == (5, 0.0)
    assert (window.start_s, window.end_s) == (pytest.approx(2.4), pytest.approx(11.4))
    assert all(visit.leaves_s == math.inf for visit in whole.attendance.visits)


def test_churn_replaces_its_share_at_even_times_by_the_seed() -> None:
    options = LoadOptions(clients=100, churn_per_s=0.02 / 60, duration_s=300.0, seed=7)
    whole = plan(options)
    leaves = [one for one in whole.attendance.changes if not one.joins]
    assert len(leaves) == 10  # 2 % of 100 clients in each of 5 minutes
    gaps = [later.at_s - earlier.at_s for earlier, later in pairwise(leaves)]
    assert gaps == pytest.approx([30.0] * 9)
    for one in leaves:
        assert len(present(whole, one.at_s)) == 100
    assert plan(options).attendance == whole.attendance
    other = LoadOptions(clients=100, churn_per_s=0.02 / 60, duration_s=300.0, seed=8)
    assert plan(other).attendance != whole.attendance


def test_a_replacement_has_the_room_and_the_tracks_of_the_bot_before_it() -> None:
    whole = plan(LoadOptions(clients=9, scenario="webinar", churn_per_s=0.05, duration_s=60.0))
    replacements = [bot for bot in whole.bots if bot.replaces is not None]
    assert len(replacements) > 10
    for bot in replacements:
        before = whole.bots[bot.slot]
        assert (bot.room, bot.video, bot.audio) == (before.room, before.video, before.audio)
    names = [(bot.room, bot.name) for bot in whole.bots]
    assert len(set(names)) == len(names)


def test_churn_leaves_the_publisher_of_a_whep_url() -> None:
    whole = plan(LoadOptions(clients=4, shape="pair", churn_per_s=0.1, duration_s=60.0))
    replaced = {bot.replaces for bot in whole.bots} - {None}
    assert replaced == {1, 2, 3}


def test_a_track_that_is_cut_short_by_a_leave_is_not_expected() -> None:
    whole = plan(LoadOptions(clients=2, churn_per_s=0.05, duration_s=60.0, seed=3))
    for track in whole.views.expected():
        subscriber, publisher = (
            whole.attendance.visits[one] for one in (track.subscriber, track.publisher)
        )
        start_s, end_s = subscriber.overlap(publisher)
        assert min(end_s, whole.total_s) - start_s > 5.0
    pairs = {(one.subscriber, one.publisher) for one in whole.views.expected()}
    meeting = {(0, 1), (1, 0)}
    assert meeting <= pairs
    assert len(pairs) < len(whole.bots) * (len(whole.bots) - 1)


def test_a_stage_expects_the_tracks_of_its_clients() -> None:
    whole = staged(Stage(9, 2), Stage(9, 4))
    first, second = whole.windows
    assert len(whole.views.expected([first])) == 2 * 1 * 2
    assert len(whole.views.expected([second])) == 4 * 3 * 2
    assert whole.tracks == 4 * 3 * 2


@given(
    st.lists(st.integers(1, 40), min_size=1, max_size=6),
    st.floats(0.0, 0.1),
    st.integers(0, 1000),
)
def test_no_place_is_taken_twice(clients: list[int], churn_per_s: float, seed: int) -> None:
    given_stages = tuple(Stage(20.0, count) for count in clients)
    whole = plan(LoadOptions(stages=given_stages, churn_per_s=churn_per_s, seed=seed))
    taken: set[int] = set()
    for change in whole.attendance.changes:
        assert (change.bot.slot in taken) != change.joins
        (taken.add if change.joins else taken.remove)(change.bot.slot)
    assert taken == set(range(clients[-1]))
    assert [bot.index for bot in whole.bots] == list(range(len(whole.bots)))


def test_the_plan_line_has_stages_and_churn() -> None:
    line = plan_line(staged(Stage(30, 5), Stage(300, 10), churn_per_s=0.02 / 60))
    assert line == (
        "10 clients, 2 rooms of 5, VP8 x3 + Opus, 2%/m replaced; ramps of 10/s, 2 s warm-up each, "
        "stages: 30 s of 5, 5m00 of 10 (5m35)"
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("30s", "--stage 30s: no number of clients"),
        ("soon:5", "--stage: cannot read 'soon'"),
        ("30s:many", "cannot read the clients 'many'"),
        ("30s:-3", "cannot read the clients '-3'"),
        ("30s:0", "give 1 client or more"),
        ("30s:" + "9" * 5000, "give 1 client or more"),
        ("0s:5", "measures nothing"),
    ],
)
def test_a_faulty_stage_is_named(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        stages.parse(text)
    assert says in refused.value.what


def test_stages_are_read() -> None:
    assert stages.parse("5m:500") == Stage(300.0, 500)


@pytest.mark.parametrize(
    ("text", "per_s"), [("2%/m", 0.02 / 60), ("0.5/h", 0.5 / 3600), ("10%/s", 0.1)]
)
def test_churn_is_read(text: str, per_s: float) -> None:
    assert churn.parse(text) == pytest.approx(per_s)


@pytest.mark.parametrize("text", ["2%", "2%/d", "x/m", "0%/m", "11%/s", "/m", "2%/"])
def test_a_faulty_churn_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--churn"):
        churn.parse(text)
