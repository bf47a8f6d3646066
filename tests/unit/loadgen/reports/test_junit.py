"""JUnit XML: its shape, and that its outcome is that of the verdict."""

from collections import Counter
from xml.etree import ElementTree

import pytest

from sfukit.loadgen.reports import junit
from sfukit.loadgen.result.report import LoadtestReport
from tests.unit.loadgen.reports.runs import changed, gate, hostile, passed, saturated

# The elements and attributes of the usual schema (Ant's and Jenkins'), with those required.
ATTRIBUTES = {
    "testsuites": ({"name", "tests", "failures", "errors", "time"}, set()),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time"}, {"timestamp"}),
    "properties": (set(), set()),
    "property": ({"name", "value"}, set()),
    "testcase": ({"name", "classname", "time"}, set()),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "error", "skipped"},
}


def checked(report: LoadtestReport) -> ElementTree.Element:
    """Parse a document and check its shape and its counts."""
    root = ElementTree.fromstring(junit.document(report))
    for element in root.iter():
        required, optional = ATTRIBUTES[element.tag]
        assert required <= set(element.keys()) <= required | optional, element.tag
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        assert element.tag != "testcase" or len(element) <= 1
    suite = root[0]
    assert [child.tag for child in suite].index("testcase") == 1, "properties come first"
    cases = suite.findall("testcase")
    outcomes = Counter(result.tag for case in cases for result in case)
    assert int(suite.attrib["tests"]) == len(cases)
    assert int(suite.attrib["failures"]) == outcomes["failure"] == int(root.attrib["failures"])
    assert int(suite.attrib["errors"]) == outcomes["error"] == int(root.attrib["errors"])
    assert int(suite.attrib["skipped"]) == outcomes["skipped"]
    assert (outcomes["failure"] + outcomes["error"] == 0) == (report.verdict == "pass")
    return suite


def outcomes(suite: ElementTree.Element) -> dict[str, str]:
    return {
        case.attrib["name"]: case[0].tag if len(case) else "passed"
        for case in suite.findall("testcase")
    }


def test_a_pass_has_a_case_for_each_gate_and_three_more() -> None:
    found = outcomes(checked(passed()))
    assert set(found.values()) == {"passed"}
    assert list(found)[:4] == ["verdict", "joins", "tracks", "generator-health"]
    assert "e2e_frame_ms.p95 < 400 ms" in found


def test_a_gate_that_is_not_met_is_a_failure() -> None:
    report = changed(passed(), verdict="fail", gates=[gate(False)], reasons=["x"])
    found = outcomes(checked(report))
    assert found["rtt_ms.p95 < 5 ms"] == found["verdict"] == "failure"
    assert found["generator-health"] == "passed"
    assert found["joins"] == found["tracks"] == "skipped", "no gate is on them"


@pytest.mark.parametrize("ok", [False, None])
def test_an_inconclusive_run_has_errors_and_no_failure(ok: bool | None) -> None:
    report = changed(
        passed(), verdict="inconclusive", gates=[gate(ok)], saturation=saturated(), reasons=["x"]
    )
    found = outcomes(checked(report))
    assert found["rtt_ms.p95 < 5 ms"] == found["verdict"] == "error"
    assert found["generator-health"] == "error"


def test_joins_fail_with_their_gate() -> None:
    report = changed(passed(), verdict="fail", gates=[gate(False, "joins")])
    assert outcomes(checked(report))["joins"] == "failure"


def test_hostile_text_is_valid_xml() -> None:
    suite = checked(changed(hostile(), verdict="fail"))
    names = [case.attrib["name"] for case in suite.findall("testcase")]
    assert any("alert(1)" in name and "\\x1b" in name for name in names)
