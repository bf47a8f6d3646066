"""Layouts and speakers: who is seen, at which size, when; and which tracks are expected of it."""

from collections.abc import Sequence
from itertools import islice, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.loadgen.options import Layout, LoadOptions, Stage
from sfukit.loadgen.scenario import Plan, Size, plan
from sfukit.loadgen.scenario.layout import arranged
from sfukit.loadgen.scenario.participants import Bot
from sfukit.loadgen.targets.room_subscriptions import (
    Publication,
    Request,
    RoomSubscriptions,
    TooManyPublicationsError,
)
from sfukit.signaling.room_messages import LayersParams, SubscribeParams, UnsubscribeParams


def publishers(count: int) -> list[Bot]:
    return [Bot(index, 0, f"p{index + 1}", True, True) for index in range(count)]


def counted(sizes: dict[int, Size]) -> dict[str, int]:
    return {size: list(sizes.values()).count(size) for size in set(sizes.values())}


@pytest.mark.parametrize(
    ("layout", "sizes"),
    [
        ("speaker", {"large": 1, "small": 28}),
        ("grid3", {"medium": 9, "hidden": 20}),
        ("grid4", {"small": 16, "hidden": 13}),
        ("grid5", {"small": 25, "hidden": 4}),
        ("all", {"large": 29}),
    ],
)
def test_a_layout_has_its_tiles(layout: Layout, sizes: dict[str, int]) -> None:
    assert counted(arranged(layout, publishers(30), 3, 0)) == sizes


def test_the_speaker_is_large_and_to_itself_the_next_one_is() -> None:
    assert arranged("speaker", publishers(3), 0, 1) == {1: "large", 2: "small"}
    assert arranged("speaker", publishers(3), 1, 1) == {0: "small", 2: "large"}
    assert arranged("speaker", publishers(3), 2, 2) == {0: "large", 1: "small"}
    assert arranged("speaker", publishers(1), 0, 0) == {}


@given(
    st.sampled_from(["speaker", "grid3", "grid4", "grid5", "all"]),
    st.integers(2, 40),
    st.integers(0, 39),
    st.integers(0, 39),
)
def test_the_speaker_is_always_seen(
    layout: Layout, count: int, subscriber: int, speaker: int
) -> None:
    subscriber, speaker = subscriber % count, speaker % count
    sizes = arranged(layout, publishers(count), subscriber, speaker)
    assert sizes.keys() == set(range(count)) - {subscriber}
    if speaker != subscriber:
        assert sizes[speaker] != "hidden"
        assert layout != "speaker" or sizes[speaker] == "large"


def large_of(whole: Plan, subscriber: int, at_s: float) -> list[int]:
    """Return the publishers that a bot sees large at one time."""
    bot = whole.bots[subscriber]
    return [
        one.publisher.index for one in whole.views.subscriptions(bot, at_s) if one.size == "large"
    ]


def test_the_speakers_of_a_room_take_turns_and_rooms_change_at_other_times() -> None:
    whole = plan(LoadOptions(clients=10, speaker_switch_s=5.0, seed=7))
    changes = list(islice(whole.views.changes(), 12))
    for room in whole.rooms:
        times = [at_s for at_s, changed in changes if changed is room]
        assert [round(b - a, 6) for a, b in pairwise(times)] == [5.0] * 5
        assert 0.0 < times[0] <= 5.0
    assert [at_s for at_s, _ in changes] == sorted(at_s for at_s, _ in changes)
    assert changes[0][0] != changes[1][0]
    speakers: Sequence[tuple[int, ...]] = [
        tuple(large_of(whole, one, at_s + 0.01)[0] for one in range(5))
        for at_s, room in changes
        if room.index == 0
    ]
    assert len(set(speakers[:5])) == 5
    assert speakers[0] == speakers[5]


def test_one_bot_of_each_room_speaks_at_a_time_as_the_views_show() -> None:
    whole = plan(LoadOptions(clients=10, speaker_switch_s=5.0, seed=7))
    for at_s, room in islice(whole.views.changes(), 12):
        speaking = [bot for bot in whole.bots if whole.views.speaks(bot, at_s + 0.01)]
        assert sorted(bot.room for bot in speaking) == [0, 1]
        (speaker,) = [bot.index for bot in speaking if bot.room == room.index]
        seen = {
            tuple(large_of(whole, bot.index, at_s + 0.01))
            for bot in whole.bots
            if bot.room == room.index and bot.index != speaker
        }
        assert seen == {(speaker,)}


def test_without_switches_there_is_one_speaker() -> None:
    whole = plan(LoadOptions(clients=5))
    assert list(whole.views.changes()) == []
    assert large_of(whole, 4, 0.0) == large_of(whole, 4, 1e6) == [0]


