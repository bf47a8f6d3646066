"""``sfukit report``: other forms of a saved run, two runs compared, refusals."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import msgspec
import pytest

from sfukit import report
from sfukit.cli.app import main
from tests.cli.test_hostile_reports import REPORTS, fields_of, header_of
from tests.instances import made
from tests.unit.loadgen.reports.runs import changed, passed
from tests.unit.loadgen.reports.test_compare import with_metric

Write = Callable[..., str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Return a function that writes a run to a file."""

    def write(name: str, run: Any = None) -> str:
        path = tmp_path / f"{name}.json"
        path.write_text(report.encode(passed() if run is None else run))
        return str(path)

    return write


def test_a_saved_run_is_written_in_every_form(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forms = ("html", "junit", "markdown", "csv", "json")
    options = [f"--{form}={tmp_path / form}" for form in forms]
    assert main(["report", write("run"), *options]) == 0
    assert "PASS    2/2 joined" in capsys.readouterr().out
    assert (tmp_path / "html").read_text().startswith("<!doctype html>")
    assert ElementTree.parse(tmp_path / "junit").getroot().tag == "testsuites"
    assert (tmp_path / "markdown").read_text().startswith("## ✅ PASS")
    assert (tmp_path / "csv").read_text().count("\n") == 1 + 5
    assert json.loads((tmp_path / "json").read_text())["verdict"] == "pass"


def test_a_form_on_standard_output_is_alone_there(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", write("run"), "--junit", "-"]) == 0
    printed = capsys.readouterr()
    assert ElementTree.fromstring(printed.out).tag == "testsuites"
    assert "PASS" in printed.err
    assert main(["report", write("run"), "--junit", "-", "--html", "-"]) == 2
    assert "--html and --junit are both on standard output" in capsys.readouterr().err


def test_a_job_summary_is_continued(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("# before\n")
    assert main(["report", write("run"), "--markdown", str(summary)]) == 0
    assert summary.read_text().startswith("## ✅ PASS")
    summary.write_text("# before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert main(["report", write("run"), "--markdown", str(summary)]) == 0
    assert summary.read_text().startswith("# before\n## ✅ PASS")


def test_a_nat_lab_run_has_a_page_and_a_check_has_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("nat-lab", "check"):
        run = made(REPORTS[name], text="x", fields=fields_of(name))
        (tmp_path / f"{name}.json").write_bytes(msgspec.json.encode(run))
    page = tmp_path / "page.html"
    assert main(["report", str(tmp_path / "nat-lab.json"), "--html", str(page)]) == 0
    assert page.read_text().startswith("<!doctype html>")
    assert main(["report", str(tmp_path / "check.json"), "--html", str(page)]) == 2
    assert "a run of check has no HTML report" in capsys.readouterr().err
    assert main(["report", str(tmp_path / "check.json"), "--junit", str(page)]) == 2


@pytest.mark.parametrize(
    ("p95", "code", "outcome", "word"),
    [
        (0.1, 0, "OK      no figure is worse", "within noise"),
        (9.0, 3, "WORSE   1 of", "WORSE"),
    ],
)
def test_two_runs_are_compared(
    write: Write,
    capsys: pytest.CaptureFixture[str],
    p95: float,
    code: int,
    outcome: str,
    word: str,
) -> None:
    before = write("before", with_metric("e2e_frame_ms", p95=0.1))
    after = write("after", with_metric("e2e_frame_ms", p95=p95))
    assert main(["report", "compare", before, after]) == code
    out = capsys.readouterr().out
    assert out.startswith(outcome)
    [row] = [line for line in out.splitlines() if line.startswith("e2e_frame_ms.p95")]
    assert row.endswith(word) and "± 3.0 ms" in row


def test_runs_that_cannot_be_compared_are_inconclusive(
    write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write("run")
    external = write("external", changed(passed(), server=None))
    assert main(["report", "compare", run, external]) == 5
    out = capsys.readouterr().out
    assert "known in one run only: server.cpu_us_per_packet" in out
    unclear = write("unclear", changed(passed(), verdict="inconclusive"))
    assert main(["report", "compare", run, unclear]) == 5
    assert "the second run was inconclusive" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["compare"], "compare needs two runs, and 0 are given"),
        (["compare", "RUN"], "compare needs two runs, and 1 are given"),
        (["compare", "RUN", "RUN", "--html", "x.html"], "compare prints a table only"),
        (["compare", "RUN", "CHECK"], "a run of check"),
        (["compare", "RUN", "OTHER"], "the schema is sfukit/loadtest/1"),
        (["compare", "RUN", "TEXT"], "not a report of sfukit"),
        (["compare", "RUN", "ABSENT"], "No such file"),
        (["compare", "RUN", "RUN", "--max-regression", "x"], "--max-regression"),
        (["RUN", "RUN"], "one run is expected"),
        (["OTHER", "--html", "x.html"], "the schema is sfukit/loadtest/1"),
        (["RUN", "--html", "absent/x.html"], "there is no folder absent"),
        (["RUN", "--html", "."], "it is a folder"),
    ],
)
def test_what_is_no_report_or_no_place_is_refused(
    write: Write,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {"RUN": write("run"), "ABSENT": "absent.json"}
    for name, contents in (
        ("CHECK", json.dumps({**header_of("check"), "verdict": "pass"})),
        ("OTHER", json.dumps({"command": "loadtest", "schema": "sfukit/loadtest/1"})),
        ("TEXT", "no JSON"),
    ):
        (tmp_path / name).write_text(contents)
        files[name] = name
    assert main(["report", *(files.get(one, one) for one in arguments)]) == 2
    assert says in capsys.readouterr().err


def test_a_full_disk_keeps_other_files_and_the_run(
    write: Write, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    csv = tmp_path / "csv"
    code = main(["report", write("run"), "--html", "/dev/full", "--csv", str(csv)])
    assert code == 2
    errors = capsys.readouterr().err
    assert "cannot write /dev/full: No space left on device" in errors
    assert "the run is saved: sfukit report last" in errors
    assert csv.exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_permission_is_refused(write: Write, tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    assert main(["report", write("run"), "--html", str(folder / "x.html")]) == 2
