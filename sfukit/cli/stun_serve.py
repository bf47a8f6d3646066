"""``sfukit stun-serve``: a STUN server with NAT behaviour discovery."""

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Annotated

import typer

from sfukit import report
from sfukit.cli.examples import examples
from sfukit.cli.output import Output
from sfukit.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from sfukit.probe.stunserver import run

app = typer.Typer(add_completion=False, rich_markup_mode=None)


class Listening(report.Envelope, kw_only=True, frozen=True):
    """The JSON of ``sfukit stun-serve``, written once the sockets listen."""

    addresses: list[str]
    behaviour_discovery: bool
    pid: int


@app.command(
    epilog=examples(
        "sfukit stun-serve --listen 198.51.100.1 --listen 198.51.100.2",
        "sfukit stun-serve --listen 10.0.0.4 --advertise 203.0.113.4",
    ),
)
def stun_serve(
    listen: Annotated[
        list[str] | None,
        typer.Option(
            "--listen",
            metavar="IP",
            help="local address; two for NAT behaviour discovery; default: the first two "
            "of this machine",
        ),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 picks a free one")] = 3478,
    alternate_port: Annotated[
        int, typer.Option(min=0, max=65535, help="0 picks a free one")
    ] = 3479,
    advertise: Annotated[
        list[str] | None,
        typer.Option(
            "--advertise",
            metavar="IP",
            help="public address of a 1:1 NAT; one for each --listen",
        ),
    ] = None,
    rate: Annotated[
        float,
        typer.Option(min=0.1, help="requests per second from one source address; bursts of 8 s"),
    ] = 50.0,
    json: Annotated[
        str | None,
        typer.Option("--json", metavar="FILE", help="write the listening addresses; - is stdout"),
    ] = None,
) -> None:
    """Serve STUN with NAT behaviour discovery on two addresses (RFC 8489, RFC 5780)."""
    from sfukit.probe.stunserver import run

    if port and port == alternate_port:
        raise UsageError(f"--alternate-port {port}: the same as --port", hint="give another one")
    addresses = listen or run.own_addresses() or ["127.0.0.1", "127.0.0.2"]
    settings = run.Settings(
        listen=addresses,
        port=port,
        alternate_port=alternate_port,
        advertise=advertise or (),
        rate_per_s=rate,
        burst=8 * rate,
    )
    asyncio.run(_serve(settings, Output.beside(json), json))


async def _serve(settings: "run.Settings", out: Output, json: str | None) -> None:
    from sfukit.probe.stunserver import run

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with run.serving(settings) as server:
        for line in ready_lines(server):
            out.line(line)
        if json is not None:
            report.write_json(json, listening(server))
        await stop.wait()
    for counters in server.counters:
        out.line(
            f"served  {counters.answers} responses, {counters.errors} error responses; "
            f"{counters.limited} rate limited, {counters.malformed} not STUN"
        )


def ready_lines(server: "run.StunServer") -> list[str]:
    """Return the lines with the addresses, the limits and the command that probes the server."""
    lines = []
    for family in server.families:
        shown = ", ".join(str(address) for address in family.bound.values())
        lines.append(f"listen  UDP and TCP {shown}")
        if not family.whole:
            lines.append(
                "note    one address: serves mapping tests, not filtering tests; "
                "give a second --listen of the same family"
            )
    lines.append(f"probe   sfukit nat-probe stun:{server.primary}")
    return lines


def listening(server: "run.StunServer") -> Listening:
    """Return the same as JSON."""
    return Listening(
        schema=report.schema_id("stun-serve"),
        command="stun-serve",
        verdict="pass",
        exit_code=ExitCode.OK,
        addresses=[str(a) for family in server.families for a in family.bound.values()],
        behaviour_discovery=any(family.whole for family in server.families),
        pid=os.getpid(),
    )
