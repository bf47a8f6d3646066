"""An option whose value is missing is refused; the next option is not taken for its value."""

from pathlib import Path

import pytest

from sfukit.cli.app import main
from sfukit.errors import ExitCode


@pytest.mark.parametrize(
    ("words", "option", "following"),
    [
        ("loadtest --json -q", "--json", "-q"),
        ("loadtest ws://127.0.0.1:1 --html --quick", "--html", "--quick"),
        ("latency --html --json -", "--html", "--json"),
        ("report last --junit --json out.json", "--junit", "--json"),
        ("serve --api-key --open", "--api-key", "--open"),
        ("nat-lab matrix --json --runs", "--json", "--runs"),
        ("token --room --identity ann", "--room", "--identity"),
    ],
)
def test_an_option_is_not_a_value(
    words: str,
    option: str,
    following: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == ExitCode.USAGE
    error = capsys.readouterr().err
    assert f"{option}: its value is missing before {following}" in error
    assert list(tmp_path.iterdir()) == []


def test_a_value_may_begin_with_a_hyphen(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "--name", "-x", "--json"]) != ExitCode.BUG
    assert "its value is missing" not in capsys.readouterr().err
