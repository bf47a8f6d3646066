"""``sfukit loadtest``: parse the options, run, print, exit with the code of the verdict."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from sfukit import machine, units
from sfukit.cli import (
    access_options,
    find_max_text,
    interruptible,
    loadtest_find_max,
    loadtest_long_text,
    loadtest_parse,
    loadtest_signaling,
    loadtest_text,
    relay_options,
    shard_options,
    shared_options,
    target_options,
)
from sfukit.cli import loadtest_options as options
from sfukit.cli.examples import examples
from sfukit.cli.finish import finish
from sfukit.cli.loadtest_outputs import Outputs, finish_run
from sfukit.cli.loadtest_prometheus import Exporter, exported
from sfukit.cli.output import LOADTEST_LABEL, Output, labelled
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.report import Envelope

if TYPE_CHECKING:
    from sfukit.cli.loadtest_view import View
    from sfukit.loadgen.run import Preflight

    Job = Callable[
        [RunOptions, View, asyncio.Event, Preflight | None], Coroutine[Any, Any, "Outcome"]
    ]

Outcome = TypeVar("Outcome", bound=Envelope)

app = typer.Typer(add_completion=False)


# One parameter per option is what typer reads.
@app.command(
    epilog=examples(
        "sfukit loadtest --quick",
        "sfukit loadtest --clients 500",
        "sfukit loadtest --find-max",
        "sfukit loadtest --stage 30s:100 --stage 5m:500 --churn 2%/m",
        "sfukit loadtest --scenario town-hall.toml",
        "sfukit loadtest http://127.0.0.1:7080 -c 50 -T 'ttff_ms.p95<800'",
        "sfukit loadtest janus+ws://127.0.0.1:8188/janus -c 60",
        "sfukit loadtest whip+http://[::1]:80/whip/a --play http://[::1]:80/whep/a",
        "sfukit loadtest -c 100 --scenario broadcast --net-down 'loss=2%,delay=40ms'",
        "sfukit loadtest -c 20 --handover 20s -T 'handover_gap_ms.p95<300'",
        "sfukit loadtest -c 40 --net lte --net-down loss=3%,burst=4 --net-share 20%",
        "sfukit loadtest -c 20 --relay-only --turn turns:HOST --turn-secret @FILE",
        "sfukit loadtest --rfc8867 5.1 --html case.html",
        "sfukit loadtest -c 5000 --scenario signaling --rate 300/s --profile-server",
        "sfukit loadtest http://[::1]:80 -c 900 --scheduler tls://scheduler:8786",
    ),
)
def loadtest(
    context: typer.Context,
    target: target_options.Target = None,
    clients: options.Clients = None,
    rooms: options.Rooms = None,
    publishers: options.Publishers = None,
    subscribers: options.Subscribers = None,
    audio_publishers: options.AudioPublishers = None,
    scenario: options.Scenario = "meeting",
    quick: options.Quick = False,
    find_max: options.FindMax = False,
    layout: options.Layout = None,
    speaker_switch: options.SpeakerSwitch = None,
    churn: options.Churn = None,
    ramp: options.Ramp = "20/s",
    rate: options.Rate = None,
    duration: options.Duration = "60s",
    stage: options.Stage = None,
    warmup: options.Warmup = "10s",
    join_timeout: options.JoinTimeout = "10s",
    interval: options.Interval = "1s",
    latency: options.Latency = "auto",
    decode_sample: options.DecodeSample = 0,
    retries: options.Retries = 0,
    codec: options.Codec = "vp8",
    audio: options.Audio = "opus",
    no_simulcast: options.NoSimulcast = False,
    layers: options.Layers = None,
    bitrate: options.Bitrate = None,
    fps: options.Fps = None,
    media: options.Media = None,
    pacing: options.Pacing = "libwebrtc",
    pli_policy: options.PliPolicy = "answer",
    unwatched: options.Unwatched = "dynacast",
    srtp: target_options.Srtp = "auto",
    target_plugin: target_options.TargetPlugin = None,
    play: target_options.Play = None,
    net: target_options.Net = None,
    net_up: target_options.NetUp = None,
    net_down: target_options.NetDown = None,
    net_share: options.NetShare = "100%",
    handover: options.Handover = None,
    relay_only: relay_options.RelayOnly = False,
    turn: relay_options.Turn = None,
    turn_user: relay_options.TurnUser = None,
    turn_password: relay_options.TurnPassword = None,
    turn_secret: relay_options.TurnSecret = None,
    phases: options.Phases = None,
    rfc8867: options.Rfc8867 = None,
    gate: target_options.Gate = None,
    abort_after: options.AbortAfter = None,
    no_default_gates: options.NoDefaultGates = False,
    baseline: options.Baseline = None,
    max_regression: options.MaxRegression = "10%",
    json: shared_options.Json = None,
    html: shared_options.Html = None,
    junit: options.Junit = None,
    markdown: options.Markdown = None,
    csv: options.Csv = None,
    hdr: options.Hdr = None,
    name: options.Name = None,
    tag: options.Tag = None,
    prometheus: options.Prometheus = None,
    verbose: options.Verbose = False,
    no_tui: shared_options.NoTui = False,
    quiet: shared_options.Quiet = False,
    shard: shard_options.ShardOption = None,
    start_at: shard_options.StartAt = None,
    workers: shard_options.Workers = None,
    scheduler: shard_options.Scheduler = None,
    insecure_scheduler: shard_options.InsecureScheduler = False,
    plan: options.Plan = False,
    seed: target_options.Seed = None,
    token: access_options.Token = None,
    api_key: access_options.ApiKey = None,
    api_secret: access_options.ApiSecret = None,
    header: access_options.Header = None,
    cacert: access_options.Cacert = None,
    insecure: access_options.Insecure = False,
    allow_host: target_options.AllowHost = None,
    pin: options.Pin = "auto",
    server_args: target_options.ServerArgs = "",
    profile_server: options.ProfileServer = False,
) -> None:
    """Load an SFU with synthetic participants, measure received media, and give a verdict.

    Exit code: 0 pass, 3 a gate was not met, 4 the target could not be used, 5 inconclusive.
    """
    signaling = loadtest_signaling.chosen(context)
    if signaling is not None:
        signaling.run(json=json, quiet=quiet, plan=plan)
    if scheduler is not None:
        shard_options.check_scheduler(context)
    if workers is not None:
        shard_options.check_workers(context)
    chosen = loadtest_parse.run_options(loadtest_parse.values_of(context))
    if plan:
        _print_plan(chosen, find_max=find_max)
        return
    outputs = Outputs(json=json, html=html, junit=junit, markdown=markdown, csv=csv, hdr=hdr)
    outputs.check()
    out = Output.beside(
        outputs.standard_output, quiet=quiet, label_width=LOADTEST_LABEL, tui=not no_tui
    )
    outcome: Envelope
    if scheduler is not None:
        from sfukit.cli import loadtest_cluster

        loadtest_cluster.run(scheduler, insecure_scheduler, chosen, out, outputs)
    if workers is not None:
        from sfukit.cli import loadtest_workers

        loadtest_workers.run(workers, chosen, out, outputs)
    if find_max:
        outcome = _run(loadtest_find_max.find_max, chosen, out)
        finish(outcome, find_max_text.result_lines(outcome), out, json)
    else:
        with exported(prometheus) as exporter:
            outcome = _run(_once, chosen, out, exporter)
        text = loadtest_long_text if verbose else loadtest_text
        finish_run(outcome, text.result_lines(outcome), out, outputs)
    raise typer.Exit(outcome.exit_code)


async def _once(
    run_options: RunOptions, view: "View", stop: asyncio.Event, preflight: "Preflight | None"
) -> LoadtestReport:
    from sfukit.loadgen.run import run

    return await run(run_options, view, stop, preflight)


def _run(
    job: "Job[Outcome]", run_options: RunOptions, out: Output, exporter: Exporter | None = None
) -> Outcome:
    """Run; the first Ctrl-C stops early with a report, a second one ends at once."""
    from sfukit.cli.loadtest_preflight import preflight_of
    from sfukit.cli.loadtest_view import View

    async def whole(stop: asyncio.Event) -> Outcome:
        with View(out, exporter) as view:
            target = run_options.target
            preflight = (
                None if target is None else preflight_of(target, run_options, view.report, stop)
            )
            return await job(run_options, view, stop, preflight)

    return interruptible.run(whole)


def _print_plan(run_options: RunOptions, *, find_max: bool) -> None:
    """Print the streams, bitrates and open files of a planned run, or of its first probe."""
    from sfukit.loadgen.run import prepare
    from sfukit.loadgen.scenario import Flow, plan_line
    from sfukit.loadgen.search import search
    from sfukit.loadgen.shards.described import line as shard_line

    planned = asyncio.run(prepare(run_options))
    clients = len(planned.own_slots)

    def flow_text(flow: Flow) -> str:
        rate = units.show_bitrate(flow.bps)
        return f"{flow.streams:,} streams, {rate}, {flow.packets_per_s:,.0f} packets/s"

    if find_max:
        print(labelled("search", search.search_line(search.planned(run_options))))
    print(labelled("plan", plan_line(planned)))
    if run_options.shard is not None:
        print(labelled("shard", shard_line(planned, run_options)))
    print(labelled("in", f"{flow_text(planned.inbound)} into the SFU"))
    print(labelled("out", f"{flow_text(planned.outbound)} out of the SFU"))
    print(
        labelled(
            "files", f"{machine.open_files_for(clients):,} open files on this machine (ulimit -n)"
        )
    )
