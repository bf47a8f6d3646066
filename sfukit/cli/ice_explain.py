"""``sfukit ice-explain``: why ICE selected a candidate pair, or none."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from sfukit import report
from sfukit.cli.examples import examples
from sfukit.cli.ice_explain_text import render
from sfukit.cli.output import Output
from sfukit.cli.shared_options import Json
from sfukit.errors import UsageError
from sfukit.probe.ice import explain, inputs

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(
    epilog=examples(
        "sfukit ice-explain webrtc_internals_dump.txt",
        "sfukit ice-explain offer.sdp --remote answer.sdp",
        "sfukit ice-explain - --json ice.json < stats.json",
    ),
)
def ice_explain(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FILE|-",
            help="SDP, two SDPs, dump of webrtc-internals or rtcstats, about:webrtc text, "
            "getStats() JSON, candidates; - is standard input",
        ),
    ],
    remote: Annotated[
        str | None,
        typer.Option("--remote", metavar="FILE", help="SDP or dump of the remote peer"),
    ] = None,
    ice_server: Annotated[
        list[str] | None,
        typer.Option(
            "--ice-server",
            metavar="URL[,USERNAME]",
            help="STUN or TURN server of the client's iceServers; may be repeated",
        ),
    ] = None,
    json: Json = None,
) -> None:
    """Explain the candidates, candidate pairs, states and outcome of an ICE session."""
    given = inputs.servers(ice_server or ())
    kind, cases = inputs.read(_read(source), source)
    if remote is not None:
        inputs.add_remote(cases, _read(remote), remote)
    for case in cases if given else ():
        named = {server.url for server in given}
        case.servers = [*given, *(s for s in case.servers or () if s.url not in named)]
    result = explain.conclude(kind, cases, time.time())
    out = Output.beside(json)
    for text, style in render(result):
        out.line(text, style)
    report.save_last(result)
    if json is not None:
        report.write_json(json, result)
    raise typer.Exit(result.exit_code)


def _read(source: str) -> bytes:
    if source == "-":
        return sys.stdin.buffer.read(inputs.MAX_BYTES + 1)
    try:
        with Path(source).open("rb") as file:
            return file.read(inputs.MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{source}: {error.strerror}", hint="give a file, or -") from error
