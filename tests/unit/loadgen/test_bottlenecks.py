"""Bots that share a bottleneck: which, in which direction."""

from sfukit.loadgen.options import Group, LoadOptions
from sfukit.loadgen.scenario import plan
from sfukit.swarm.impairment import Impairment


def test_bots_share_in_the_order_of_their_joins() -> None:
    down = Impairment(rate_bps=4_000_000, shared=3)
    whole = plan(LoadOptions(clients=7, rooms=1, net_down=down, seed=1))
    found = whole.bottlenecks
    assert [found[bot.slot, "down"] for bot in whole.slots] == [1, 1, 1, 2, 2, 2, 3]
    assert not any(direction == "up" for _, direction in found)


def test_directions_and_groups_have_bottlenecks_of_their_own() -> None:
    slow = Impairment(rate_bps=1_000_000, shared=2)
    own = Impairment(rate_bps=1_000_000)
    groups = (
        Group(name="a", clients=2, net_up=slow, net_down=slow),
        Group(name="b", clients=3, net_down=slow, net_up=own),
        Group(name="c", clients=1),
    )
    whole = plan(LoadOptions(groups=groups, rooms=2, seed=1))
    found = whole.bottlenecks
    by_group: dict[str, list[int]] = {"a": [], "b": []}
    for bot in whole.slots:
        assert bot.group is not None
        if bot.group.name != "c":
            by_group[bot.group.name].append(found[bot.slot, "down"])
    # the two bots of each room, then those of both rooms two by two
    assert [by_group["a"].count(one) for one in sorted(set(by_group["a"]))] == [2, 2]
    assert [by_group["b"].count(one) for one in sorted(set(by_group["b"]))] == [2, 2, 2]
    ups = {number for (_, direction), number in found.items() if direction == "up"}
    downs = {number for (_, direction), number in found.items() if direction == "down"}
    assert len(ups) == 2
    assert not ups & downs


def test_bots_without_impairment_are_behind_no_bottleneck() -> None:
    down = Impairment(rate_bps=4_000_000, shared=2)
    whole = plan(LoadOptions(clients=8, rooms=1, net_down=down, net_share=0.5, seed=3))
    impaired = {bot.slot for bot in whole.slots if bot.impaired}
    assert {slot for slot, _ in whole.bottlenecks} == impaired
    assert sorted(whole.bottlenecks.values()) == [1, 1, 2, 2]
