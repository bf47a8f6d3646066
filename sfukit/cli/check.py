"""``sfukit check``: can I reach this SFU from here, and if not, which step fails?"""

import asyncio
from typing import Annotated, Any

import typer

from sfukit import config, gates, report
from sfukit.cli.examples import examples
from sfukit.cli.output import Output
from sfukit.errors import UsageError

app = typer.Typer(add_completion=False)

_ACCESS, _WAY, _OUTPUT = "Access", "Way", "Output"


def _option(*names: str, panel: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


# One parameter per option is what typer reads; that alone makes this function long.
@app.command(
    epilog=examples(
        "sfukit check http://127.0.0.1:7080",
        "sfukit check https://sfu.example --token @token.txt --json -",
        "sfukit check whip+https://sfu.example/whip/room -T 'timings_ms.ice<500'",
    ),
)
def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="http(s)://HOST:PORT of an sfukit server, a WHIP or a WHEP URL; [KIND+]URL forces "
            "sfukit+, whip+ or whep+; {room} is filled in",
            show_default=False,
        ),
    ],
    play: Annotated[
        str | None,
        _option("--play", panel=_WAY, metavar="URL", help="WHEP URL that plays a WHIP target"),
    ] = None,
    room: Annotated[
        str | None, _option("--room", panel=_WAY, help="to enter (a new one, or the token's)")
    ] = None,
    family: Annotated[
        str, _option("--family", panel=_WAY, metavar="4|6|both", help="addresses to try")
    ] = "both",
    srtp: Annotated[
        str, _option("--srtp", panel=_WAY, help="auto, gcm128 or cm80: what is offered")
    ] = "auto",
    token: Annotated[
        str | None, _option("--token", panel=_ACCESS, metavar="JWT|@FILE", help="bearer token")
    ] = None,
    api_key: Annotated[
        str | None,
        _option("--api-key", panel=_ACCESS, envvar=config.API_KEY, help="sign a token here"),
    ] = None,
    api_secret: Annotated[
        str | None,
        _option("--api-secret", panel=_ACCESS, envvar=config.API_SECRET, help="or @FILE"),
    ] = None,
    header: Annotated[
        list[str] | None, _option("--header", panel=_ACCESS, metavar="'K: V'", help="sent along")
    ] = None,
    cacert: Annotated[
        str | None, _option("--cacert", panel=_ACCESS, metavar="FILE", help="trusted certificate")
    ] = None,
    insecure: Annotated[
        bool, _option("--insecure", panel=_ACCESS, help="trust any certificate")
    ] = False,
    gate: Annotated[
        list[str] | None,
        _option("-T", panel=_OUTPUT, metavar="GATE", help="PATH OP VALUE, as timings_ms.ice<50"),
    ] = None,
    json: Annotated[
        str | None,
        _option("--json", panel=_OUTPUT, metavar="FILE", help="write the report; - is stdout"),
    ] = None,
    quiet: Annotated[
        bool, _option("-q", "--quiet", panel=_OUTPUT, help="print errors alone")
    ] = False,
) -> None:
    """Go through a door as a participant does, and say at which step it does not open.

    Exit code: 0 media came back, 3 a gate was not met, 4 a step failed.
    """
    from sfukit.probe.check import report as check_report
    from sfukit.probe.check.options import CheckOptions
    from sfukit.targets.access import Access, parse_header
    from sfukit.targets.recognise import parse_target

    options = CheckOptions(
        target=parse_target(target),
        play=play,
        access=Access(
            token=config.secret(token, "--token") if token else None,
            api_key=api_key,
            api_secret=config.secret(api_secret, "--api-secret") if api_secret else None,
            headers=tuple(parse_header(text) for text in header or ()),
            ca_file=cacert,
            insecure=insecure,
        ),
        room=room,
        family=_choice(family, "--family", ("4", "6", "both")),
        srtp=_choice(srtp, "--srtp", ("auto", "gcm128", "cm80")),
        gates=tuple(gates.parse(text, check_report.catalogue()) for text in gate or ()),
    )
    outcome = _run(options, Output.beside(json, quiet=quiet))
    report.save_last(outcome)
    if json is not None:
        report.write_json(json, outcome)
    raise typer.Exit(outcome.exit_code)


def _run(options: Any, out: Output) -> Any:
    from sfukit.cli.check_text import STYLES, VERDICTS, closing_lines, opening_line, step_lines
    from sfukit.probe.check.run import check as run
    from sfukit.probe.finding import Step

    def show(step: Step) -> None:
        for line in step_lines(step):
            out.line(line, STYLES[step.state])

    out.line(opening_line(options.target.url))
    outcome = asyncio.run(run(options, show))
    *rest, verdict = closing_lines(outcome)
    for line in rest:
        out.line(line)
    out.line(verdict, VERDICTS[outcome.verdict])
    return outcome


def _choice(text: str, where: str, allowed: tuple[str, ...]) -> Any:
    if text not in allowed:
        raise UsageError(f"{where} {text}: not known", hint=f"choose one of {', '.join(allowed)}")
    return text
