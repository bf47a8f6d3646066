import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.media import barcode
from sfukit.media.catalog import LOOP_TICKS, SIMULCAST, Encoding
from sfukit.media.decode import luma
from sfukit.media.draw import Scene, clock


@given(st.integers(0, 0xFFFF), st.sampled_from([(320, 180), (640, 360), (1280, 720)]))
def test_the_barcode_reads_back(number: int, size: tuple[int, int]) -> None:
    plane = np.full((size[1], size[0]), 100, dtype=np.uint8)
    barcode.draw(plane, number)
    assert barcode.read(plane) == number


def test_a_frame_without_barcode_reads_as_none() -> None:
    assert barcode.read(np.full((180, 320), 128, dtype=np.uint8)) is None
    assert barcode.read(np.zeros((20, 20), dtype=np.uint8)) is None


@pytest.mark.parametrize("encoding", SIMULCAST, ids=lambda e: e.name)
def test_a_frame_has_the_barcode_of_its_tick_and_the_scene_repeats(encoding: Encoding) -> None:
    scene = Scene(encoding.width, encoding.height)
    first, later = scene.frame(17), scene.frame(17 + LOOP_TICKS)
    assert first.shape == (encoding.height * 3 // 2, encoding.width)
    assert barcode.read(luma(first)) == 17
    assert np.array_equal(first, later)


def test_the_scene_moves() -> None:
    scene = Scene(320, 180)
    assert np.mean(scene.frame(0).astype(int) != scene.frame(1)) > 0.5


def test_a_tick_gives_the_same_scene_at_every_size() -> None:
    small = luma(Scene(320, 180).frame(40)).astype(np.float32)
    large = luma(Scene(640, 360).frame(40)).astype(np.float32)
    shrunk = large.reshape(180, 2, 320, 2).mean(axis=(1, 3))
    # below the barcode and above the clock, whose dots differ in size
    assert np.abs(small - shrunk)[30:140].mean() < 4


def test_odd_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="even"):
        Scene(321, 180)


def test_the_clock_counts_minutes_seconds_and_frames() -> None:
    assert clock(30 * 61 + 7) == "01:01.07"
