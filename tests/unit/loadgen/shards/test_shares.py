"""Shares of a plan: disjoint, complete, whole rooms where possible."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.loadgen.metrics import scoped
from sfukit.loadgen.options import LoadOptions, RunOptions, Shard, Stage
from sfukit.loadgen.scenario import Plan, plan
from sfukit.loadgen.shards import fingerprint
from sfukit.loadgen.verdict import gate_figures
from sfukit.swarm import impairment


def shares(whole: Plan, count: int) -> list[Plan]:
    return [whole.shared(Shard(index, count)) for index in range(1, count + 1)]


@settings(max_examples=25, deadline=None)
@given(
    clients=st.integers(8, 30),
    rooms=st.integers(1, 8),
    count=st.integers(1, 8),
    churn=st.sampled_from([0.0, 0.02]),
    seed=st.integers(0, 99),
)
def test_shares_are_disjoint_and_make_the_plan(
    clients: int, rooms: int, count: int, churn: float, seed: int
) -> None:
    whole = plan(LoadOptions(clients=clients, rooms=rooms, churn_per_s=churn, seed=seed))
    parts = shares(whole, count)
    indices = [bot.index for part in parts for bot in part.own_bots]
    assert sorted(indices) == [bot.index for bot in whole.bots]
    assert sum(part.tracks for part in parts) == whole.tracks == parts[0].all_tracks
    sizes = [len(part.own_slots) for part in parts]
    largest = max(len(room.slots) for room in whole.rooms) if rooms >= count else 1
    assert max(sizes) - min(sizes) <= largest * (rooms % count > 0) + len(whole.rooms) // count + 1
    for part in parts:
        for bot in part.own_bots:
            assert bot.replaces is None or part.is_own(part.bots[bot.replaces])


def test_rooms_stay_whole_where_there_are_enough() -> None:
    whole = plan(LoadOptions(clients=25, rooms=5))
    for part in shares(whole, 3):
        rooms = {bot.room for bot in part.own_bots}
        assert {bot.index for bot in part.own_bots} == {
            bot.index for room in rooms for bot in whole.rooms[room].bots
        }
        assert part.times_video


def test_a_room_is_spread_over_more_shards() -> None:
    first, second, third = shares(plan(LoadOptions(clients=7, scenario="broadcast")), 3)
    assert [len(one.own_slots) for one in (first, second, third)] == [3, 2, 2]
    assert [one.tracks for one in (first, second, third)] == [4, 4, 4]
    assert [one.times_video for one in (first, second, third)] == [True, False, False]
    paths = {gate.path for gate in scoped.applied_gates(second, RunOptions(load=second.options))}
    assert "e2e_frame_ms.p95" not in paths and "freeze_est" in paths


def test_a_gate_on_a_room_is_of_the_shard_that_has_it() -> None:
    gate = gate_figures.parse("tracks[room=room-2] == 100%")
    options = RunOptions(load=LoadOptions(clients=6, rooms=2), gates=(gate,))
    parts = shares(plan(options.load), 2)
    assert [gate in scoped.applied_gates(part, options) for part in parts] == [False, True]


def test_stages_count_the_clients_of_the_share() -> None:
    whole = plan(LoadOptions(rooms=2, stages=(Stage(5, 3), Stage(5, 10))))
    parts = shares(whole, 2)
    assert [[part.own_clients(one) for one in part.windows] for part in parts] == [[3, 5], [0, 5]]


def test_a_shard_without_clients_is_refused() -> None:
    with pytest.raises(UsageError, match="no client is left for it: the plan has 3"):
        plan(LoadOptions(clients=3, rooms=1)).shared(Shard(4, 4))


def test_a_bottleneck_is_of_one_process() -> None:
    whole = plan(LoadOptions(clients=6, rooms=2, net_down=impairment.parse("rate=2M,shared=2", "")))
    with pytest.raises(UsageError, match="several shards share a bottleneck"):
        whole.shared(Shard(1, 2))


def test_the_fingerprint_is_that_of_the_load() -> None:
    def described(load: LoadOptions, **changes: object) -> dict[str, str]:
        options = RunOptions(load=load, target="http://user:secret@127.0.0.1:1", **changes)
        assert options.shard is not None
        return fingerprint.described(plan(load).shared(options.shard), options)

    load = LoadOptions(clients=10, seed=7)
    one = described(load, shard=Shard(1, 2))
    other = described(replace(load, scenario_file="/here/x.toml"), shard=Shard(2, 2), name="b")
    assert fingerprint.of(one) == fingerprint.of(other)
    assert "secret" not in "".join(one.values())
    changed = described(replace(load, seed=8), shard=Shard(1, 2), retries=3)
    assert fingerprint.of(one) != fingerprint.of(changed)
    assert fingerprint.differences(one, changed) == ["retries 0 and 3", "seed 7 and 8"]
