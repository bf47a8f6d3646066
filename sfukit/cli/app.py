"""The command ``sfukit``: lists its commands, and loads each only when it is called."""

import importlib
import sys
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from sfukit import __version__
from sfukit.cli import streams
from sfukit.cli.group import Group
from sfukit.cli.output import print_error
from sfukit.errors import ExitCode, SfukitError
from sfukit.redaction import redacted

if TYPE_CHECKING:
    from typer.core import TyperCommand, TyperGroup


class Entry(NamedTuple):
    """One command: the group it is shown in, its module, and its line in the help."""

    group: str
    module: str
    help: str


COMMANDS: Mapping[str, Entry] = {
    "serve": Entry("Run", "serve", "an SFU: rooms, WHIP and WHEP, demo page, metrics"),
    "token": Entry("Run", "token", "create or decode access tokens"),
    "loadtest": Entry("Measure", "loadtest", "synthetic participants against any SFU; a verdict"),
    "latency": Entry("Measure", "latency", "delay, round trips, jitter and loss through any SFU"),
    "report": Entry("Measure", "report", "print a saved run again"),
    "check": Entry("Diagnose", "check", "can I reach this SFU, and if not, which step fails?"),
    "nat-probe": Entry(
        "Diagnose", "nat_probe", "which NAT or firewall is here, what works through it"
    ),
    "turn-probe": Entry("Diagnose", "turn_probe", "does this TURN server relay, and how well?"),
    "ice-explain": Entry("Diagnose", "ice_explain", "why ICE chose this pair, or none"),
    "doctor": Entry("Diagnose", "doctor", "can this machine serve or generate load?"),
    "stun-serve": Entry("Lab", "stun_serve", "STUN server with NAT behaviour discovery"),
    "nat-lab": Entry("Lab", "nat_lab", "NAT traversal between kinds of NAT"),
}

_START = "Start:    sfukit serve --open | sfukit loadtest --clients 500 | sfukit nat-probe"


class LazyGroup(Group):
    """Import a command's module when the command is named, not for the overview."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        """Return the commands in the order of the help."""
        return list(COMMANDS)

    def get_command(  # type: ignore[override]
        self, ctx: typer.Context, cmd_name: str
    ) -> "TyperCommand | TyperGroup | None":
        """Return one command, from the typer application ``app`` of its module."""
        entry = COMMANDS.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"sfukit.cli.{entry.module}")
        command = typer.main.get_command(module.app)
        command.name = cmd_name
        return command  # type: ignore[return-value]

    def format_help(self, ctx: object, formatter: object) -> None:
        """Print the commands by group, without importing their modules."""
        print(overview(), end="")


def overview() -> str:
    """Return the help of all commands."""
    lines = [f"sfukit {__version__}  run, measure and debug WebRTC SFUs", ""]
    shown = ""
    for name, entry in COMMANDS.items():
        heading = "" if entry.group == shown else entry.group
        lines.append(f"{heading:<9} {name:<12} {entry.help}")
        shown = entry.group
    return "\n".join([*lines, _START, "", "sfukit COMMAND --help lists the options of a command."])


app = typer.Typer(
    cls=LazyGroup,
    add_completion=False,
    invoke_without_command=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(requested: bool) -> None:
    if requested:
        print(f"sfukit {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Run, measure and debug WebRTC SFUs."""
    if context.invoked_subcommand is None:
        print(overview(), end="")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; only a bug in sfukit prints a traceback."""
    try:
        with streams.guarded():
            return _run(arguments)
    except SfukitError as error:  # standard output could not be written
        print_error(error)
        return error.exit_code


def _run(arguments: Sequence[str] | None) -> int:
    try:
        app(arguments, prog_name="sfukit")
    except SystemExit as leaving:
        return leaving.code if isinstance(leaving.code, int) else ExitCode.OK
    except SfukitError as error:
        print_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except Exception:
        print(redacted(traceback.format_exc()), end="", file=sys.stderr)
        print("sfukit: this is a bug in sfukit; please report the lines above", file=sys.stderr)
        return ExitCode.BUG
    return ExitCode.OK
