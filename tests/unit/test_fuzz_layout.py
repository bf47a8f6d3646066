"""Every fuzz target has a corpus, and an ordinary test replays it."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MOST_BYTES = 1024 * 1024


def targets() -> set[str]:
    manifest = tomllib.loads((ROOT / "fuzz/Cargo.toml").read_text())
    return {program["name"] for program in manifest["bin"]}


def test_every_target_is_replayed() -> None:
    replayed = {
        name
        for test in ROOT.glob("crates/*/tests/corpus_replay.rs")
        for name in re.findall(r'corpus\("(\w+)"', test.read_text())
    }
    assert replayed == targets()
    assert {folder.name for folder in (ROOT / "fuzz/corpus").iterdir()} == targets()


def test_the_corpus_stays_small() -> None:
    files = [path for path in (ROOT / "fuzz/corpus").rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
