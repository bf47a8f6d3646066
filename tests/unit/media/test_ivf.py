from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.media import ivf

frames = st.lists(
    st.builds(ivf.Frame, timestamp=st.integers(0, 2**64 - 1), payload=st.binary(max_size=64)),
    max_size=8,
).map(tuple)
clips = st.builds(
    ivf.Clip,
    fourcc=st.sampled_from(["VP80", "H264", "OPUS"]),
    width=st.integers(0, 0xFFFF),
    height=st.integers(0, 0xFFFF),
    rate=st.integers(1, 2**32 - 1),
    scale=st.integers(1, 2**32 - 1),
    frames=frames,
)


@given(clips)
def test_a_written_clip_is_read_back(clip: ivf.Clip) -> None:
    assert ivf.parse(b"".join(ivf.serialise(clip))) == clip


@given(clips, st.data())
def test_a_truncated_file_is_refused(clip: ivf.Clip, data: st.DataObject) -> None:
    whole = b"".join(ivf.serialise(clip))
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(ivf.IvfError):
        ivf.parse(whole[:cut])


@given(st.binary(max_size=200))
def test_garbage_is_refused(garbage: bytes) -> None:
    with pytest.raises(ivf.IvfError):
        ivf.parse(garbage)


def test_a_file_is_written_and_read(tmp_path: Path) -> None:
    clip = ivf.Clip("VP80", 320, 180, 15, 1, (ivf.Frame(0, b"key"), ivf.Frame(1, b"delta")))
    ivf.write(tmp_path / "clip.ivf", clip)
    assert ivf.read(tmp_path / "clip.ivf") == clip
