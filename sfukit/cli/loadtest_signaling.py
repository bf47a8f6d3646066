"""The scenario ``signaling`` of ``sfukit loadtest``: its options, its run, its output."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from sfukit import units
from sfukit.cli import interruptible, loadtest_parse
from sfukit.cli.finish import finish
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.errors import UsageError

if TYPE_CHECKING:
    from sfukit.loadgen.signaling_load.result import SignalingReport
    from sfukit.loadgen.signaling_load.run import SignalingOptions

NAME = "signaling"
_RATE = "300/s"
_RAMP = "200/s"
_CLIENTS = 500
_SHAPE = "meeting"  # of the media, of which there is none
_OPTIONS = frozenset(
    (
        "target",
        "clients",
        "scenario",
        "rate",
        "ramp",
        "duration",
        "warmup",
        "join_timeout",
        "gate",
        "no_default_gates",
        "json",
        "quiet",
        "no_tui",
        "plan",
        "seed",
        "token",
        "api_key",
        "api_secret",
        "header",
        "cacert",
        "insecure",
        "allow_host",
        "pin",
        "server_args",
        "profile_server",
    )
)
_REASONS = {
    "rooms": "a room has five clients",
    "publishers": "two clients of each room publish in turn",
    "subscribers": "two clients of each room subscribe in turn",
    "audio_publishers": "two clients of each room publish in turn",
    "target_plugin": "the clients join rooms of an sfukit server",
    "play": "the clients join rooms of an sfukit server",
    "churn": "a fifth of the requests are joins and leaves",
    "stage": "the load is constant",
    "find_max": "the load is constant",
    "verbose": "every figure is printed anyway",
    "quick": "the load is that of --clients and --rate",
}


@dataclass(frozen=True)
class SignalingCommand:
    """The options of the scenario, as typed or by default."""

    values: Mapping[str, Any]

    def run(self, *, json: str | None, quiet: bool, plan: bool) -> NoReturn:
        """Run, print, save; exit with the code of the verdict."""
        from sfukit.cli.signaling_text import result_lines
        from sfukit.loadgen.signaling_load.result import catalogue
        from sfukit.loadgen.signaling_load.run import SignalingOptions
        from sfukit.loadgen.signaling_load.schedule import Load
        from sfukit.loadgen.signaling_load.summary import plan_line

        run_options = loadtest_parse.run_options(self.values, catalogue())
        if run_options.shard is not None:
            raise UsageError(
                f"shard {run_options.shard} in the scenario signaling: it is of one process",
                hint="unset JOB_COMPLETION_INDEX, or run a job with one completion",
            )
        load = Load(
            clients=run_options.load.clients or _CLIENTS,
            per_s=units.rate_per_s(self.values["rate"] or _RATE, "--rate"),
            warmup_s=run_options.load.warmup_s,
            duration_s=run_options.load.duration_s,
            seed=run_options.load.seed,
        )
        if plan:
            line = plan_line(load, run_options.load.ramp_per_s, tokens=run_options.target is None)
            print(labelled("plan", line))
            raise typer.Exit
        tui = not self.values["no_tui"]
        out = Output.beside(json, quiet=quiet, label_width=LOADTEST_LABEL, tui=tui)
        options = SignalingOptions(
            run=run_options, load=load, profile_server=self.values["profile_server"]
        )
        outcome = _run(options, out)
        finish(outcome, result_lines(outcome), out, json)
        raise typer.Exit(outcome.exit_code)


def chosen(context: typer.Context) -> SignalingCommand | None:
    """Return the command where the scenario is ``signaling``; refuse contradictions."""
    given = [name for name in context.params if loadtest_parse.is_typed(context, name)]
    if context.params["scenario"] != NAME:
        for name in ("rate", "profile_server"):
            if name in given:
                raise UsageError(
                    f"{_option(name)} is for the scenario signaling",
                    hint="give --scenario signaling; joins per second are --ramp",
                )
        return None
    for name in given:
        if name not in _OPTIONS:
            reason = _REASONS.get(name, "no media is sent")
            raise UsageError(
                f"{_option(name)} in the scenario signaling: {reason}",
                hint="leave it out; the load is --clients, --rate, --ramp and --duration",
            )
    values = {**context.params, "scenario": _SHAPE}
    if "ramp" not in given:
        values["ramp"] = _RAMP
    return SignalingCommand(values)


def _option(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _run(options: "SignalingOptions", out: Output) -> "SignalingReport":
    from sfukit.cli.loadtest_view import View
    from sfukit.loadgen.signaling_load.run import run

    async def whole(stop: asyncio.Event) -> "SignalingReport":
        with View(out) as view:
            return await run(options, view, stop)

    return interruptible.run(whole)
