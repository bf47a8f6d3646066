"""``sfukit loadtest``: parse the options, run, print, exit with the code of the verdict."""

import asyncio
import secrets
import shlex
import signal
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import typer

from sfukit import machine, report, units
from sfukit.cli import access_options, saved_runs, shared_options
from sfukit.cli import loadtest_options as options
from sfukit.cli.examples import examples
from sfukit.cli.loadtest_outputs import Outputs
from sfukit.cli.loadtest_prometheus import Exporter, exported
from sfukit.cli.option import choice
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.loadgen import gate_figures
from sfukit.loadgen.options import (
    AudioCodec,
    LoadOptions,
    Pacing,
    PliPolicy,
    RunOptions,
    ScenarioName,
    SrtpProfile,
    Unwatched,
    VideoCodec,
)
from sfukit.loadgen.result import LoadtestReport
from sfukit.swarm import impairment
from sfukit.swarm.impairment import Impairment

if TYPE_CHECKING:
    from sfukit.cli.loadtest_view import View
    from sfukit.loadgen.run import Preflight
    from sfukit.loadgen.scenario import Plan

app = typer.Typer(add_completion=False)


# One parameter per option is what typer reads.
@app.command(
    epilog=examples(
        "sfukit loadtest --clients 500",
        "sfukit loadtest http://127.0.0.1:7080 -c 50 -T 'ttff_ms.p95<800'",
        "sfukit loadtest whip+http://[::1]:80/whip/a --play http://[::1]:80/whep/a",
        "sfukit loadtest -c 100 --scenario broadcast --net-down 'loss=2%,delay=40ms'",
    ),
)
def loadtest(
    target: options.Target = None,
    clients: options.Clients = None,
    rooms: options.Rooms = None,
    publishers: options.Publishers = None,
    subscribers: options.Subscribers = None,
    audio_publishers: options.AudioPublishers = None,
    scenario: options.Scenario = "meeting",
    ramp: options.Ramp = "20/s",
    duration: options.Duration = "60s",
    warmup: options.Warmup = "10s",
    join_timeout: options.JoinTimeout = "10s",
    interval: options.Interval = "1s",
    codec: options.Codec = "vp8",
    audio: options.Audio = "opus",
    no_simulcast: options.NoSimulcast = False,
    bitrate: options.Bitrate = None,
    pacing: options.Pacing = "libwebrtc",
    pli_policy: options.PliPolicy = "answer",
    unwatched: options.Unwatched = "dynacast",
    srtp: options.Srtp = "auto",
    play: options.Play = None,
    net_up: options.NetUp = None,
    net_down: options.NetDown = None,
    net_share: options.NetShare = "100%",
    gate: options.Gate = None,
    no_default_gates: options.NoDefaultGates = False,
    baseline: options.Baseline = None,
    max_regression: options.MaxRegression = "10%",
    json: shared_options.Json = None,
    html: shared_options.Html = None,
    junit: options.Junit = None,
    markdown: options.Markdown = None,
    csv: options.Csv = None,
    prometheus: options.Prometheus = None,
    quiet: shared_options.Quiet = False,
    plan: options.Plan = False,
    seed: options.Seed = None,
    token: access_options.Token = None,
    api_key: access_options.ApiKey = None,
    api_secret: access_options.ApiSecret = None,
    header: access_options.Header = None,
    cacert: access_options.Cacert = None,
    insecure: access_options.Insecure = False,
    allow_host: options.AllowHost = None,
    pin: options.Pin = "auto",
    server_args: options.ServerArgs = "",
) -> None:
    """Load an SFU with synthetic participants, measure received media, and give a verdict.

    Exit code: 0 pass, 3 a gate was not met, 4 the target could not be used, 5 inconclusive.
    """
    from sfukit.targets.detect import parse_play

    load = LoadOptions(
        scenario=choice(scenario, "--scenario", ScenarioName),
        clients=clients,
        rooms=rooms,
        publishers=publishers,
        audio_publishers=audio_publishers,
        subscribers=subscribers,
        codec=choice(codec, "--codec", VideoCodec),
        audio=choice(audio, "--audio", AudioCodec),
        simulcast=not no_simulcast,
        bitrate_bps=units.bitrate_bps(bitrate, "--bitrate") if bitrate else None,
        ramp_per_s=units.rate_per_s(ramp, "--ramp"),
        warmup_s=units.duration_s(warmup, "--warmup"),
        duration_s=units.duration_s(duration, "--duration"),
        net_up=_network(net_up, "--net-up"),
        net_down=_network(net_down, "--net-down"),
        net_share=units.ratio(net_share, "--net-share"),
        seed=seed if seed is not None else secrets.randbelow(10_000),
    )
    run_options = RunOptions(
        load=load,
        command=("sfukit", *sys.argv[1:]),
        access=access_options.access(
            token, api_key, api_secret, header, cacert, insecure, allow_host
        ),
        target=target,
        play=None if play is None else parse_play(play),
        srtp=choice(srtp, "--srtp", SrtpProfile),
        pacing=choice(pacing, "--pacing", Pacing),
        pli_policy=choice(pli_policy, "--pli-policy", PliPolicy),
        unwatched=choice(unwatched, "--unwatched", Unwatched),
        join_timeout_s=units.duration_s(join_timeout, "--join-timeout"),
        interval_s=options.interval_s(interval),
        pin=pin,
        server_args=tuple(shlex.split(server_args)),
        gates=tuple(map(gate_figures.parse, gate or ())),
        default_gates=not no_default_gates,
        baseline=None if baseline is None else saved_runs.loadtest(baseline),
        max_regression=units.ratio(max_regression, "--max-regression"),
    )
    if plan:
        _print_plan(run_options)
        return
    outputs = Outputs(json=json, html=html, junit=junit, markdown=markdown, csv=csv)
    outputs.check()
    out = Output.beside(outputs.standard_output, quiet=quiet, label_width=LOADTEST_LABEL)
    with exported(prometheus) as exporter:
        outcome = _run(run_options, out, exporter)
    _finish(outcome, out, outputs)
    raise typer.Exit(outcome.exit_code)


