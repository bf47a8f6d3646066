"""The plan of a load: rooms, bots, publications, subscriptions with their sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions, ScenarioName, Shape
from sfukit.loadgen.ramp import Ramp
from sfukit.loadgen.scenario import Plan, plan, plan_line
from sfukit.swarm.impairment import Impairment


def shape(whole: Plan) -> list[tuple[int, int, int]]:
    """Count cameras, microphones and members of each room."""
    return [
        (sum(b.video for b in r.bots), sum(b.audio for b in r.bots), len(r.bots))
        for r in whole.rooms
    ]


def test_clients_alone_make_rooms_of_five_where_all_publish() -> None:
    whole = plan(LoadOptions(clients=500))
    assert shape(whole) == [(5, 5, 5)] * 100
    assert whole.tracks == 500 * 4 * 2
    assert [encoding.rid for encoding in whole.encodings] == ["q", "h", "f"]


def test_one_is_seen_large_and_the_rest_small() -> None:
    whole = plan(LoadOptions(clients=5))
    for viewer in whole.bots:
        views = list(whole.subscriptions(viewer))
        assert [view.size for view in views] == ["large", "small", "small", "small"]
        assert viewer not in [view.publisher for view in views]


@pytest.mark.parametrize(
    ("options", "rooms"),
    [
        (LoadOptions(), [(5, 5, 5)] * 2),
        (LoadOptions(clients=7), [(4, 4, 4), (3, 3, 3)]),
        (LoadOptions(clients=7, rooms=1), [(7, 7, 7)]),
        (LoadOptions(clients=1), [(1, 1, 1)]),
        (LoadOptions(clients=20, publishers=2), [(2, 2, 20)]),
        (LoadOptions(publishers=2, subscribers=10, rooms=3), [(2, 2, 12)] * 3),
        (LoadOptions(audio_publishers=3, subscribers=1), [(0, 3, 4)]),
        (LoadOptions(clients=100, scenario="webinar"), [(3, 3, 100)]),
        (LoadOptions(clients=240, scenario="broadcast"), [(1, 1, 240)]),
        (LoadOptions(subscribers=1000, scenario="broadcast"), [(1, 1, 1001)]),
        (LoadOptions(clients=40, scenario="audio-room"), [(0, 10, 40)]),
        (LoadOptions(clients=6, scenario="audio-room", publishers=2), [(0, 6, 6)]),
        (LoadOptions(clients=10, shape="pair"), [(1, 1, 10)]),
        (LoadOptions(clients=10, shape="publish"), [(10, 10, 10)]),
        (LoadOptions(clients=5, audio="none"), [(5, 0, 5)]),
        (LoadOptions(clients=5, audio_publishers=0), [(5, 0, 5)]),
        (LoadOptions(publishers=2, audio_publishers=0, subscribers=1), [(2, 0, 3)]),
    ],
)
def test_compositions(options: LoadOptions, rooms: list[tuple[int, int, int]]) -> None:
    assert shape(plan(options)) == rooms


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (LoadOptions(clients=0), "--clients 0"),
        (LoadOptions(rooms=0), "--rooms 0"),
        (LoadOptions(clients=3, rooms=4), "more rooms than the 3 clients"),
        (LoadOptions(clients=5, publishers=9), "cannot have 9 publishers"),
        (LoadOptions(clients=5, publishers=1, subscribers=9), "and 9 subscribers"),
        (LoadOptions(publishers=0, subscribers=5), "no publisher"),
        (LoadOptions(subscribers=-1), "--subscribers -1"),
        (LoadOptions(clients=3, scenario="audio-room", audio="none"), "publisher without tracks"),
        (
            LoadOptions(clients=3, scenario="audio-room", publishers=2, audio_publishers=0),
            "--audio-publishers 0: leaves a publisher without tracks",
        ),
        (LoadOptions(bitrate_bps=1_000), "--bitrate 1 kb/s"),
        (LoadOptions(duration_s=0), "measures nothing"),
    ],
)
def test_numbers_that_contradict_each_other_are_named(options: LoadOptions, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        plan(options)
    assert says in refused.value.what


@pytest.mark.parametrize(
    ("simulcast", "bitrate", "rids"),
    [
        (True, None, "qhf"),
        (True, 500_000, "qh"),
        (False, None, "f"),
        (False, 450_000, "h"),
        (False, 50_000, "q"),
        (True, 900_000, "qh"),
    ],
)
def test_bitrate_chooses_from_the_ladder(simulcast: bool, bitrate: int | None, rids: str) -> None:
    whole = plan(LoadOptions(simulcast=simulcast, bitrate_bps=bitrate))
    assert "".join(encoding.rid for encoding in whole.encodings) == rids
    assert whole.encodings[-1].bitrate_bps == bitrate or bitrate is None


def test_the_plan_line_tells_the_bitrate_that_was_asked_for() -> None:
    assert ", VP8 x2 up to 900 kb/s + Opus;" in plan_line(plan(LoadOptions(bitrate_bps=900_000)))
    alone = LoadOptions(bitrate_bps=900_000, simulcast=False)
    assert ", VP8 900 kb/s + Opus;" in plan_line(plan(alone))
    assert plan(alone).encodings[0].clip.name == "360p30 at 900 kb/s"


def test_the_share_with_a_bad_network_is_drawn_by_the_seed_from_those_it_concerns() -> None:
    options = LoadOptions(
        clients=241, scenario="broadcast", net_down=Impairment(delay_ms=5), net_share=20 / 240
    )
    bad = [bot for bot in plan(options).bots if bot.impaired]
    assert len(bad) == 20
    assert not any(bot.video for bot in bad)
    assert bad == [bot for bot in plan(options).bots if bot.impaired]


def test_the_plan_line_has_clients_media_and_durations() -> None:
    assert plan_line(plan(LoadOptions(clients=501))) == (
        "501 clients, 101 rooms of 4 or 5, VP8 x3 + Opus; "
        "25 s ramp, 10 s warm-up, 60 s measured (1m35)"
    )
    assert plan_line(plan(LoadOptions(clients=3, shape="pair", simulcast=False))).startswith(
        "3 clients, 1 publishing, 2 viewing, VP8 1.7 Mb/s + Opus; "
    )


def test_without_a_whep_url_there_are_no_viewers() -> None:
    whole = plan(LoadOptions(clients=3, shape="publish"))
    assert whole.tracks == 0
    assert "no viewers" in plan_line(whole)


@given(
    st.integers(1, 300),
    st.sampled_from(["meeting", "webinar", "broadcast", "audio-room"]),
    st.sampled_from(["rooms", "pair", "publish"]),
)
def test_each_planned_client_joins_once(clients: int, scenario: ScenarioName, shape: Shape) -> None:
    whole = plan(LoadOptions(clients=clients, scenario=scenario, shape=shape))
    assert [bot.index for bot in whole.bots] == list(range(clients))
    assert len({(bot.room, bot.name) for bot in whole.bots}) == clients


@given(st.floats(0.1, 1000), st.integers(1, 2000))
def test_the_tick_of_a_ramp_agrees_with_the_time_each_join_is_due(per_s: float, total: int) -> None:
    ramp = Ramp(per_s, total)
    for index in {0, total // 2, total - 1}:
        assert ramp.due(ramp.due_s(index)) == index + 1
    assert ramp.due(-1.0) == 0
    assert ramp.due(ramp.span_s + 1 / per_s) == total
