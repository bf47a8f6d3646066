"""The scenario ``signaling`` of ``sfukit loadtest``: its options, its run, its output."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import typer

from sfukit import report, units
from sfukit.cli import interruptible
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.errors import UsageError
from sfukit.loadgen.options import RunOptions

if TYPE_CHECKING:
    from sfukit.loadgen.signaling_load.result import SignalingReport
    from sfukit.loadgen.signaling_load.run import SignalingOptions

NAME = "signaling"
_RATE = "300/s"
_RAMP = "200/s"
_CLIENTS = 500
_REFUSED = {
    "rooms": "--rooms: a room has five clients",
    "publishers": "--publishers: two clients of each room publish in turn",
    "subscribers": "--subscribers: two clients of each room subscribe in turn",
    "audio_publishers": "--audio-publishers: two clients of each room publish in turn",
    "codec": "--codec: no media is sent",
    "audio": "--audio: no media is sent",
    "no_simulcast": "--no-simulcast: no media is sent",
    "bitrate": "--bitrate: no media is sent",
    "pacing": "--pacing: no media is sent",
    "pli_policy": "--pli-policy: no media is sent",
    "unwatched": "--unwatched: no media is sent",
    "srtp": "--srtp: no media is sent",
    "play": "--play: the clients join rooms of an sfukit server",
    "net_up": "--net-up: no media is sent, and TCP is not impaired",
    "net_down": "--net-down: no media is sent, and TCP is not impaired",
    "net_share": "--net-share: no media is sent, and TCP is not impaired",
}


@dataclass(frozen=True)
class SignalingCommand:
    """The options of the scenario; ``ramp`` is its own default where none was given."""

    rate: str
    ramp: str
    profile_server: bool

    def catalogue(self) -> dict[str, str]:
        """Return the paths that a gate may name."""
        from sfukit.loadgen.signaling_load import result

        return result.catalogue()

    def run(
        self, run_options: RunOptions, *, json: str | None, quiet: bool, plan: bool
    ) -> NoReturn:
        """Run, print, save; exit with the code of the verdict."""
        from sfukit.cli.signaling_text import STYLES, result_lines
        from sfukit.loadgen.signaling_load.run import SignalingOptions
        from sfukit.loadgen.signaling_load.schedule import Load
        from sfukit.loadgen.signaling_load.summary import plan_line

        load = Load(
            clients=run_options.load.clients or _CLIENTS,
            per_s=units.rate_per_s(self.rate, "--rate"),
            warmup_s=run_options.load.warmup_s,
            duration_s=run_options.load.duration_s,
            seed=run_options.load.seed,
        )
        if plan:
            line = plan_line(load, run_options.load.ramp_per_s, tokens=run_options.target is None)
            print(labelled("plan", line))
            raise typer.Exit
        out = Output.beside(json, quiet=quiet, label_width=LOADTEST_LABEL)
        options = SignalingOptions(run=run_options, load=load, profile_server=self.profile_server)
        outcome = _run(options, out)
        verdict, *rest = result_lines(outcome)
        out.line(verdict, STYLES[outcome.verdict])
        for line in rest:
            out.line(line)
        if report.save_last(outcome):
            out.line(labelled("saved", "print again with: sfukit report last"))
        if json is not None:
            report.write_json(json, outcome)
        raise typer.Exit(outcome.exit_code)


def chosen(
    context: typer.Context, scenario: str, rate: str | None, *, profile_server: bool
) -> SignalingCommand | None:
    """Return the command where the scenario is ``signaling``; refuse contradictions."""
    if scenario != NAME:
        for given, name in ((rate is not None, "--rate"), (profile_server, "--profile-server")):
            if given:
                raise UsageError(
                    f"{name} is for the scenario signaling",
                    hint="give --scenario signaling; joins per second are --ramp",
                )
        return None
    for name, reason in _REFUSED.items():
        if _is_given(context, name):
            raise UsageError(
                f"{reason} in the scenario signaling",
                hint="leave it out; the load is --clients, --rate, --ramp and --duration",
            )
    ramp = context.params["ramp"] if _is_given(context, "ramp") else _RAMP
    return SignalingCommand(rate or _RATE, ramp, profile_server)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name != "DEFAULT"


def _run(options: "SignalingOptions", out: Output) -> "SignalingReport":
    from sfukit.cli.loadtest_view import View
    from sfukit.loadgen.signaling_load.run import run

    async def whole(stop: asyncio.Event) -> "SignalingReport":
        with View(out) as view:
            return await run(options, view, stop)

    return interruptible.run(whole)
