"""``sfukit latency``: parse the options, measure, print, exit with the code of the verdict."""

import asyncio
from dataclasses import replace

import typer

from sfukit import gates, report, units
from sfukit.cli import (
    access_options,
    interruptible,
    latency_ends,
    latency_options,
    relay_options,
    shared_options,
    target_options,
)
from sfukit.cli.examples import examples
from sfukit.cli.finish import finish
from sfukit.cli.option import choice
from sfukit.cli.output import LOADTEST_LABEL, Output
from sfukit.errors import UsageError
from sfukit.loadgen.latency import result
from sfukit.loadgen.latency.options import MAX_SAMPLES, Codec, Engine, LatencyOptions
from sfukit.loadgen.latency.result import LatencyReport
from sfukit.loadgen.options import LoadOptions

_MIN_INTERVAL_S = 0.1

app = typer.Typer(add_completion=False)


# One parameter per option is what typer reads.
@app.command(
    epilog=examples(
        "sfukit latency",
        "sfukit latency http://127.0.0.1:7080 -d 60s -T 'e2e_frame_ms.p95<200'",
        "sfukit latency whip+http://[::1]:80/whip/a --play http://[::1]:80/whep/a",
        "sfukit latency --net-up 'delay=40ms' --json run.json",
        "sfukit latency --relay-only --turn turn:HOST --turn-secret @FILE",
        "sfukit latency http://192.0.2.1:7080 --publish-only --peer 0.0.0.0:7099",
    ),
)
def latency(
    context: typer.Context,
    target: target_options.Target = None,
    duration: latency_options.Duration = "10s",
    interval: latency_options.Interval = "1s",
    join_timeout: latency_options.JoinTimeout = "10s",
    codec: target_options.Codec = "vp8",
    bitrate: latency_options.Bitrate = "500k",
    srtp: target_options.Srtp = "auto",
    target_plugin: target_options.TargetPlugin = None,
    play: target_options.Play = None,
    room: latency_options.Room = None,
    engine: latency_options.Engine = "native",
    publish_only: latency_options.PublishOnly = False,
    subscribe_only: latency_options.SubscribeOnly = False,
    peer: latency_options.Peer = None,
    peer_token: latency_options.PeerToken = None,
    relay_only: relay_options.RelayOnly = False,
    turn: relay_options.Turn = None,
    turn_user: relay_options.TurnUser = None,
    turn_password: relay_options.TurnPassword = None,
    turn_secret: relay_options.TurnSecret = None,
    net: target_options.Net = None,
    net_up: target_options.NetUp = None,
    net_down: target_options.NetDown = None,
    gate: target_options.Gate = None,
    json: shared_options.Json = None,
    html: shared_options.Html = None,
    no_tui: shared_options.NoTui = False,
    quiet: shared_options.Quiet = False,
    seed: target_options.Seed = None,
    token: access_options.Token = None,
    api_key: access_options.ApiKey = None,
    api_secret: access_options.ApiSecret = None,
    header: access_options.Header = None,
    cacert: access_options.Cacert = None,
    insecure: access_options.Insecure = False,
    allow_host: target_options.AllowHost = None,
    server_args: target_options.ServerArgs = "",
) -> None:
    """Measure the delay of video through an SFU, with one publisher and one subscriber.

    Per interval and in sum: frame delay, round trips, SFU residence, jitter, loss, bitrate.

    Exit code: 0 pass, 3 a gate was not met, 4 the target could not be used, 5 inconclusive.
    """
    impaired_up, impaired_down = target_options.networks(context.params)
    load = LoadOptions(
        rooms=1,
        publishers=1,
        subscribers=1,
        audio="none",
        simulcast=False,
        codec=choice(codec, "--codec", Codec),
        bitrate_bps=units.bitrate_bps(bitrate, "--bitrate"),
        warmup_s=0.0,
        duration_s=units.duration_s(duration, "--duration"),
        relay_only=relay_only,
        net_up=impaired_up,
        net_down=impaired_down,
        seed=target_options.seed(context.params),
    )
    judged = [gates.parse(text, result.catalogue()) for text in gate or ()]
    run_options = target_options.run_options(context.params, load, judged)
    ends = latency_ends.read(
        target,
        publish_only=publish_only,
        subscribe_only=subscribe_only,
        peer=peer,
        token=peer_token,
        room=room,
    )
    measurement = LatencyOptions(
        run=replace(run_options, default_gates=False, relay=relay_options.relay(context.params)),
        interval_s=_interval_s(interval, load.duration_s),
        ends=ends.here,
        room=ends.room,
        peer=ends.peer,
        peer_token=ends.token,
        engine=choice(engine, "--engine", Engine),
    )
    if measurement.engine != "native" and ends.here != "both":
        raise UsageError(
            "--engine aiortc with one end alone: its delays need one clock",
            hint="leave out --publish-only and --subscribe-only",
        )
    if measurement.engine != "native" and relay_only:
        raise UsageError(
            "--engine aiortc with --relay-only: aiortc cannot be limited to its relay candidates",
            hint="leave --engine out",
        )
    for name, destination in (("--json", json), ("--html", html)):
        if destination is not None:
            report.check_destination(name, destination)
    if json == html == "-":
        raise UsageError("--json - and --html -: standard output takes one of them")
    out = Output.beside(
        "-" if "-" in (json, html) else None,
        quiet=quiet,
        label_width=LOADTEST_LABEL,
        tui=not no_tui,
    )
    outcome = _run(measurement, out)
    _finish(outcome, out, json, html)
    raise typer.Exit(outcome.exit_code)


def _run(measurement: LatencyOptions, out: Output) -> LatencyReport:
    from sfukit.cli.latency_view import View
    from sfukit.loadgen.latency.run import run

    async def whole(stop: asyncio.Event) -> LatencyReport:
        with View(out) as view:
            return await run(measurement, view, stop)

    return interruptible.run(whole)


def _finish(outcome: LatencyReport, out: Output, json: str | None, html: str | None) -> None:
    """Print the report, save it as the last run, write JSON and HTML."""
    from sfukit.cli.latency_text import result_lines
    from sfukit.loadgen.latency.html import page

    finish(outcome, result_lines(outcome), out, json)
    if html is not None:
        report.write_text(html, page(outcome))


def _interval_s(text: str, duration_s: float) -> float:
    interval_s = units.duration_s(text, "--interval")
    if interval_s < _MIN_INTERVAL_S:
        raise UsageError(
            f"--interval {text}: too short", hint="reports are sent about every second: try 1s"
        )
    if duration_s / interval_s > MAX_SAMPLES:
        raise UsageError(
            f"--interval {text}: more than {MAX_SAMPLES:,} samples in {duration_s:g} s",
            hint=f"try --interval {duration_s / MAX_SAMPLES:.0f}s or longer",
        )
    return interval_s
