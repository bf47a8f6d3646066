"""A command with subcommands, whose options do not take each other for their values."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from typer.core import TyperGroup

from sfukit.errors import UsageError

if TYPE_CHECKING:
    import typer
    from typer.core import TyperCommand


class Group(TyperGroup):
    """Refuse an option without its value, which would take the next option for it."""

    def resolve_command(  # type: ignore[override]
        self, ctx: "typer.Context", args: list[str]
    ) -> "tuple[str | None, TyperCommand | TyperGroup | None, list[str]]":
        """Return the name of a subcommand, the subcommand and its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        if command is not None:
            _refuse_options_as_values(command.params, rest)
        return name, command, rest  # type: ignore[return-value]


def _refuse_options_as_values(parameters: Sequence[Any], arguments: Sequence[str]) -> None:
    options = [one for one in parameters if one.param_type_name == "option"]
    names = {name for one in options for name in (*one.opts, *one.secondary_opts)}
    with_value = {name for one in options if not (one.is_flag or one.count) for name in one.opts}
    before_end = arguments[: arguments.index("--")] if "--" in arguments else arguments
    for name, value in pairwise(before_end):
        if name in with_value and value in names:
            raise UsageError(
                f"{name}: its value is missing before {value}", hint=f"give {name} a value"
            )
