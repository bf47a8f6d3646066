"""``sfukit report``: print a saved run again or in other forms, compare two, merge shards."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Annotated

import msgspec
import typer

from sfukit import report, units
from sfukit.cli import loadtest_options, saved_runs, shared_options
from sfukit.cli.examples import examples
from sfukit.cli.loadtest_outputs import Outputs
from sfukit.cli.output import Output
from sfukit.errors import UsageError
from sfukit.loadgen.result.report import LoadtestReport

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
_LONG_RENDERERS: Mapping[str, str] = {"loadtest": "sfukit.cli.loadtest_long_text"}
# The module whose function saved_page writes the HTML report of a command beside loadtest.
_PAGES: Mapping[str, str] = {
    "latency": "sfukit.loadgen.latency.html",
    "nat-lab": "sfukit.probe.natlab.html",
}


@app.command(
    "report",
    epilog=examples(
        "sfukit report last --html report.html",
        "sfukit report nat-probe",
        "sfukit report run.json --junit junit.xml --markdown summary.md",
        "sfukit report compare before.json after.json",
        "sfukit report merge part-*.json --html report.html",
    ),
)
def show(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN | compare RUN RUN | merge PARTS...",
            help="last, the name of a command for its last run, or a JSON file",
        ),
    ],
    json: shared_options.Json = None,
    html: shared_options.Html = None,
    verbose: loadtest_options.Verbose = False,
    junit: loadtest_options.Junit = None,
    markdown: loadtest_options.Markdown = None,
    csv: loadtest_options.Csv = None,
    hdr: loadtest_options.Hdr = None,
    max_regression: loadtest_options.MaxRegression = "10%",
) -> None:
    """Print a saved run again, write it in other forms, compare two load tests, or merge shards.

    Exit code of compare: 0 no figure is worse, 3 one is, 5 figures are unknown or loads differ; of
    merge: that of the merged verdict.
    """
    outputs = Outputs(json=json, html=html, junit=junit, markdown=markdown, csv=csv, hdr=hdr)
    if runs[0] == "compare":
        _compare(runs[1:], units.ratio(max_regression, "--max-regression"), outputs)
        return
    if runs[0] == "merge":
        from sfukit.cli import report_merge

        report_merge.run(runs[1:], outputs)
    if len(runs) != 1:
        raise UsageError(
            f"{' '.join(runs)}: one run is expected", hint="or: compare RUN RUN, merge PARTS..."
        )
    _show(runs[0], outputs, verbose=verbose)


def _show(run: str, outputs: Outputs, *, verbose: bool) -> None:
    outputs.check()
    saved = saved_runs.read(run)
    command = saved_runs.header(run, saved).command
    renderer = _RENDERERS[command]
    if verbose:
        renderer = _LONG_RENDERERS.get(command, renderer)
    try:
        lines = importlib.import_module(renderer).render_saved(saved)
    except saved_runs.MALFORMED as error:
        raise saved_runs.unreadable(run, error) from error
    out = Output.beside(outputs.standard_output)
    for line in lines:
        out.line(line)
    _write(run, command, saved, outputs)


def _write(run: str, command: str, saved: bytes, outputs: Outputs) -> None:
    if command == "loadtest":
        try:
            outputs.write(msgspec.json.decode(saved, type=LoadtestReport))
        except saved_runs.MALFORMED as error:
            raise saved_runs.unreadable(run, error) from error
        return
    if outputs.junit or outputs.markdown or outputs.csv or outputs.hdr:
        raise UsageError(
            f"{run}: a run of {command}: --junit, --markdown, --csv, --hdr are of loadtest"
        )
    if outputs.html is not None:
        report.write_text(outputs.html, _page(run, command, saved))
    if outputs.json is not None:
        report.write_text(outputs.json, report.indented(saved))


def _page(run: str, command: str, saved: bytes) -> str:
    """Return the page of a command other than loadtest."""
    if command not in _PAGES:
        raise UsageError(f"{run}: a run of {command} has no HTML report")
    try:
        page: str = importlib.import_module(_PAGES[command]).saved_page(saved)
    except saved_runs.MALFORMED as error:
        raise saved_runs.unreadable(run, error) from error
    return page


def _compare(runs: Sequence[str], max_regression: float, outputs: Outputs) -> None:
    """Print the differences of two load tests; exit with the code of the outcome."""
    from sfukit.cli import compare_text

    if len(runs) != 2:
        raise UsageError(f"compare needs two runs, and {len(runs)} are given")
    if outputs != Outputs():
        raise UsageError("compare prints a table only, and writes no file")
    before, after = (saved_runs.loadtest(run) for run in runs)
    try:
        compared = compare_text.Comparison.of(before, after, max_regression)
        lines = compared.lines(*runs)
    except saved_runs.MALFORMED as error:
        raise saved_runs.unreadable(" ".join(runs), error) from error
    out = Output()
    for line in lines:
        out.line(line)
    raise typer.Exit(compared.exit_code)
