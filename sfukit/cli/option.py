"""One option of a command, in its panel of the help."""

from typing import Any

import typer


def option(
    *names: str,
    panel: str | None = None,
    help: str | None = None,
    metavar: str | None = None,
    **more: Any,
) -> Any:
    """Make the option of an ``Annotated`` parameter."""
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)
