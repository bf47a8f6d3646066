"""``sfukit check``: can I reach this SFU from here, and if not, which step fails?"""

import asyncio
from typing import Any

import typer

from sfukit import gates, report
from sfukit.cli import access_options, shared_options
from sfukit.cli import check_options as given
from sfukit.cli.examples import examples
from sfukit.cli.option import choice
from sfukit.cli.output import Output

app = typer.Typer(add_completion=False)


# One parameter per option is what typer reads.
@app.command(
    epilog=examples(
        "sfukit check http://127.0.0.1:7080",
        "sfukit check https://sfu.example --token @token.txt --json -",
        "sfukit check whip+https://sfu.example/whip/room -T 'timings_ms.ice<500'",
    ),
)
def check(
    target: given.Target,
    play: given.Play = None,
    room: given.Room = None,
    family: given.Family = "both",
    srtp: given.Srtp = "auto",
    token: access_options.Token = None,
    api_key: access_options.ApiKey = None,
    api_secret: access_options.ApiSecret = None,
    header: access_options.Header = None,
    cacert: access_options.Cacert = None,
    insecure: access_options.Insecure = False,
    allow_host: given.AllowHost = None,
    gate: given.Gate = None,
    json: shared_options.Json = None,
    quiet: shared_options.Quiet = False,
) -> None:
    """Connect to an SFU step by step as a participant does, and name the step that fails.

    Exit code: 0 media was received, 3 a gate was not met, 4 a step failed.
    """
    from sfukit.probe.check import report as check_report
    from sfukit.probe.check.options import CheckOptions
    from sfukit.probe.resolve import Family
    from sfukit.swarm.messages import Srtp
    from sfukit.targets.detect import parse_play, parse_target

    options = CheckOptions(
        target=parse_target(target),
        play=None if play is None else parse_play(play),
        access=access_options.access(
            token, api_key, api_secret, header, cacert, insecure, allow_host
        ),
        room=room,
        family=choice(family, "--family", Family),
        srtp=choice(srtp, "--srtp", Srtp),
        gates=tuple(gates.parse(text, check_report.catalogue()) for text in gate or ()),
    )
    outcome = _run(options, Output.beside(json, quiet=quiet))
    report.save_last(outcome)
    if json is not None:
        report.write_json(json, outcome)
    raise typer.Exit(outcome.exit_code)


def _run(options: Any, out: Output) -> Any:
    from sfukit.cli.check_adapters import signaling_client
    from sfukit.cli.check_text import STYLES, VERDICTS, closing_lines, opening_line, step_lines
    from sfukit.probe.check.run import check as run
    from sfukit.probe.finding import Step

    def show(step: Step) -> None:
        for line in step_lines(step):
            out.line(line, STYLES[step.state])

    out.line(opening_line(options.target.url))
    outcome = asyncio.run(run(options, show, signaling_client))
    *rest, verdict = closing_lines(outcome)
    for line in rest:
        out.line(line)
    out.line(verdict, VERDICTS[outcome.verdict])
    return outcome
