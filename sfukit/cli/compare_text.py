"""The text of two load tests compared."""

from collections.abc import Iterator
from dataclasses import dataclass

from sfukit import gates
from sfukit.errors import ExitCode
from sfukit.loadgen.reports import sentences
from sfukit.loadgen.reports.compare import Difference, compare, load_differences, swap_difference
from sfukit.loadgen.result.report import LoadtestReport

_NAME, _CELL = 27, 12
_WORDS = {"same": "within noise", "better": "better", "worse": "WORSE", "unknown": "unknown"}


@dataclass(frozen=True)
class Comparison:
    """Two runs, their differences, and how their loads differ."""

    before: LoadtestReport
    after: LoadtestReport
    differences: list[Difference]
    loads: list[str]
    max_regression: float

    @classmethod
    def of(
        cls, before: LoadtestReport, after: LoadtestReport, max_regression: float
    ) -> "Comparison":
        """Compare two runs."""
        differences = compare(before, after, max_regression)
        loads = load_differences(before.scenario, after.scenario)
        loads += swap_difference(
            before.environment.placement.cores_swapped, after.environment.placement.cores_swapped
        )
        return cls(before, after, differences, loads, max_regression)

    @property
    def worse(self) -> list[Difference]:
        """The figures that got worse by more than is allowed."""
        return [one for one in self.differences if one.change == "worse"]

    @property
    def inconclusive(self) -> list[str]:
        """Why the runs cannot be compared."""
        reasons = [f"the loads differ: {text}" for text in self.loads]
        unknown = [one.path for one in self.differences if one.change == "unknown"]
        if unknown:
            reasons.append(f"known in one run only: {', '.join(unknown)}")
        for name, run in (("first", self.before), ("second", self.after)):
            if run.verdict == "inconclusive":
                reasons.append(f"the {name} run was inconclusive")
        if not self.differences:
            reasons.append("no figure is known in both runs")
        return reasons

    @property
    def exit_code(self) -> ExitCode:
        """The exit code of the outcome; figures that cannot be compared are no regression."""
        if self.inconclusive:
            return ExitCode.INCONCLUSIVE
        return ExitCode.FAILED if self.worse else ExitCode.OK

    def lines(self, first: str, second: str) -> Iterator[str]:
        """Return the table, and the outcome before it."""
        yield self._outcome()
        for reason in self.inconclusive:
            yield f"        {reason}"
        for name, file, run in (("first", first, self.before), ("second", second, self.after)):
            described = f"{run.started_at}, {sentences.target(run)}, {sentences.word(run)}"
            yield f"{name:<8}{file}: {described}"
        head = ("first", "second", "change", "noise")
        yield f"{'':<{_NAME}}{''.join(f'{title:>{_CELL}}' for title in head)}"
        yield from map(self._row, self.differences)

    def _outcome(self) -> str:
        limit = gates.show(self.max_regression, "ratio")
        if self.inconclusive:
            return "INCONCLUSIVE  the runs cannot be compared"
        if self.worse:
            return f"WORSE   {len(self.worse)} of {len(self.differences)} figures, by over {limit}"
        return f"OK      no figure is worse by more than noise or {limit}"

    def _row(self, one: Difference) -> str:
        shown = [gates.show(one.before, one.unit), gates.show(one.after, one.unit), _change(one)]
        shown.append("" if one.noise is None else f"± {gates.show(one.noise, one.unit)}")
        cells = "".join(f"{text:>{_CELL}}" for text in shown)
        return f"{one.path:<{_NAME}}{cells}   {self._word(one)}"

    def _word(self, one: Difference) -> str:
        if one.change == "same" and one.noise is not None and _distance(one) > one.noise:
            return "within the allowed regression"
        return _WORDS[one.change]


def _distance(one: Difference) -> float:
    assert isinstance(one.before, (float, int)) and isinstance(one.after, (float, int))
    return abs(one.after - one.before)


def _change(one: Difference) -> str:
    """Return the relative change, or the absolute one from zero."""
    if one.change == "unknown":
        return ""
    assert isinstance(one.before, (float, int)) and isinstance(one.after, (float, int))
    moved = one.after - one.before
    if not moved:
        return "0 %"
    if not one.before:
        return f"+{gates.show(moved, one.unit)}"
    return f"{moved / one.before * 100:+.0f} %"