def _run(run_options: RunOptions, out: Output, exporter: Exporter | None) -> LoadtestReport:
    """Run; the first Ctrl-C stops early with a report, a second one ends at once."""
    from sfukit.cli.loadtest_view import View
    from sfukit.loadgen.run import run

    async def whole() -> LoadtestReport:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop_once, stop)
        with View(out, exporter) as view:
            target = run_options.target
            preflight = None if target is None else _preflight(target, run_options, view, stop)
            return await run(run_options, view, stop, preflight)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(whole())


def _preflight(
    target: str, run_options: RunOptions, view: "View", stop: asyncio.Event
) -> "Preflight":
    """Return the check that one participant makes before any bot joins.

    An unusable target is then one line of the report instead of one failure per bot.
    """
    from sfukit.loadgen.verdict import TargetFault
    from sfukit.probe.check import report as check_report
    from sfukit.probe.check.options import CheckOptions
    from sfukit.probe.check.run import check
    from sfukit.targets.detect import parse_target

    async def preflight(plan: "Plan") -> TargetFault | None:
        options = CheckOptions(
            target=parse_target(target),
            play=run_options.play,
            access=run_options.access,
            room=plan.rooms[0].name,
            srtp=run_options.srtp,
        )
        outcome = await _unless_stopped(check(options), stop)
        if outcome is None or outcome.failed_step in check_report.MEDIA_STEPS:
            return None  # the run measures media
        if outcome.failed_step is None:
            view.report("check", f"one participant joined in {outcome.timings_ms['total']:.0f} ms")
            return None
        return TargetFault(
            f"no client can join: {check_report.sentence(outcome)}", stated_by_target=True
        )

    return preflight


async def _unless_stopped(checking: Coroutine[Any, Any, Any], stop: asyncio.Event) -> Any:
    """Return the result of a check; None after Ctrl-C."""
    task, stopping = asyncio.ensure_future(checking), asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def _stop_once(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt
    stop.set()


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not available on this platform
        return None
    return uvloop.new_event_loop


def _finish(outcome: LoadtestReport, out: Output, outputs: Outputs) -> None:
    """Print the report, save it as the last run, write the files."""
    from sfukit.cli.loadtest_text import result_lines

    styles = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
    verdict, *rest = result_lines(outcome)
    out.line(verdict, styles[outcome.verdict])
    for line in rest:
        out.line(line)
    saved = report.save_last(outcome)
    if saved:
        out.line(labelled("saved", "see it: sfukit report last --html report.html"))
    outputs.write(outcome)


def _print_plan(run_options: RunOptions) -> None:
    """Print the streams, bitrates and open files of a planned run."""
    from sfukit.loadgen.run import prepare
    from sfukit.loadgen.scenario import Flow, plan_line

    planned = asyncio.run(prepare(run_options))
    clients = len(planned.bots)

    def flow_text(flow: Flow) -> str:
        rate = units.show_bitrate(flow.bps)
        return f"{flow.streams:,} streams, {rate}, {flow.packets_per_s:,.0f} packets/s"

    print(labelled("plan", plan_line(planned)))
    print(labelled("in", f"{flow_text(planned.inbound)} into the SFU"))
    print(labelled("out", f"{flow_text(planned.outbound)} out of the SFU"))
    print(
        labelled(
            "files", f"{machine.open_files_for(clients):,} open files on this machine (ulimit -n)"
        )
    )


def _network(text: str | None, where: str) -> Impairment | None:
    return None if text is None else impairment.parse(text, where)