def test_the_speaker_is_one_that_is_there() -> None:
    stages = (Stage(60.0, 3), Stage(60.0, 5))
    whole = plan(LoadOptions(stages=stages, speaker_switch_s=5.0, seed=1))
    first, second = whole.windows
    seen = {large_of(whole, 0, at_s)[0] for at_s in range(10, int(first.end_s))}
    assert seen == {1, 2}
    later = {large_of(whole, 0, at_s)[0] for at_s in range(int(second.start_s), 130)}
    assert later == {1, 2, 3, 4}


def test_expected_tracks_follow_the_layout() -> None:
    assert plan(LoadOptions(clients=12, rooms=1, layout="grid3")).tracks == 12 * (9 + 11)
    assert plan(LoadOptions(clients=12, rooms=1, layout="grid4")).tracks == 12 * (11 + 11)
    assert plan(LoadOptions(clients=12, rooms=1)).tracks == 12 * (11 + 11)


def test_publishers_that_become_speakers_are_expected_if_they_are_seen_long_enough() -> None:
    static = plan(LoadOptions(clients=12, rooms=1, layout="grid3", seed=2))
    switching = LoadOptions(clients=12, rooms=1, layout="grid3", seed=2, duration_s=120.0)
    long = plan(LoadOptions(**{**vars(switching), "speaker_switch_s": 6.0}))
    assert long.tracks == 12 * (11 + 11)  # each has been the speaker, and so visible
    brief = plan(LoadOptions(**{**vars(switching), "speaker_switch_s": 4.0}))
    assert brief.views.expected() >= static.views.expected() - brief.views.expected()
    assert brief.tracks < long.tracks


def test_the_plan_counts_what_a_layout_sends() -> None:
    whole = plan(LoadOptions(clients=5, layout="grid3"))
    assert whole.outbound.streams == 40
    assert whole.outbound.bps == 5 * 4 * (500_000 + 32_000)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (LoadOptions(shape="pair", clients=4, layout="grid3"), "--layout: the target has no rooms"),
        (LoadOptions(shape="publish", clients=4, speaker_switch_s=5.0), "--speaker-switch: "),
    ],
)
def test_a_target_without_rooms_has_no_layout(options: LoadOptions, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan(options)
    assert refused.value.what.startswith(says)


# --- the requests of the room protocol ------------------------------------------------------------


VIDEO, AUDIO, OTHER = Publication(1, "video", "p1"), Publication(2, "audio", "p1"), "p2"


def test_each_size_has_its_layer() -> None:
    subscriptions = RoomSubscriptions(3)
    seen = [Publication(number, "video", f"p{number}") for number in range(1, 5)]
    sizes: dict[str, Size] = {"p1": "large", "p2": "medium", "p3": "small", "p4": "hidden"}
    subscriptions.added([*seen, Publication(9, "audio", "p4")], sizes)
    assert subscriptions.requests(sizes) == [
        Request("subscribe", SubscribeParams([1, 9], "auto")),
        Request("subscribe", SubscribeParams([3], 0)),
        Request("subscribe", SubscribeParams([2], 1)),
    ]
    assert subscriptions.requests(sizes) == []


def test_a_change_of_sizes_changes_layers_and_ends_hidden_videos() -> None:
    subscriptions = RoomSubscriptions(3)
    subscriptions.added(
        [VIDEO, AUDIO, Publication(3, "video", OTHER)], {"p1": "large", OTHER: "small"}
    )
    subscriptions.requests({"p1": "large", OTHER: "small"})
    assert subscriptions.requests({"p1": "small", OTHER: "large"}) == [
        Request("layers", LayersParams(1, 0)),
        Request("layers", LayersParams(3, "auto")),
    ]
    assert subscriptions.requests({"p1": "hidden", OTHER: "large"}) == [
        Request("unsubscribe", UnsubscribeParams([1]))
    ]
    assert subscriptions.requests({"p1": "small", OTHER: "large"}) == [
        Request("subscribe", SubscribeParams([1], 0))
    ]


def test_a_publication_that_ended_is_forgotten() -> None:
    subscriptions = RoomSubscriptions(1)
    subscriptions.added([VIDEO, Publication(5, "video", "unknown")], {"p1": "medium"})
    assert subscriptions.requests({"p1": "medium"}) == [
        Request("subscribe", SubscribeParams([1], 0))
    ]
    subscriptions.removed(1)
    subscriptions.removed(5)
    assert subscriptions.requests({"p1": "large"}) == []


def test_a_target_cannot_announce_publications_without_bound() -> None:
    subscriptions = RoomSubscriptions(1)
    with pytest.raises(TooManyPublicationsError):
        subscriptions.added((Publication(one, "video", "p1") for one in range(17)), {"p1": "large"})
    [request] = subscriptions.requests({"p1": "large"})
    assert request.params == SubscribeParams(list(range(16)), "auto")
