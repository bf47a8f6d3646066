"""The encodings that options of the media give."""

from pathlib import Path

import pytest

from sfukit.loadgen.options import FRAME_RATES, LoadOptions
from sfukit.loadgen.scenario.media import LADDER, encodings


def shown(options: LoadOptions) -> list[tuple[str, str]]:
    return [(one.rid, one.clip.name) for one in encodings(options)]


def test_layers_are_the_highest_encodings_with_rids_from_the_first() -> None:
    assert encodings(LoadOptions(layers=3)) == LADDER
    assert shown(LoadOptions(layers=2)) == [("q", "360p30"), ("h", "720p30")]
    assert shown(LoadOptions(layers=1)) == [("q", "720p30")]
    assert shown(LoadOptions(layers=1, bitrate_bps=500_000)) == [("q", "360p30")]


def test_a_frame_rate_limits_every_encoding() -> None:
    assert encodings(LoadOptions(fps=30)) == LADDER
    names = [name for _, name in shown(LoadOptions(fps=10))]
    assert names == ["180p10", "360p10", "720p10"]
    assert shown(LoadOptions(fps=15))[0] == ("q", "180p15")
    assert shown(LoadOptions(fps=10, bitrate_bps=250_000))[-1][1] == "180p10 at 250 kb/s"


@pytest.mark.parametrize("fps", FRAME_RATES)
def test_a_frame_is_a_whole_number_of_ticks(fps: int) -> None:
    for one in encodings(LoadOptions(fps=fps)):
        assert one.clip.ticks_per_frame * one.clip.frames_per_second == 30


def test_a_file_is_the_source_of_every_encoding() -> None:
    found = encodings(LoadOptions(media=Path("/videos/talk.mp4"), fps=15))
    assert [one.clip.name for one in found][-1] == "720p15 of talk.mp4"
    assert {one.clip.source for one in found} == {Path("/videos/talk.mp4")}
