"""The saved record of a table: figures, commands, whole reports, machine."""

import os
import platform
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

import msgspec

from sfukit import machine
from sfukit.loadgen.result.report import LoadtestReport
from tools.bench.figure import Figure

FOLDER = Path("bench")


class Judged(msgspec.Struct, frozen=True):
    """A figure with its judgement, as JSON has it."""

    figure: Figure
    met: bool | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """One row: its figures, or why there are none."""

    row: str
    what: str
    seconds: float
    commands: list[str]
    figures: list[Judged]
    error: str | None = None

    @property
    def met(self) -> bool:
        """Whether the row ran and every figure is where it has to be."""
        return self.error is None and all(one.met is not False for one in self.figures)


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where and when the table was made; the load is that of the minute before it."""

    machine: machine.Machine
    load_1min: float
    python: str
    commit: str | None
    started_at: str


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One table."""

    schema: str = "sfukit/bench/1"
    scale: float
    place: Place
    rows: list[Measured]
    reports: dict[str, LoadtestReport]


def look() -> Place:
    """Record the machine and the commit, before any measurement."""
    return Place(
        machine=machine.inspect(),
        load_1min=os.getloadavg()[0],
        python=platform.python_version(),
        commit=_commit(),
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def keep(record: Record, folder: Path = FOLDER) -> Path:
    """Write a table under a name that tells when and on which kernel it was made."""
    folder.mkdir(exist_ok=True)
    when = record.place.started_at.partition("+")[0].replace(":", "")
    text = msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
    for number in count(1):
        other = f"_{number}" if number > 1 else ""
        path = folder / f"{when}_{record.place.machine.kernel}{other}.json"
        with suppress(FileExistsError), path.open("xb") as file:  # of a table begun at that second
            file.write(text)
            break
    return path


def read(path: Path) -> Record:
    """Read a table that was kept."""
    return msgspec.json.decode(path.read_bytes(), type=Record)


def _commit() -> str | None:
    """Return the commit, with ``-dirty`` where files differ."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return None
    return run.stdout.strip() or None
