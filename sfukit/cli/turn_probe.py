"""``sfukit turn-probe``: does a TURN server relay, over which transports, how well?"""

import asyncio
import sys
from collections.abc import Sequence
from typing import Any

import typer

from sfukit import config, gates, report, units
from sfukit.cli import shared_options
from sfukit.cli import turn_probe_options as given
from sfukit.cli.examples import examples
from sfukit.cli.option import choice
from sfukit.cli.output import Output
from sfukit.errors import UsageError

app = typer.Typer(add_completion=False)

_FREE_ALLOCATIONS = 10
_LARGEST_BYTES = 65_000  # UDP payload, minus the headers of TURN


# One parameter per option is what typer reads.
@app.command(
    "turn-probe",
    epilog=examples(
        "sfukit turn-probe turn:turn.example --user ann --password @password.txt",
        "sfukit turn-probe turns:turn.example:443 --secret @secret.txt --throughput",
        "sfukit turn-probe turn:127.0.0.1 --secret @secret.txt --security --json -",
    ),
)
def turn_probe(
    servers: given.Servers,
    user: given.User = None,
    password: given.Password = None,
    secret: given.Secret = None,
    ttl: given.Ttl = "1h",
    variants: given.Variants = None,
    family: given.Family = "both",
    ca: given.Ca = None,
    insecure: given.Insecure = False,
    sni: given.Sni = None,
    peer: given.Peer = None,
    timeout: given.Timeout = "5s",
    throughput: given.Throughput = False,
    rate: given.Rate = "5M",
    size: given.Size = "1200",
    duration: given.Duration = "3s",
    allocations: given.Allocations = 0,
    security: given.Security = False,
    allow_host: given.AllowHost = None,
    gate: given.Gate = None,
    json: shared_options.Json = None,
    quiet: shared_options.Quiet = False,
    verbose: given.Verbose = False,
) -> None:
    """Test each stage of a TURN server over each transport, and name the cause of a failure.

    Exit code: 0 all variants relay, 3 one does not or a gate was not met, 4 no response.
    """
    from sfukit.probe import resolve
    from sfukit.probe.turn import report as turn_report
    from sfukit.probe.turn.options import Load, TurnOptions
    from sfukit.targets import tls_context
    from sfukit.turn import uri
    from sfukit.turn.credentials import Login

    uris = [uri.parse(text) for text in servers]
    load = None
    if throughput:
        load = Load(
            units.bitrate_bps(rate, "--rate"),
            _packet_bytes(size),
            _positive(units.duration_s(duration, "--duration"), "--duration"),
        )
    options = TurnOptions(
        login=Login(
            user,
            config.secret(password, "--password") if password else None,
            config.secret(secret, "--secret") if secret else None,
            int(units.duration_s(ttl, "--ttl")),
        ),
        variants=uri.variants(variants) if variants else None,
        family=choice(family, "--family", resolve.Family),
        tls=tls_context.client_context(ca, insecure=insecure, where="--ca"),
        server_name=sni,
        peer=resolve.endpoint(peer, default_port=7, where="--peer") if peer else None,
        timeout_s=_positive(units.duration_s(timeout, "--timeout"), "--timeout"),
        load=load,
        allocations=_allocations(allocations),
        security=security,
        gates=tuple(gates.parse(text, turn_report.catalogue()) for text in gate or ()),
    )
    _check_login(options.login)
    allowed = config.allowed_hosts() | frozenset(allow_host or ())
    out = Output.beside(json, quiet=quiet)
    outcome = _run(uris, options, allowed, out)
    _finish(outcome, out, json, verbose)
    raise typer.Exit(outcome.exit_code)


def _run(uris: Sequence[Any], options: Any, allowed: frozenset[str], out: Output) -> Any:
    from sfukit.cli.turn_probe_text import opening_line
    from sfukit.probe.turn.run import run
    from sfukit.targets import load_permission

    needs_permission = {
        "--security is for your own servers": options.security,
        "--throughput is for your own servers": options.load is not None,
        f"{options.allocations} allocations need permission (up to {_FREE_ALLOCATIONS} do not)": (
            options.allocations > _FREE_ALLOCATIONS
        ),
    }

    async def whole() -> Any:
        for what in (text for text, requested in needs_permission.items() if requested):
            for one in uris:
                await load_permission.require(one.host, what, allowed, ["sfukit", *sys.argv[1:]])
        out.line(opening_line([str(one) for one in uris]))
        return await run(uris, options)

    return asyncio.run(whole())


def _finish(outcome: Any, out: Output, json: str | None, verbose: bool) -> None:
    from sfukit.cli.turn_probe_text import STYLES, result_lines

    for line in result_lines(outcome, verbose=verbose):
        out.line(line, next((style for word, style in STYLES.items() if word in line[:15]), None))
    report.save_last(outcome)
    if json is not None:
        report.write_json(json, outcome)


def _check_login(login: Any) -> None:
    if login.secret is not None and login.password is not None:
        raise UsageError(
            "--secret and --password exclude each other", hint="--secret derives the password"
        )
    if login.secret is None and (login.user is None) != (login.password is None):
        raise UsageError("--user and --password: give both", hint="or --secret, or none")


def _positive(value: Any, where: str) -> Any:
    if value <= 0:
        raise UsageError(f"{where}: measures nothing", hint="give more than 0")
    return value


def _packet_bytes(text: str) -> int:
    size: int = _positive(units.size_bytes(text, "--size"), "--size")
    if size > _LARGEST_BYTES:
        raise UsageError(
            f"--size {text}: larger than a datagram", hint=f"give up to {_LARGEST_BYTES} bytes"
        )
    return size


def _allocations(count: int) -> int:
    if not 0 <= count <= 10_000:
        raise UsageError(f"--allocations {count}: out of range", hint="give 0 to 10000")
    return count
