"""Terminal output: stream, colour, wrapping, escaping."""

import os
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from sfukit.control_characters import escaped
from sfukit.errors import SfukitError
from sfukit.redaction import redacted

if TYPE_CHECKING:
    from rich.console import Console


_LABEL = 8  # the width of the labels that lines begin with
LOADTEST_LABEL = 16  # the same in a load test, for "load generator"


class Output:
    """Print text on standard output, or on standard error while JSON is on standard output."""

    def __init__(
        self,
        *,
        json_on_stdout: bool = False,
        quiet: bool = False,
        label_width: int = _LABEL,
        tui: bool = True,
    ) -> None:
        self._stream: TextIO = sys.stderr if json_on_stdout else sys.stdout
        self._quiet = quiet
        self._tui = tui
        self._label_width = label_width

    @classmethod
    def beside(
        cls,
        json_destination: str | None,
        *,
        quiet: bool = False,
        label_width: int = _LABEL,
        tui: bool = True,
    ) -> "Output":
        """Return the output on the stream that the option ``--json`` leaves free."""
        on_stdout = json_destination == "-"
        return cls(json_on_stdout=on_stdout, quiet=quiet, label_width=label_width, tui=tui)

    @cached_property
    def console(self) -> "Console":
        """Return the rich console, which follows NO_COLOR and FORCE_COLOR."""
        from rich.console import Console

        return Console(file=self._stream, highlight=False, soft_wrap=True, emoji=False)

    @property
    def live(self) -> bool:
        """Whether the stream can show a live view, and is to."""
        dumb = os.environ.get("TERM", "") in ("", "dumb", "unknown")
        return self._stream.isatty() and not dumb and self._tui and not self._quiet

    @contextmanager
    def lenient(self) -> Iterator[None]:
        """Ignore text that cannot be written: a full disk, a closed pipe."""
        try:
            yield
            self.console.file.flush()
        except (OSError, ValueError, SystemExit):  # SystemExit: rich on a broken pipe
            # buffered text must not fail again when the process ends
            with suppress(OSError, ValueError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def line(self, text: str = "", style: str | None = None) -> None:
        """Print one line unless the output is quiet."""
        if not self._quiet:
            self.always(text, style)

    def always(self, text: str, style: str | None = None) -> None:
        """Print one line, quiet or not; on a terminal it is wrapped under its label."""
        text = visible(text)
        if self._stream.isatty():
            text = hanging(text, self.console.width, self._label_width)
        self.console.print(text, style=style, markup=False)


def hanging(text: str, width: int, indent: int = _LABEL) -> str:
    """Wrap each line at the width of a terminal, with continuation lines indented."""
    wrapped: list[str] = []
    for line in text.split("\n"):
        wrapped += textwrap.wrap(
            line,
            width,
            subsequent_indent=" " * max(indent, len(line) - len(line.lstrip())),
            break_long_words=False,
            break_on_hyphens=False,
        ) or [""]
    return "\n".join(wrapped)


def labelled(label: str, text: str) -> str:
    """Return a line of a load test: its label, then its text."""
    return f"{label:<{LOADTEST_LABEL}}{text}"


def visible(text: str) -> str:
    """Hide secrets and escape terminal control characters; further lines are indented.

    Text of servers and files can then neither move the cursor nor imitate a label of sfukit.
    """
    first, *others = escaped(redacted(text)).split("\n")
    return "\n".join([first, *(one if one[:1] in ("", " ") else f"    {one}" for one in others)])


def print_error(error: SfukitError) -> None:
    """Print an error and its hint on standard error."""
    with suppress(OSError):
        print(f"sfukit: {visible(error.what)}", file=sys.stderr)
        if error.hint:
            print(f"  {visible(error.hint)}", file=sys.stderr)
