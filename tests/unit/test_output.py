"""The one printer: which stream, when quiet, how wrapped."""

import pytest

from sfukit.cli.output import Output, hanging, print_error
from sfukit.errors import UsageError


def test_lines_are_wrapped_under_their_label() -> None:
    text = "errors  3 x join_timeout: the target did not answer"
    assert hanging(text, 30) == ("errors  3 x join_timeout: the\n        target did not answer")


def test_tables_and_empty_lines_stay() -> None:
    assert hanging("a    b\n\n  c", 30) == "a    b\n\n  c"


def test_json_on_standard_output_moves_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    Output.beside("-").line("hello [bold]")
    Output.beside("file.json").line("there")
    captured = capsys.readouterr()
    assert (captured.err, captured.out) == ("hello [bold]\n", "there\n")


def test_off_a_terminal_nothing_is_wrapped_or_coloured(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "word " * 40
    Output().line(long.rstrip(), "bold red")
    assert capsys.readouterr().out == long.rstrip() + "\n"


def test_quiet_keeps_what_must_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    out = Output(quiet=True)
    out.line("not this")
    out.always("this")
    assert capsys.readouterr().out == "this\n"


def test_errors_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    print_error(UsageError("--ramp: cannot read 'abc'", hint="give a rate"))
    assert capsys.readouterr().err == "sfukit: --ramp: cannot read 'abc'\n  give a rate\n"


@pytest.mark.parametrize(
    ("terminal", "term", "options", "live"),
    [
        (True, "xterm", {}, True),
        (True, "xterm", {"tui": False}, False),
        (True, "xterm", {"quiet": True}, False),
        (True, "dumb", {}, False),
        (False, "xterm", {}, False),
    ],
)
def test_where_a_live_view_is_shown(
    terminal: bool,
    term: str,
    options: dict[str, bool],
    live: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    assert Output.beside(None, **options).live is live
