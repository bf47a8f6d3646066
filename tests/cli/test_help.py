"""The help of every command: its examples are valid."""

import shlex

import pytest
import typer

from sfukit.cli.app import COMMANDS, LazyGroup, app

LEAVES = [[name] for name in COMMANDS if name != "nat-lab"] + [
    ["nat-lab", "matrix"],
    ["nat-lab", "run"],
]


def command(path: list[str]) -> typer.core.TyperCommand:
    group = typer.main.get_command(app)
    assert isinstance(group, LazyGroup)
    found = group.get_command(typer.Context(group), path[0])
    for name in path[1:]:
        assert isinstance(found, typer.core.TyperGroup)
        found = found.commands[name]  # type: ignore[assignment]
    assert isinstance(found, typer.core.TyperCommand)
    return found


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_examples_are_valid_command_lines(path: list[str]) -> None:
    shown = (command(path).epilog or "").splitlines()
    assert shown[:2] == ["\b", "Examples:"]
    assert len(shown) > 2
    for line in shown[2:]:
        assert len(line) <= 78, line
        words = shlex.split(line.split(" < ")[0].removeprefix("  sudo").strip())
        named = next(name for name in LEAVES if words[1:][: len(name)] == name)
        of = command(named)
        context = typer.Context(of, info_name=named[-1])
        of.make_parser(context).parse_args(words[1 + len(named) :])


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_ends_with_the_examples(
    path: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with pytest.raises(SystemExit):
        app([*path, "--help"])
    shown = capsys.readouterr().out
    last = (command(path).epilog or "").splitlines()[-1]
    assert shown.rstrip().splitlines()[-1].strip() == last.strip()
    assert "\b" not in shown
