"""One option of a command: its place in the help, and what it may say."""

from typing import Any, get_args

import typer

from sfukit.errors import UsageError


def option(
    *names: str,
    panel: str | None = None,
    help: str | None = None,
    metavar: str | None = None,
    **more: Any,
) -> Any:
    """Make the option of an ``Annotated`` parameter."""
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


def choice(text: str, where: str, literal: Any) -> Any:
    """Read one of the texts of a ``Literal``; raises ``UsageError`` that names them all."""
    allowed = get_args(literal)
    if text not in allowed:
        raise UsageError(f"{where} {text}: not known", hint=f"choose one of {', '.join(allowed)}")
    return text
