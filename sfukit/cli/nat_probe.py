"""``sfukit nat-probe``: NAT and firewall behaviour, and what works through it."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import typer

from sfukit import gates, report, units
from sfukit.cli import nat_probe_options as options
from sfukit.cli import shared_options
from sfukit.cli.examples import examples
from sfukit.cli.option import choice
from sfukit.cli.output import Output
from sfukit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sfukit.probe.nat.options import Options
    from sfukit.probe.nat.report import NatReport

app = typer.Typer(add_completion=False)


# One parameter per option is what typer reads.
@app.command(
    epilog=examples(
        "sfukit nat-probe",
        "sfukit nat-probe stun:stun.example.org --full --explain",
        "sfukit nat-probe stun:stun.example.org -T nat.mapping==EIM --json -",
        "sfukit nat-probe --quick --every 30s",
    ),
)
def nat_probe(
    server: options.Servers = None,
    tests: options.Tests = None,
    quick: options.Quick = False,
    full: options.Full = False,
    sfu: options.Sfu = None,
    tcp: options.Tcp = False,
    family: options.Family = "both",
    bind: options.Bind = None,
    all_interfaces: options.AllInterfaces = False,
    proxy: options.Proxy = None,
    timeout: options.Timeout = "600ms",
    retries: options.Retries = 3,
    samples: options.Samples = 6,
    lifetime_max: options.LifetimeMax = "180s",
    gate: options.Gates = None,
    json: shared_options.Json = None,
    every: options.Every = None,
    redact: options.Redact = False,
    explain: options.Explain = False,
    verbose: options.Verbose = False,
) -> None:
    """Detect NAT and firewall behaviour (RFC 4787) and what works through it.

    Exit code: 0 done; 3 UDP is blocked or a gate was not met; 4 no usable server; 5 unknown.
    """
    from sfukit.probe.environment.proxy import parse as parse_proxy
    from sfukit.probe.nat import options as probe_options
    from sfukit.probe.nat import report as reports
    from sfukit.probe.resolve import Family

    if quick and full:
        raise UsageError("--quick and --full: choose one")
    level: probe_options.Level = "quick" if quick else "full" if full else "default"
    known, words = reports.catalogue(), reports.words()
    bounds = [gates.parse(text, known, words=words) for text in gate or ()]
    ip, port = probe_options.bind_address(bind)
    parsed = probe_options.Options(
        servers=probe_options.servers(server or probe_options.PUBLIC_SERVERS),
        tests=probe_options.chosen_tests(tests, level),
        level=level,
        public_servers=not server,
        family=choice(family, "--family", Family),
        bind_ip=ip,
        bind_port=port,
        all_interfaces=all_interfaces,
        proxy=parse_proxy(proxy) if proxy else None,
        timeout_s=units.duration_s(timeout, "--timeout"),
        retries=retries,
        samples=samples,
        lifetime_max_s=units.duration_s(lifetime_max, "--lifetime-max"),
        tcp=tcp,
        sfu=probe_options.sfu_endpoint(sfu) if sfu else None,
    )
    printer = _Printer(
        Output.beside(json, label_width=9), json, redact=redact, explain=explain, verbose=verbose
    )
    printer.opening(parsed)
    pause_s = units.duration_s(every, "--every") if every else None
    raise typer.Exit(asyncio.run(_repeat(parsed, bounds, printer, pause_s)))


async def _repeat(
    parsed: "Options", bounds: list[gates.Gate], printer: "_Printer", pause_s: float | None
) -> int:
    """Probe once from each selected address, or repeat until interrupted."""
    from sfukit.probe.nat.run import probe

    while True:
        codes: list[int] = []
        for chosen in _each_address(parsed):
            with printer.progress() as progress:
                result = await probe(chosen, progress, bounds)
            printer.result(result, sent_from=chosen.bind_ip if parsed.all_interfaces else None)
            if result.exit_code == ExitCode.INTERRUPTED:
                return result.exit_code
            codes.append(result.exit_code)
        if pause_s is None:
            return _joined(codes)
        await asyncio.sleep(pause_s)


def _each_address(parsed: "Options") -> "list[Options]":
    if not parsed.all_interfaces:
        return [parsed]
    from dataclasses import replace

    from sfukit.probe.environment.facts import usable_addresses

    addresses = usable_addresses(parsed.family)
    return [replace(parsed, bind_ip=ip) for ip in addresses] or [parsed]


def _joined(codes: list[int]) -> int:
    """Return one code for several addresses: no server only where no address reaches one."""
    weights = (ExitCode.TARGET, ExitCode.OK, ExitCode.INCONCLUSIVE, ExitCode.FAILED)
    return max(codes, key=lambda code: weights.index(ExitCode(code)))


class _Printer:
    """Print results as they arrive; of a repeated probe only the changes."""

    def __init__(
        self, out: Output, json: str | None, *, redact: bool, explain: bool, verbose: bool
    ) -> None:
        from sfukit.probe.nat.redact import Redactor

        self._out = out
        self._json = json
        self._redactor = Redactor() if redact else None
        self._explain = explain
        self._verbose = verbose
        self._before: dict[str | None, NatReport] = {}

    def opening(self, parsed: "Options") -> None:
        """Print the public servers where no server was given."""
        from sfukit.cli.nat_probe_text import opening_line

        if parsed.public_servers:
            self._out.line(opening_line(parsed))

    @contextlib.contextmanager
    def progress(self) -> Iterator[Any]:
        """Show the running test, on a terminal only."""
        if not self._out.live:
            yield lambda _text: None
            return
        with self._out.console.status("probing") as status:
            yield lambda text: status.update(f"probing: {text}")

    def result(self, result: "NatReport", sent_from: str | None) -> None:
        """Print, save and write one result, compared with the previous one of its address."""
        from sfukit.cli import nat_probe_text as text

        shown = sent_from
        if self._redactor is not None:
            result = self._redactor.report(result)
            shown = None if sent_from is None else self._redactor.text(sent_from)
        before = self._before.get(sent_from)
        changed = text.changes(before, result)
        if shown is not None:
            self._out.line(f"From     {shown}", "bold")
        if before is None or changed:
            for line in text.lines(result, changed):
                self._out.line(str(line), line.style)
        if self._explain:
            for paragraph in text.explanation(result):
                self._out.line(paragraph)
        if self._verbose:
            for exchange in text.exchanges(result):
                self._out.line(exchange)
        self._before[sent_from] = result
        report.save_last(result)
        if self._json is not None:
            report.write_json(self._json, result)
