"""The envelope of the JSON of all commands, and the last run of each command."""

import inspect
import os
import re
import sys
from pathlib import Path
from typing import Any, Literal

import msgspec

from sfukit import __version__, config
from sfukit.errors import MachineError, UsageError
from sfukit.redaction import redacted_json

Verdict = Literal["pass", "fail", "inconclusive"]

# A version rises where a field of the JSON is renamed, removed or changes its meaning.
_SCHEMA_VERSIONS = {
    "check": 3,
    "doctor": 2,
    "ice-explain": 3,
    "latency": 1,
    "loadtest": 2,
    "loadtest-find-max": 1,
    "loadtest-signaling": 1,
    "nat-lab": 1,
    "nat-probe": 2,
    "serve": 1,
    "stun-serve": 1,
    "turn-probe": 3,
}

# Control characters that JSON does not escape.
_UNSAFE = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class Envelope(msgspec.Struct, kw_only=True, frozen=True):
    """The fields common to the JSON of all commands."""

    schema: str
    tool: str = "sfukit"
    version: str = __version__
    command: str
    verdict: Verdict
    exit_code: int


def schema_id(command: str) -> str:
    """Return the schema id of a command, with its version."""
    return f"sfukit/{command}/{_SCHEMA_VERSIONS[command]}"


def write_json(destination: str, report: Envelope) -> None:
    """Write a report as indented JSON to a file, or to standard output for ``-``."""
    write_text(destination, encode(report))


def write_text(destination: str, text: str) -> None:
    """Write text to a file, or to standard output for ``-``."""
    if destination == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        _replace(Path(destination), text)
    except OSError as error:
        raise MachineError(
            f"cannot write {destination}: {error.strerror}",
            hint="the run is saved: sfukit report last --json FILE",
        ) from error


def check_destination(option: str, destination: str) -> None:
    """Refuse a file that cannot be written, before a run that would end with it."""
    folder = Path(destination).parent
    if destination == "-":
        return
    if not folder.is_dir():
        raise MachineError(f"{option} {destination}: there is no folder {folder}")
    if Path(destination).is_dir():
        raise MachineError(f"{option} {destination}: it is a folder", hint="give a file in it")
    if not os.access(folder, os.W_OK):
        raise MachineError(f"{option} {destination}: {folder} is not writable")


def encode(report: Envelope) -> str:
    """Return a report as indented JSON text."""
    return indented(msgspec.json.encode(report))


def indented(encoded: bytes) -> str:
    """Return indented JSON; secrets are hidden, control characters are escaped (RFC 8259)."""
    text = redacted_json(msgspec.json.format(encoded, indent=2).decode(errors="replace"))
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text) + "\n"


def schema(kind: type[Envelope]) -> dict[str, Any]:
    """Return the JSON Schema of a report; docstrings are dedented as in Python 3.13."""
    document = msgspec.json.schema(kind)
    for part in document["$defs"].values():
        if "description" in part:
            part["description"] = inspect.cleandoc(part["description"])
    return document


def save_last(report: Envelope) -> str | None:
    """Save a report as the last run of its command; return why that failed, if it did."""
    folder = config.state_folder() / "last"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _replace(folder / f"{report.command}.json", encode(report))
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None


def last_runs() -> list[Path]:
    """Return the saved runs, the newest first."""
    saved = (config.state_folder() / "last").glob("*.json")
    return sorted(saved, key=lambda path: path.stat().st_mtime, reverse=True)


def load_last(command: str | None = None) -> bytes:
    """Return the last run of a command, or of any command."""
    runs = [path for path in last_runs() if command in (None, path.stem)]
    if not runs:
        what = f"no saved run of {command}" if command else "no saved run"
        raise UsageError(f"{what} in {config.state_folder()}", hint="try: sfukit loadtest -c 4")
    return runs[0].read_bytes()


class Header(msgspec.Struct, frozen=True):
    """The header of a saved report: command, schema, version of sfukit."""

    command: str
    schema: str = "unknown"
    version: str = "unknown"


def header_of(saved: bytes) -> Header:
    """Return the header of a saved report."""
    try:
        return msgspec.json.decode(saved, type=Header)
    except msgspec.DecodeError as error:
        raise UsageError(f"not a report of sfukit: {error}") from error


def _replace(path: Path, text: str) -> None:
    """Replace a file atomically."""
    if path.exists() and not path.is_file():  # a pipe or a device: /dev/null, /dev/stderr
        path.write_text(text, encoding="utf-8")
        return
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError:
        part.unlink(missing_ok=True)
        raise
