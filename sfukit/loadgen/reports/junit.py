"""The report of a load test as JUnit XML, for CI systems.

A test case per gate, and ``verdict``, ``joins``, ``tracks`` and ``generator-health``. A case is an
``error``, not a ``failure``, where the run is inconclusive.
"""

from collections.abc import Iterator
from typing import Literal, NamedTuple
from xml.etree import ElementTree

from sfukit import gates
from sfukit.control_characters import escaped
from sfukit.gates import GateResult
from sfukit.loadgen.reports import sentences
from sfukit.loadgen.result.report import LoadtestReport

_SUITE = "sfukit loadtest"
_NO_XML = str.maketrans({"\ufffe": "?", "\uffff": "?"})


class Case(NamedTuple):
    """One test case: without an outcome it passed."""

    name: str
    outcome: Literal["failure", "error", "skipped"] | None = None
    message: str = ""


def document(report: LoadtestReport) -> str:
    """Return the XML document."""
    found = list(cases(report))
    counts = {
        name: str(sum(case.outcome == outcome for case in found))
        for name, outcome in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped"))
    }
    seconds = report.generator.wall_s if report.generator else 0.0
    totals = {"tests": str(len(found)), "time": f"{seconds:.3f}"}
    root = ElementTree.Element(
        "testsuites",
        {"name": _SUITE, **totals, "failures": counts["failures"], "errors": counts["errors"]},
    )
    timestamp = report.started_at.partition("+")[0]
    suite = ElementTree.SubElement(
        root, "testsuite", {"name": _SUITE, **totals, **counts, "timestamp": _text(timestamp)}
    )
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _properties(report):
        ElementTree.SubElement(properties, "property", {"name": name, "value": _text(value)})
    for case in found:
        _add(suite, case)
    ElementTree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ElementTree.tostring(root, "unicode")}\n'


def cases(report: LoadtestReport) -> Iterator[Case]:
    """Return the test cases; one fails or errs unless the verdict is pass."""
    reasons = "; ".join(report.reasons)
    verdict: dict[str, Literal["failure", "error"]] = {"fail": "failure", "inconclusive": "error"}
    yield Case("verdict", verdict.get(report.verdict), reasons)
    load = sentences.load(report)
    for name, planned in (("joins", load.clients), ("tracks", load.tracks)):
        yield _share(report, name, planned)
    trusted = sentences.trusted(report)
    yield Case("generator-health", None if trusted else "error", sentences.health(report))
    for gate in report.gates:
        yield Case(gate.gate, *_judged(report, gate))


def _share(report: LoadtestReport, name: str, planned: int) -> Case:
    text = f"{sentences.share(report.metrics.get(name), planned)} {name}"
    judged = [gate for gate in report.gates if gate.path.partition(".")[0] == name]
    if not judged:
        return Case(name, "skipped", f"no gate on {name}: {text}")
    failed = next((gate for gate in judged if gate.ok is not True), None)
    return Case(name) if failed is None else Case(name, _judged(report, failed)[0], text)


def _judged(
    report: LoadtestReport, gate: GateResult
) -> tuple[Literal["failure", "error"] | None, str]:
    if gate.ok:
        return None, ""
    message = f"{gate.gate}: it is {gates.show(gate.value, gate.unit)}"
    failed = gate.ok is False and report.verdict == "fail"
    return ("failure" if failed else "error"), message


def _properties(report: LoadtestReport) -> Iterator[tuple[str, str]]:
    yield "verdict", report.verdict
    yield "exit_code", str(report.exit_code)
    yield "target", report.target.url
    yield "seed", str(report.seed)
    yield "scenario", report.scenario.summary
    yield "version", report.version
    if report.name:
        yield "name", report.name
    yield from report.tags.items()


def _add(suite: ElementTree.Element, case: Case) -> None:
    attributes = {"classname": "sfukit.loadtest", "name": _text(case.name), "time": "0"}
    element = ElementTree.SubElement(suite, "testcase", attributes)
    if case.outcome is None:
        return
    message = _text(case.message)
    if case.outcome == "skipped":
        ElementTree.SubElement(element, "skipped", {"message": message})
        return
    result = ElementTree.SubElement(
        element, case.outcome, {"message": message, "type": case.outcome}
    )
    result.text = message


def _text(text: str) -> str:
    """Return a text without the characters that XML 1.0 does not allow (section 2.2)."""
    return escaped(text).translate(_NO_XML)
