"""Load tests and latency measurements from a test, each as a process of its own.

A process of its own keeps the work of the test out of the measurement.
"""

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from sfukit import report
from sfukit.errors import ExitCode, MachineError, SfukitError, TargetError, UsageError
from sfukit.loadgen.latency.result import LatencyReport
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.testing.server import SfuServer

# The value of an option: a flag is True, an option that repeats is a sequence.
Option = str | float | bool | Path | Sequence[str] | None
Report = TypeVar("Report", LoadtestReport, LatencyReport)

_SECRETS = ("token", "api_secret")
_OF_THE_SWARM = {
    "json": "the report is returned",
    "quiet": "the text is part of a failure",
    "plan": "it runs nothing; give it on the command line",
    "find_max": "its report has another form; give it on the command line",
}
_LABEL = 16  # as in the printed text
_VERDICTS = (ExitCode.OK, ExitCode.FAILED, ExitCode.TARGET, ExitCode.INCONCLUSIVE)


class VerdictError(AssertionError):
    """A run whose verdict is not ``pass``, with its report."""

    def __init__(self, text: str, outcome: LoadtestReport | LatencyReport) -> None:
        super().__init__(text)
        self.report = outcome


class GateFailedError(VerdictError):
    """A gate was not met: the exit code would be 3."""


class InconclusiveError(VerdictError):
    """The figures decide nothing, as with a saturated load generator: exit code 5."""


class Swarm:
    """Runs ``sfukit loadtest`` and ``sfukit latency``; ``folder`` gets their reports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._numbers = itertools.count(1)

    def loadtest(
        self,
        target: SfuServer | str | None = None,
        *,
        gates: Sequence[str] = (),
        check: bool = True,
        timeout_s: float = 600.0,
        **options: Option,
    ) -> LoadtestReport:
        """Run a load test and return its report; without a target, against a private server.

        ``options`` are those of ``sfukit loadtest`` with ``_`` for ``-``: ``clients=20``,
        ``no_simulcast=True``, ``stage=["5s:10", "5s:20"]``. ``quick`` is True unless given.
        ``gates`` are those of ``-T``, beside the default gates.

        Raises ``GateFailedError`` and ``InconclusiveError``, unless ``check`` is False;
        ``TargetError`` where the target could not be used, ``UsageError`` for invalid options,
        ``MachineError`` for a run that takes longer than ``timeout_s``.
        """
        __tracebackhide__ = True
        options = {"quick": True, **options}
        return self._run("loadtest", LoadtestReport, target, gates, check, timeout_s, options)

    def latency(
        self,
        target: SfuServer | str | None = None,
        *,
        gates: Sequence[str] = (),
        check: bool = True,
        timeout_s: float = 600.0,
        **options: Option,
    ) -> LatencyReport:
        """Measure latency and return the report; ``duration`` is 3 s unless given.

        ``options`` are those of ``sfukit latency``; the rest is as in ``loadtest``.
        """
        __tracebackhide__ = True
        options = {"duration": "3s", **options}
        return self._run("latency", LatencyReport, target, gates, check, timeout_s, options)

    def _run(
        self,
        command: str,
        kind: type[Report],
        target: SfuServer | str | None,
        gates: Sequence[str],
        check: bool,
        timeout_s: float,
        options: Mapping[str, Option],
    ) -> Report:
        __tracebackhide__ = True
        saved = self.folder / f"{command}-{next(self._numbers)}.json"
        url: str | None = target.url if isinstance(target, SfuServer) else target
        arguments = [
            *(f"-T{gate}" for gate in ([gates] if isinstance(gates, str) else gates)),
            *self._arguments(options),
            f"--json={saved}",
            *([] if url is None else ["--", url]),
        ]
        ended = self._process(command, arguments, timeout_s)
        outcome = _report(command, kind, saved, ended)
        if check and ended.returncode != ExitCode.OK:
            raise _failure(outcome, _printed(ended.stdout, saved))
        return outcome

    def _process(
        self, command: str, arguments: Sequence[str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                [sys.executable, "-P", "-m", "sfukit", command, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                text=True,
                errors="replace",
                timeout=timeout_s,
                env={**os.environ, "XDG_STATE_HOME": str(self.folder)},
            )
        except subprocess.TimeoutExpired as error:
            raise MachineError(
                f"sfukit {command} takes longer than {timeout_s:g} s",
                hint="shorten the run, or give timeout_s",
            ) from error

    def _arguments(self, options: Mapping[str, Option]) -> Iterator[str]:
        """Return the options of a command line; secrets are passed in files (mode 0600)."""
        for name, value in options.items():
            if name in _OF_THE_SWARM:
                raise UsageError(f"{name}: {_OF_THE_SWARM[name]}", hint=f"leave {name} out")
            option = f"--{name.replace('_', '-')}"
            if value is True:
                yield option
            elif value is None or value is False:
                continue
            elif isinstance(value, Sequence) and not isinstance(value, str):
                yield from (f"{option}={one}" for one in value)
            elif name in _SECRETS and not str(value).startswith("@"):
                yield f"{option}=@{self._secret_file(name, str(value))}"
            else:
                yield f"{option}={value}"

    def _secret_file(self, name: str, value: str) -> Path:
        path = self.folder / f"{name}.txt"
        path.touch(mode=0o600)
        path.write_text(value, encoding="utf-8")
        return path


def _report(
    command: str, kind: type[Report], saved: Path, ended: subprocess.CompletedProcess[str]
) -> Report:
    """Return the report of a run; raise its error where it has none."""
    __tracebackhide__ = True
    if ended.returncode not in _VERDICTS or not saved.exists():
        raise _error(command, ended)
    encoded = saved.read_bytes()
    if report.header_of(encoded).command != command:
        raise UsageError(
            f"these options of sfukit {command} make a report of another form",
            hint="give them on the command line",
        )
    return msgspec.json.decode(encoded, type=kind)


def _printed(text: str, saved: Path) -> str:
    """Return what a run printed, with its report in place of the last run of this process."""
    lines = [line for line in text.splitlines() if not line.startswith("saved ")]
    how = f"sfukit report {saved} --html report.html"
    return "\n".join([*lines, f"{'saved':<{_LABEL}}{saved}", f"{'see it':<{_LABEL}}{how}"])


def _failure(outcome: LoadtestReport | LatencyReport, text: str) -> Exception:
    match outcome.exit_code:
        case ExitCode.TARGET:
            return TargetError(text)
        case ExitCode.INCONCLUSIVE:
            return InconclusiveError(f"inconclusive\n{text}", outcome)
        case _:
            return GateFailedError(f"a gate was not met\n{text}", outcome)


def _error(command: str, ended: subprocess.CompletedProcess[str]) -> SfukitError:
    """Return the error of a command that wrote no report, with what it printed."""
    text = ended.stderr.strip() or ended.stdout.strip() or f"exit code {ended.returncode}"
    text = text.removeprefix("sfukit: ")
    kinds = {ExitCode.USAGE: UsageError, ExitCode.TARGET: TargetError}
    kind = next((kinds[code] for code in kinds if code == ended.returncode), SfukitError)
    return kind(f"sfukit {command}: {text}")
