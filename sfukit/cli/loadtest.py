"""``sfukit loadtest``: read the options, run, print, leave with the verdict as exit code."""

import asyncio
import secrets
import shlex
import signal
import sys
from typing import Annotated, Any, get_args

import typer

from sfukit import config, gates, machine, report, units
from sfukit.cli.output import Output
from sfukit.errors import UsageError
from sfukit.loadgen import impairment, options, result
from sfukit.loadgen.impairment import Impairment
from sfukit.loadgen.options import Access, LoadOptions, RunOptions
from sfukit.loadgen.result import LoadtestReport

app = typer.Typer(add_completion=False)

_LOAD, _MEDIA, _NETWORK, _SHAPE = "Load", "Media", "Network", "Shape"
_GATES, _OUTPUT, _ACCESS, _CPU = "Gates", "Output", "Access", "CPU"


def _option(*names: str, panel: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


# One parameter per option is what typer reads; that alone makes this function long.
@app.command()
def loadtest(
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="http(s)://HOST:PORT of an sfukit server or a WHIP URL; [KIND+]URL forces "
            "sfukit+ or whip+; {room} and {n} are filled in. None: a private server is started",
            show_default=False,
        ),
    ] = None,
    clients: Annotated[
        int | None, _option("-c", "--clients", panel=_LOAD, help="participants in all (10)")
    ] = None,
    rooms: Annotated[
        int | None, _option("--rooms", panel=_LOAD, help="rooms (of 5 in a meeting, else one)")
    ] = None,
    publishers: Annotated[
        int | None, _option("--publishers", panel=_LOAD, help="with video and audio, per room")
    ] = None,
    subscribers: Annotated[
        int | None, _option("--subscribers", panel=_LOAD, help="that only receive, per room")
    ] = None,
    audio_publishers: Annotated[
        int | None, _option("--audio-publishers", panel=_LOAD, help="with audio alone, per room")
    ] = None,
    scenario: Annotated[
        str,
        _option(
            "--scenario",
            panel=_LOAD,
            metavar="NAME",
            help="meeting, webinar, broadcast, audio-room",
        ),
    ] = "meeting",
    ramp: Annotated[
        str, _option("-r", "--ramp", panel=_SHAPE, metavar="RATE", help="joins per second")
    ] = "20/s",
    duration: Annotated[
        str, _option("-d", "--duration", panel=_SHAPE, metavar="TIME", help="the measured window")
    ] = "60s",
    warmup: Annotated[
        str, _option("--warmup", panel=_SHAPE, metavar="TIME", help="left out of the figures")
    ] = "10s",
    join_timeout: Annotated[
        str, _option("--join-timeout", panel=_SHAPE, metavar="TIME", help="then a join has failed")
    ] = "10s",
    codec: Annotated[str, _option("--codec", panel=_MEDIA, help="vp8 or h264")] = "vp8",
    audio: Annotated[str, _option("--audio", panel=_MEDIA, help="opus or none")] = "opus",
    no_simulcast: Annotated[
        bool, _option("--no-simulcast", panel=_MEDIA, help="one encoding instead of three")
    ] = False,
    bitrate: Annotated[
        str | None,
        _option(
            "--bitrate",
            panel=_MEDIA,
            metavar="RATE",
            help="of the largest encoding: the nearest of 150k, 500k, 1.7M",
        ),
    ] = None,
    pacing: Annotated[
        str,
        _option(
            "--pacing",
            panel=_MEDIA,
            help="libwebrtc: in bursts as browsers send; smooth: a little each 5 ms; whole: by frame",
        ),
    ] = "libwebrtc",
    pli_policy: Annotated[
        str, _option("--pli-policy", panel=_MEDIA, help="answer keyframe requests, or ignore them")
    ] = "answer",
    srtp: Annotated[
        str, _option("--srtp", panel=_MEDIA, help="auto, gcm128 or cm80: what the bots offer")
    ] = "auto",
    play: Annotated[
        str | None,
        _option("--play", panel=_ACCESS, metavar="URL", help="WHEP URL that plays a WHIP target"),
    ] = None,
    net_up: Annotated[
        str | None,
        _option(
            "--net-up",
            panel=_NETWORK,
            metavar="SPEC",
            help="bots to server: rate=2M,queue=300ms,delay=50ms,jitter=10ms,loss=1%|ge:P,R,H,K",
        ),
    ] = None,
    net_down: Annotated[
        str | None, _option("--net-down", panel=_NETWORK, metavar="SPEC", help="server to bots")
    ] = None,
    net_share: Annotated[
        str,
        _option("--net-share", panel=_NETWORK, metavar="SHARE", help="of the bots that have it"),
    ] = "100%",
    gate: Annotated[
        list[str] | None,
        _option(
            "-T", panel=_GATES, metavar="GATE", help="PATH OP VALUE, such as e2e_frame_ms.p95<200ms"
        ),
    ] = None,
    no_default_gates: Annotated[
        bool, _option("--no-default-gates", panel=_GATES, help="only those given by -T")
    ] = False,
    json: Annotated[
        str | None,
        _option("--json", panel=_OUTPUT, metavar="FILE", help="write the report; - is stdout"),
    ] = None,
    quiet: Annotated[
        bool, _option("-q", "--quiet", panel=_OUTPUT, help="print errors alone")
    ] = False,
    plan: Annotated[
        bool, _option("--plan", panel=_OUTPUT, help="print streams, rates, files; then exit")
    ] = False,
    seed: Annotated[
        int | None, _option("--seed", panel=_OUTPUT, help="repeat a run (drawn and printed)")
    ] = None,
    token: Annotated[
        str | None, _option("--token", panel=_ACCESS, metavar="JWT|@FILE", help="bearer token")
    ] = None,
    api_key: Annotated[
        str | None,
        _option(
            "--api-key", panel=_ACCESS, envvar=config.API_KEY, help="sign a token for each bot"
        ),
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
    allow_host: Annotated[
        list[str] | None,
        _option(
            "--allow-host", panel=_ACCESS, metavar="HOST", help="permit more than 2 clients there"
        ),
    ] = None,
    pin: Annotated[
        str,
        _option(
            "--pin", panel=_CPU, metavar="auto|off|S:L", help="cores of server and load, as 0:1"
        ),
    ] = "auto",
    server_args: Annotated[
        str,
        _option("--server-args", panel=_CPU, metavar="'ARGS'", help="for the server started here"),
    ] = "",
) -> None:
    """Let synthetic participants meet in an SFU, measure what they get, and give a verdict.

    Exit code: 0 pass, 3 a gate was not met, 4 the target could not be used, 5 inconclusive.
    """
    load = LoadOptions(
        scenario=_choice(scenario, "--scenario", options.ScenarioName),
        clients=clients,
        rooms=rooms,
        publishers=publishers,
        audio_publishers=audio_publishers,
        subscribers=subscribers,
        codec=_choice(codec, "--codec", options.VideoCodec),
        audio=_choice(audio, "--audio", options.AudioCodec),
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
        access=Access(
            token=config.secret(token, "--token") if token else None,
            api_key=api_key,
            api_secret=config.secret(api_secret, "--api-secret") if api_secret else None,
            headers=tuple(_header(text) for text in header or ()),
            ca_file=cacert,
            insecure=insecure,
            allow_hosts=config.allowed_hosts() | frozenset(allow_host or ()),
        ),
        target=target,
        play=play,
        srtp=_choice(srtp, "--srtp", options.SrtpProfile),
        pacing=_choice(pacing, "--pacing", options.Pacing),
        pli_policy=_choice(pli_policy, "--pli-policy", options.PliPolicy),
        join_timeout_s=units.duration_s(join_timeout, "--join-timeout"),
        pin=pin,
        server_args=tuple(shlex.split(server_args)),
        gates=tuple(gates.parse(text, result.catalogue()) for text in gate or ()),
        default_gates=not no_default_gates,
    )
    if plan:
        _print_plan(run_options)
        return
    out = Output.beside(json, quiet=quiet)
    outcome = _run(run_options, out)
    _finish(outcome, out, json)
    raise typer.Exit(outcome.exit_code)


