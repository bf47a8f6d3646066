"""The fingerprint of a plan with a video file: its contents, not its path."""

from pathlib import Path

from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.shards import fingerprint


def mark(media: Path | None) -> str:
    load = LoadOptions(clients=2, media=media)
    return fingerprint.of(fingerprint.described(plan(load), RunOptions(load=load)))


def test_equal_files_at_other_paths_are_one_plan(tmp_path: Path) -> None:
    first, copy, other = (tmp_path / name for name in ("a.mp4", "b.mp4", "c.mp4"))
    for file, content in ((first, b"one"), (copy, b"one"), (other, b"two")):
        file.write_bytes(content)
    assert mark(first) == mark(copy)
    assert len({mark(first), mark(other), mark(None), mark(tmp_path / "absent.mp4")}) == 4
