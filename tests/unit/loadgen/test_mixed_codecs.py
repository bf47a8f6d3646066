"""Publishers with different codecs: who has which, and which clips that needs."""

from collections import Counter
from typing import get_args

import pytest

from sfukit.loadgen.bots import clips
from sfukit.loadgen.options import Codec, Group, LoadOptions, VideoCodec
from sfukit.loadgen.scenario import Plan, plan, plan_line


def codecs(planned: Plan) -> list[str]:
    return [planned.codec_of(bot) for bot in planned.slots if bot.video]


def test_publishers_take_the_codecs_in_turn_from_one_that_the_seed_has() -> None:
    planned = plan(LoadOptions(clients=10, codec="mix", seed=1))
    assert codecs(planned) == ["h264", "vp9", "av1", "vp8"] * 2 + ["h264", "vp9"]
    assert codecs(planned) == codecs(plan(LoadOptions(clients=10, codec="mix", seed=1)))
    assert codecs(plan(LoadOptions(clients=10, codec="mix", seed=2)))[0] == "vp9"


def test_a_replacement_has_the_codec_of_its_place() -> None:
    planned = plan(LoadOptions(clients=8, codec="mix", seed=3, churn_per_s=0.5, duration_s=30))
    replacements = [bot for bot in planned.bots if bot.replaces is not None]
    assert replacements
    for bot in replacements:
        assert planned.codec_of(bot) == planned.codec_of(planned.bots[bot.slot])


@pytest.mark.parametrize("codec", get_args(VideoCodec))
def test_participants_that_only_subscribe_take_no_turn(codec: VideoCodec) -> None:
    mixed = plan(LoadOptions(clients=20, scenario="webinar", codec="mix"))
    assert codecs(mixed) == ["vp8", "h264", "vp9"]
    assert mixed.tracks == plan(LoadOptions(clients=20, scenario="webinar", codec=codec)).tracks


@pytest.mark.parametrize("codec", ["vp8", "mix"])
def test_every_codec_and_encoding_has_a_clip_of_its_own(codec: Codec) -> None:
    groups = (Group(name="a", clients=4, codec="mix"), Group(name="b", clients=2, codec="av1"))
    planned = plan(LoadOptions(groups=groups, codec=codec))
    assert Counter(codecs(planned))["av1"] >= 3
    ids = clips.clip_ids(planned)
    assert len(set(ids.values())) == len(ids) == 4 * 3 + 1


@pytest.mark.parametrize(
    ("codec", "named"), [("av1", "AV1 x3"), ("mix", "AV1, H264, VP8 and VP9 x3")]
)
def test_the_plan_names_the_codecs(codec: Codec, named: str) -> None:
    assert f", {named} + Opus;" in plan_line(plan(LoadOptions(clients=8, codec=codec)))
