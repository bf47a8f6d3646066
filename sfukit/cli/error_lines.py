"""The errors of a run with their counts, at the end of its text."""

from collections.abc import Iterable

from sfukit.cli.output import labelled
from sfukit.loadgen.result.report import Fault


def error_lines(faults: Iterable[Fault]) -> list[str]:
    """Return a line for each kind of error."""
    return [labelled("" if place else "errors", _text(fault)) for place, fault in enumerate(faults)]


def _text(fault: Fault) -> str:
    first = f" (first: {fault.first})" if fault.first else ""
    return f"{fault.count} x {fault.code}: {fault.message}{first}"
