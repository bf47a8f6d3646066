"""Saved runs: the last ones, and those in files, whose contents are not trusted."""

from pathlib import Path

import msgspec

from sfukit import report
from sfukit.errors import UsageError
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.report import Header

_LARGEST_BYTES = 64 * 1024 * 1024

# What text and files raise for a report whose contents contradict each other.
MALFORMED = (
    msgspec.ValidationError,
    LookupError,
    ArithmeticError,
    ValueError,
    TypeError,
    AttributeError,
)

COMMANDS = (
    "check",
    "doctor",
    "ice-explain",
    "latency",
    "loadtest",
    "loadtest-find-max",
    "loadtest-signaling",
    "nat-probe",
    "nat-lab",
    "turn-probe",
)


def read(run: str) -> bytes:
    """Return the last run, the last run of one command, or the report in a file."""
    if run == "last":
        return report.load_last()
    if run in COMMANDS:
        return report.load_last(run)
    return read_file(run)


def read_file(run: str) -> bytes:
    """Return the report in a file, which has to be of a bounded size."""
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


def header(run: str, saved: bytes) -> Header:
    """Return the header of a run that this version reads."""
    try:
        found = report.header_of(saved)
    except UsageError as error:
        raise UsageError(f"{run}: {error.what}", hint=error.hint) from error
    if found.command not in COMMANDS:
        raise UsageError(f"a run of {found.command} cannot be printed")
    if found.schema != report.schema_id(found.command):
        raise UsageError(
            f"{run}: the schema is {found.schema}, and this sfukit reads "
            f"{report.schema_id(found.command)}",
            hint=f"print the run with the sfukit that wrote it (version {found.version})",
        )
    return found


def loadtest(run: str) -> LoadtestReport:
    """Return a saved load test of a whole plan; refuse what is none."""
    found = loadtest_of(run, read(run if run != "last" else "loadtest"))
    if found.shard is not None:
        raise UsageError(
            f"{run}: shard {found.shard.index} of {found.shard.count}: the figures of a share",
            hint="sfukit report merge PARTS... --json whole.json",
        )
    return found


def loadtest_of(run: str, saved: bytes) -> LoadtestReport:
    """Return the load test in a saved report; refuse what is none."""
    found = header(run, saved)
    if found.command != "loadtest":
        raise UsageError(f"{run}: a run of {found.command}", hint="give a run of loadtest")
    try:
        return msgspec.json.decode(saved, type=LoadtestReport)
    except msgspec.ValidationError as error:
        raise unreadable(run, error) from error


def unreadable(run: str, error: Exception) -> UsageError:
    """Return the error for a report whose contents contradict its schema."""
    return UsageError(
        f"{run}: {type(error).__name__}: {error}",
        hint="read it with the version of sfukit that wrote it",
    )
