"""``sfukit report``: print a saved run again."""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from sfukit import report
from sfukit.cli.examples import examples
from sfukit.cli.output import Output
from sfukit.cli.shared_options import Json
from sfukit.errors import UsageError

_LARGEST_BYTES = 64 * 1024 * 1024

app = typer.Typer(add_completion=False, rich_markup_mode=None)

# The module whose function render_saved prints the report of a command.
_RENDERERS: Mapping[str, str] = {
    "check": "sfukit.cli.check_text",
    "doctor": "sfukit.cli.doctor",
    "ice-explain": "sfukit.cli.ice_explain_text",
    "latency": "sfukit.cli.latency_text",
    "loadtest": "sfukit.cli.loadtest_text",
    "loadtest-find-max": "sfukit.cli.find_max_text",
    "loadtest-signaling": "sfukit.cli.signaling_text",
    "nat-probe": "sfukit.cli.nat_probe_text",
    "nat-lab": "sfukit.cli.nat_lab_text",
    "turn-probe": "sfukit.cli.turn_probe_text",
}


@app.command(
    "report",
    epilog=examples(
        "sfukit report last",
        "sfukit report nat-probe",
        "sfukit report run.json",
    ),
)
def show(
    run: Annotated[
        str,
        typer.Argument(
            metavar="last|COMMAND|FILE",
            help="the last run, the last run of a command, or a JSON file",
        ),
    ],
    json: Json = None,
) -> None:
    """Print a saved run again."""
    saved = read(run)
    header = report.header_of(saved)
    command = header.command
    if command not in _RENDERERS:
        raise UsageError(f"a run of {command} cannot be printed")
    if header.schema != report.schema_id(command):
        raise UsageError(
            f"{run}: the schema is {header.schema}, and this sfukit reads "
            f"{report.schema_id(command)}",
            hint=f"print the run with the sfukit that wrote it (version {header.version})",
        )
    try:
        lines = importlib.import_module(_RENDERERS[command]).render_saved(saved)
    except (msgspec.ValidationError, LookupError, ArithmeticError, ValueError, TypeError) as error:
        raise UsageError(
            f"{run}: {type(error).__name__}: {error}",
            hint="read it with the version of sfukit that wrote it",
        ) from error
    out = Output.beside(json)
    for line in lines:
        out.line(line)
    if json is not None:
        report.write_text(json, report.indented(saved))


def read(run: str) -> bytes:
    """Return the last run, the last run of one command, or the report in a file."""
    if run == "last":
        return report.load_last()
    if run in _RENDERERS:
        return report.load_last(run)
    try:
        with Path(run).open("rb") as file:
            saved = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{run}: {error.strerror}", hint="give last, the name of a command, or a JSON file"
        ) from error
    if len(saved) > _LARGEST_BYTES:
        raise UsageError(f"{run}: larger than {_LARGEST_BYTES >> 20} MiB: not a report")
    return saved
