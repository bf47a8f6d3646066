"""The rows of the cases: one for each case and estimator."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from sfukit import units
from sfukit.loadgen.result.report import LoadtestReport
from tools.bench.adaptation import judge
from tools.bench.adaptation.cases import CASES, Case
from tools.bench.figure import Figure
from tools.bench.rows import Row
from tools.bench.runs import Runs

GROUP = "adaptation"
MODES = ("gcc", "loss-rtt", "remb", "none")
DEFAULT_MODE = "gcc"


def name_of(case: str, mode: str) -> str:
    """Return the name of a row."""
    return f"{case} {mode}"


def rows(cases: Sequence[str], modes: Sequence[str]) -> Mapping[str, Row]:
    """Return the rows of some cases, of all where none is named."""
    return {
        name_of(name, mode): Row(CASES[name].what, partial(_measure, CASES[name], mode))
        for name in cases or CASES
        for mode in modes
    }


def options(case: Case, mode: str, files: Mapping[str, str]) -> Iterator[str]:
    """Return the options of the load test of a case; files by their names in the case."""
    yield from (files.get(option, option) for option in case.options)
    yield f"--server-args=--bwe {mode}"
    if case.own_shape:
        yield from ("--warmup", f"{case.warmup_s:g}s")
    yield "--no-default-gates"


def _measure(case: Case, mode: str, runs: Runs) -> list[Figure]:
    report = _report(case, mode, runs)
    clean = None if case.clean is None else _report(CASES[case.clean], mode, runs)
    return judge.figures(case, report, mode, clean)


def _report(case: Case, mode: str, runs: Runs) -> LoadtestReport:
    with tempfile.TemporaryDirectory() as folder:
        duration = runs.span(case.duration_s, least_s=5.0)
        scale = units.duration_s(duration, "duration") / case.duration_s
        files = {}
        for name, text in case.files.items():
            path = Path(folder) / name
            path.write_text(text(scale))
            files[name] = str(path)
        return runs.loadtest(*options(case, mode, files), "--duration", duration)