def _run(run_options: RunOptions, out: Output) -> LoadtestReport:
    """Run with Ctrl-C as a wish to stop early; a second one ends at once."""
    from sfukit.cli.loadtest_view import View
    from sfukit.loadgen.run import run

    async def whole() -> LoadtestReport:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, _stop_once, stop)
        with View(out) as view:
            return await run(run_options, view, stop)

    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(whole())


def _stop_once(stop: asyncio.Event) -> None:
    if stop.is_set():
        raise KeyboardInterrupt
    stop.set()


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:  # not made for this platform
        return None
    return uvloop.new_event_loop


def _finish(outcome: LoadtestReport, out: Output, json: str | None) -> None:
    """Print the result, keep the run, write what was asked for."""
    from sfukit.cli.loadtest_text import result_lines

    styles = {"pass": "bold green", "fail": "bold red", "inconclusive": "bold yellow"}
    verdict, *rest = result_lines(outcome)
    out.line(verdict, styles[outcome.verdict])
    for line in rest:
        out.line(line)
    kept = report.save_last(outcome)
    if kept:
        out.line("saved   last run; see it again: sfukit report last")
    if json is not None:
        report.write_json(json, outcome)


def _print_plan(run_options: RunOptions) -> None:
    """Say what a run would put on the wire."""
    from sfukit.loadgen.run import prepare
    from sfukit.loadgen.scenario import Flow, plan_line

    planned = asyncio.run(prepare(run_options))
    clients = len(planned.bots)

    def flow_text(flow: Flow) -> str:
        rate = units.show_bitrate(flow.bps)
        return f"{flow.streams:,} streams, {rate}, {flow.packets_per_s:,.0f} packets/s"

    print(f"plan    {plan_line(planned)}")
    print(f"in      {flow_text(planned.inbound)} into the SFU")
    print(f"out     {flow_text(planned.outbound)} out of the SFU")
    print(f"files   {machine.open_files_for(clients):,} open files here (ulimit -n)")


def _choice(text: str, where: str, literal: Any) -> Any:
    allowed = get_args(literal)
    if text not in allowed:
        raise UsageError(f"{where} {text}: not known", hint=f"choose one of {', '.join(allowed)}")
    return text


def _network(text: str | None, where: str) -> Impairment | None:
    return None if text is None else impairment.parse(text, where)


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError(f"--header {text!r}: no colon", hint="give 'Name: value'")
    return name.strip(), value.strip()
