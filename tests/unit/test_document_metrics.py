"""docs/metrics.md has every figure of the reports, with its unit, and no other."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from sfukit.loadgen.latency import result as latency
from sfukit.loadgen.metrics import measured
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.result import report as loadtest
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.signaling_load import result as signaling
from sfukit.loadgen.signaling_load.recorder import STAGES
from sfukit.loadgen.verdict import gate_figures
from sfukit.swarm.impairment import Impairment

DOCUMENT = Path(__file__).parents[2] / "docs" / "metrics.md"
METRIC_COLUMNS = ["metric", "unit", "over", "definition (source)", "what it cannot know"]
FIGURE_COLUMNS = [one for one in METRIC_COLUMNS if one != "over"]
FIGURE_COLUMNS[0] = "figure"


class Table:
    """A table of a section: the other cells of each row, by the name in the first one."""

    def __init__(self, lines: list[str]) -> None:
        self.columns, _, *rows = [self._cells(line) for line in lines]
        self.rows = {row[0].strip("`"): dict(zip(self.columns, row, strict=True)) for row in rows}
        assert len(self.rows) == len(rows), "no name twice"

    @staticmethod
    def _cells(line: str) -> list[str]:
        return [
            cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")
        ]

    @property
    def units(self) -> dict[str, str]:
        return {name: row["unit"] for name, row in self.rows.items()}


def tables(heading: str) -> list[Table]:
    """Read the tables of a section."""
    section = DOCUMENT.read_text().split(f"\n## {heading}\n")[1].split("\n## ")[0]
    parts = [part.splitlines() for part in section.split("\n\n") if part.strip().startswith("|")]
    return [Table([line for line in part if line.startswith("|")]) for part in parts]


def other_paths(paths: Mapping[str, str], metrics: Mapping[str, str]) -> dict[str, str]:
    """Return the paths of gates that are no metrics and no aggregates of one."""
    return {
        path: "" if unit == "text" else unit
        for path, unit in paths.items()
        if path.partition(".")[0] not in metrics
    }


SIGNALING = dict.fromkeys(signaling.RATIOS, "ratio") | dict.fromkeys(STAGES, "ms")
IMPAIRED = LoadOptions(net_down=Impairment(loss=0.01))


def of_groups() -> dict[str, str]:
    """Return the metrics that the groups of a report have beside those of the run."""
    load = plan(IMPAIRED)
    [names] = {tuple(found) for found in measured.groups(load, Ledger(load), []).values()}
    return dict.fromkeys((name for name in names if name not in loadtest.METRICS), "ms")


@pytest.mark.parametrize(
    ("heading", "metrics", "paths"),
    [
        (
            "`sfukit loadtest`",
            loadtest.METRICS | of_groups(),
            gate_figures.catalogue(),
        ),
        ("`sfukit latency`", latency.METRICS, latency.catalogue()),
        ("Signalling", SIGNALING, signaling.catalogue()),
    ],
)
def test_the_page_has_every_figure_with_its_unit(
    heading: str, metrics: Mapping[str, str], paths: Mapping[str, str]
) -> None:
    of_metrics, others = tables(heading)
    assert of_metrics.columns == METRIC_COLUMNS and others.columns == FIGURE_COLUMNS
    assert of_metrics.units == dict(metrics)
    assert others.units == other_paths(paths, metrics)
    for table in (of_metrics, others):
        for name, row in table.rows.items():
            assert row["definition (source)"], f"{name} has no definition"


def test_a_load_test_reports_the_metrics_that_it_declares() -> None:
    load = plan(IMPAIRED)
    assert set(measured.metrics(load, Ledger(load), [], load.windows)) == set(loadtest.METRICS)


def test_the_counters_of_each_side_are_on_the_page() -> None:
    [_, others] = tables("`sfukit loadtest`")
    numbers = {f"server.{name}" for name in loadtest.ServerUse.__struct_fields__}
    numbers |= {f"generator.{name}" for name in loadtest.SwarmUse.__struct_fields__}
    assert set(others.rows) - {"saturation.side"} <= numbers
