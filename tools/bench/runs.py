"""Run the measured programs; each is run once, however many rows use its figures."""

import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from sfukit import machine
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.signaling_load.result import SignalingReport
from sfukit.report import Envelope

_LAST_LINES = 6
_GO_BINARIES = Path("target/go")  # not committed
_SEED = ("--seed", "1")

Report = TypeVar("Report", bound=Envelope)


class RunError(Exception):
    """A program without figures, with its last lines."""


class Runs:
    """The runs of a table."""

    def __init__(self, scale: float) -> None:
        self.reports: dict[str, LoadtestReport] = {}
        self.commands: list[str] = []
        self._scale = scale
        self._printed: dict[str, str] = {}

    @property
    def pin(self) -> list[str]:
        """The option for runs with a private server on two or three cores, named in commands."""
        swaps = 1 < len(machine.usable_cores()) < machine.ENOUGH_TO_SPLIT
        return ["--pin", "exchange"] if swaps else []

    def start_row(self) -> None:
        """Start recording the commands of a row."""
        self.commands = []

    def count(self, number: int, least: int = 1) -> int:
        """Scale a number of clients or rounds."""
        return max(least, round(number * self._scale))

    def span(self, seconds: float, least_s: float = 2.0) -> str:
        """Scale a time; written as an option takes it."""
        return f"{max(min(seconds, least_s), seconds * self._scale):g}s"

    def loadtest(self, *options: str) -> LoadtestReport:
        """Return the report of a load test, run at most once; any verdict is accepted."""
        command = self._note("sfukit loadtest", [*options, *_SEED])
        if command not in self.reports:
            self.reports[command] = self.run_loadtest(*options)
        return self.reports[command]

    def run_loadtest(self, *options: str) -> LoadtestReport:
        """Run a load test, also one that was run before; the report is not kept."""
        return self._run_loadtest(options, LoadtestReport)

    def signaling(self, *options: str) -> SignalingReport:
        """Run a load of requests without media."""
        return self._run_loadtest(options, SignalingReport)

    def _run_loadtest(self, options: Sequence[str], kind: type[Report]) -> Report:
        self._note("sfukit loadtest", [*options, *_SEED])
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "report.json"
            run = _sfukit("loadtest", *options, *_SEED, "--json", str(path))
            if not path.exists():
                raise RunError(_log_tail(run))
            return msgspec.json.decode(path.read_bytes(), type=kind)

    def cargo_bench(self, package: str, bench: str) -> str:
        """Run a Rust bench; return what it printed."""
        options = ("--locked", "--quiet", "--package", package, "--bench", bench)
        command = self._note("cargo bench", options)
        if command not in self._printed:
            run = _run(["cargo", "bench", *options])
            if run.returncode != 0:
                raise RunError(_log_tail(run))
            self._printed[command] = run.stdout
        return self._printed[command]

    def go_program(self, folder: Path) -> Path:
        """Build a Go program; return the binary."""
        binary = (_GO_BINARIES / folder.name).resolve()
        run = _run(["go", "-C", str(folder), "build", "-o", str(binary), "."])
        if run.returncode != 0:
            raise RunError(_log_tail(run))
        return binary

    def program(self, binary: Path, *options: str) -> str:
        """Run a program; return what it printed."""
        self._note(binary.name, options)
        run = _run([str(binary), *options])
        if run.returncode != 0:
            raise RunError(_log_tail(run))
        return run.stdout

    def help_wall_s(self, times: int) -> list[float]:
        """Time ``sfukit --help``."""
        self._note("sfukit --help", ())
        return [_timed_help_s() for _ in range(times)]

    def _note(self, program: str, options: Sequence[str]) -> str:
        command = f"{program} {shlex.join(options)}".strip()
        if command not in self.commands:
            self.commands.append(command)
        return command


def _timed_help_s() -> float:
    started_s = time.perf_counter()
    run = _sfukit("--help")
    if run.returncode != 0:
        raise RunError(_log_tail(run))
    return time.perf_counter() - started_s


def _sfukit(*arguments: str) -> subprocess.CompletedProcess[str]:
    return _run([sys.executable, "-P", "-m", "sfukit", *arguments])


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise RunError(f"{command[0]} is not installed") from error


def _log_tail(run: subprocess.CompletedProcess[str]) -> str:
    lines = (run.stdout + run.stderr).strip().splitlines()[-_LAST_LINES:]
    return "\n".join([f"exit code {run.returncode}", *lines])
