"""``sfukit doctor``: can this machine serve or generate load?"""

from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from sfukit import machine, report
from sfukit.cli.examples import examples
from sfukit.cli.output import Output
from sfukit.cli.shared_options import Json
from sfukit.errors import ExitCode, UsageError
from sfukit.machine import Finding, Machine

app = typer.Typer(add_completion=False, rich_markup_mode=None)

_MARKS = {"ok": "ok", "weak": "weak", "bad": "BAD", "unknown": "?"}
_STYLES = {"ok": "green", "weak": "yellow", "bad": "bold red", "unknown": "yellow"}


class DoctorReport(report.Envelope, kw_only=True, frozen=True):
    """The JSON of ``sfukit doctor``."""

    clients: int
    machine: Machine
    findings: list[Finding]


@app.command(
    epilog=examples(
        "sfukit doctor",
        "sfukit doctor --clients 2000",
    ),
)
def doctor(
    clients: Annotated[
        int, typer.Option("-c", "--clients", help="size of the run to judge for")
    ] = 500,
    json: Json = None,
) -> None:
    """Check whether this machine can serve or generate load, and print the fixes."""
    if clients < 1:
        raise UsageError(f"--clients {clients}: out of range", hint="give 1 or more")
    facts = machine.inspect()
    findings = machine.examine(facts, clients)
    result = judge(facts, findings, clients)
    out = Output.beside(json)
    out.line(opening_line(result))
    for finding in findings:
        out.line(finding_line(finding), _STYLES[finding.state])
    for line in closing_lines(findings):
        out.line(line)
    report.save_last(result)
    if json is not None:
        report.write_json(json, result)
    raise typer.Exit(result.exit_code)


def judge(facts: Machine, findings: Sequence[Finding], clients: int) -> DoctorReport:
    """Return the verdict: a finding that breaks a run fails, one that only slows it does not."""
    fit = all(finding.state != "bad" for finding in findings)
    return DoctorReport(
        schema=report.schema_id("doctor"),
        command="doctor",
        verdict="pass" if fit else "fail",
        exit_code=ExitCode.OK if fit else ExitCode.FAILED,
        clients=clients,
        machine=facts,
        findings=list(findings),
    )


def opening_line(result: DoctorReport) -> str:
    """Return the line with the machine and the size of the run."""
    facts = result.machine
    return f"this machine: {facts.system} {facts.kernel}, judged for {result.clients} clients"


def finding_line(finding: Finding) -> str:
    """Return a finding on one line, and its fix on the next."""
    head = f"{_MARKS[finding.state]:<5} {finding.name:<23} {finding.actual}"
    if finding.state == "ok":
        return head
    head += f"   (expected: {finding.expected})"
    return f"{head}\n      {finding.fix}" if finding.fix else head


def closing_lines(findings: Sequence[Finding]) -> list[str]:
    """Return the verdict: fit, fit with less headroom, or not fit."""
    bad = [finding.name for finding in findings if finding.state == "bad"]
    weak = [finding.name for finding in findings if finding.state == "weak"]
    if bad:
        return [f"FAIL  not fit yet: {', '.join(bad)}"]
    if weak:
        return [f"PASS  fit, with less headroom: {', '.join(weak)}"]
    return ["PASS  fit"]


def render_saved(saved: bytes) -> list[str]:
    """Return the lines of a saved report."""
    result = msgspec.json.decode(saved, type=DoctorReport)
    return [
        opening_line(result),
        *map(finding_line, result.findings),
        *closing_lines(result.findings),
    ]
