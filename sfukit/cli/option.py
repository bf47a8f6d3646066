"""One option of a command: its place in the help, and its values."""

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
    """Return the option of an ``Annotated`` parameter."""
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


def choice(text: str, where: str, literal: Any) -> Any:
    """Return a value of a ``Literal``; raise ``UsageError`` that lists the values otherwise."""
    allowed = get_args(literal)
    if text not in allowed:
        raise UsageError(
            f"{where} {text}: unknown value", hint=f"choose one of {', '.join(allowed)}"
        )
    return text
