"""The check of words that no RFC, W3C or libwebrtc text uses."""

from pathlib import Path

import pytest

from tools import words


def found(path: Path, text: str) -> list[tuple[int, str]]:
    path.write_text(text)
    return [(entry.line, entry.word) for entry in words.words_in(path)]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("class SoundTrack:", "sound"),
        ("fn wait_for_nobody() {", "nobody"),
        ("# served to whoever asks", "whoever"),
        ('{"door": "whip"}', "door"),
        ("<button>Picture off</button>", "picture"),
        ("ANEW = 1", "anew"),
    ],
)
def test_identifiers_comments_and_texts_are_searched(tmp_path: Path, line: str, word: str) -> None:
    assert found(tmp_path / "a.py", f"\n{line}\n") == [(2, word)]


def test_file_names_are_searched(tmp_path: Path) -> None:
    assert found(tmp_path / "strangers.rs", "") == [(0, "strangers")]


@pytest.mark.parametrize(
    "line",
    [
        "picture_id: u16",
        "/// A PLI (picture loss indication, RFC 4585 6.3.1).",
        "the sequence and picture parameter sets",
        "frame.pict_type = PictureType.I",
        "houses = doorway + soundness + legend",  # parts of other words
    ],
)
def test_terms_of_codecs_and_other_words_pass(tmp_path: Path, line: str) -> None:
    assert found(tmp_path / "a.py", line) == []


def test_each_replacement_is_a_word_that_passes(tmp_path: Path) -> None:
    assert found(tmp_path / "a.py", "\n".join(words.REPLACEMENTS.values())) == []
