"""The options of ``sfukit loadtest``, by the panel of its help that each stands in."""

from typing import Annotated, Any

import typer

from sfukit import config

_LOAD, _MEDIA, _NETWORK, _SHAPE = "Load", "Media", "Network", "Shape"
_GATES, _OUTPUT, _ACCESS, _CPU = "Gates", "Output", "Access", "CPU"


def _option(*names: str, panel: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


Target = Annotated[
    str | None,
    typer.Argument(
        metavar="[TARGET]",
        help="http(s)://HOST:PORT of an sfukit server or a WHIP URL; [KIND+]URL forces "
        "sfukit+ or whip+; {room} and {n} are filled in. None: a private server is started",
        show_default=False,
    ),
]
Clients = Annotated[
    int | None, _option("-c", "--clients", panel=_LOAD, help="participants in all (10)")
]
Rooms = Annotated[
    int | None, _option("--rooms", panel=_LOAD, help="rooms (of 5 in a meeting, else one)")
]
Publishers = Annotated[
    int | None, _option("--publishers", panel=_LOAD, help="with video and audio, per room")
]
Subscribers = Annotated[
    int | None, _option("--subscribers", panel=_LOAD, help="that only receive, per room")
]
AudioPublishers = Annotated[
    int | None,
    _option("--audio-publishers", panel=_LOAD, help="with audio alone, per room; 0: no audio"),
]
Scenario = Annotated[
    str,
    _option(
        "--scenario",
        panel=_LOAD,
        metavar="NAME",
        help="meeting, webinar, broadcast, audio-room",
    ),
]
Ramp = Annotated[
    str, _option("-r", "--ramp", panel=_SHAPE, metavar="RATE", help="joins per second")
]
Duration = Annotated[
    str, _option("-d", "--duration", panel=_SHAPE, metavar="TIME", help="the measured window")
]
Warmup = Annotated[
    str, _option("--warmup", panel=_SHAPE, metavar="TIME", help="left out of the figures")
]
JoinTimeout = Annotated[
    str, _option("--join-timeout", panel=_SHAPE, metavar="TIME", help="then a join has failed")
]
Codec = Annotated[str, _option("--codec", panel=_MEDIA, help="vp8 or h264")]
Audio = Annotated[str, _option("--audio", panel=_MEDIA, help="opus or none")]
NoSimulcast = Annotated[
    bool, _option("--no-simulcast", panel=_MEDIA, help="one encoding instead of three")
]
Bitrate = Annotated[
    str | None,
    _option(
        "--bitrate",
        panel=_MEDIA,
        metavar="RATE",
        help="of the largest encoding; other than 150k, 500k, 1.7M: encoded once",
    ),
]
Pacing = Annotated[
    str,
    _option(
        "--pacing",
        panel=_MEDIA,
        help="libwebrtc: in bursts as browsers send; smooth: a little each 5 ms; whole: by frame",
    ),
]
PliPolicy = Annotated[
    str, _option("--pli-policy", panel=_MEDIA, help="answer keyframe requests, or ignore them")
]
Srtp = Annotated[
    str, _option("--srtp", panel=_MEDIA, help="auto, gcm128 or cm80: what the bots offer")
]
Play = Annotated[
    str | None,
    _option("--play", panel=_ACCESS, metavar="URL", help="WHEP URL that plays a WHIP target"),
]
NetUp = Annotated[
    str | None,
    _option(
        "--net-up",
        panel=_NETWORK,
        metavar="SPEC",
        help="bots to server: rate=2M,queue=300ms,delay=50ms,jitter=10ms,loss=1%|ge:P,R,H,K",
    ),
]
NetDown = Annotated[
    str | None, _option("--net-down", panel=_NETWORK, metavar="SPEC", help="server to bots")
]
NetShare = Annotated[
    str,
    _option("--net-share", panel=_NETWORK, metavar="SHARE", help="of the bots that have it"),
]
Gate = Annotated[
    list[str] | None,
    _option(
        "-T", panel=_GATES, metavar="GATE", help="PATH OP VALUE, such as e2e_frame_ms.p95<200ms"
    ),
]
NoDefaultGates = Annotated[
    bool, _option("--no-default-gates", panel=_GATES, help="only those given by -T")
]
Json = Annotated[
    str | None,
    _option("--json", panel=_OUTPUT, metavar="FILE", help="write the report; - is stdout"),
]
Quiet = Annotated[bool, _option("-q", "--quiet", panel=_OUTPUT, help="print errors alone")]
Plan = Annotated[
    bool, _option("--plan", panel=_OUTPUT, help="print streams, rates, files; then exit")
]
Seed = Annotated[
    int | None, _option("--seed", panel=_OUTPUT, help="repeat a run (drawn and printed)")
]
Token = Annotated[
    str | None, _option("--token", panel=_ACCESS, metavar="JWT|@FILE", help="bearer token")
]
ApiKey = Annotated[
    str | None,
    _option("--api-key", panel=_ACCESS, envvar=config.API_KEY, help="sign a token for each bot"),
]
ApiSecret = Annotated[
    str | None,
    _option("--api-secret", panel=_ACCESS, envvar=config.API_SECRET, help="or @FILE"),
]
Header = Annotated[
    list[str] | None, _option("--header", panel=_ACCESS, metavar="'K: V'", help="sent along")
]
Cacert = Annotated[
    str | None, _option("--cacert", panel=_ACCESS, metavar="FILE", help="trusted certificate")
]
Insecure = Annotated[bool, _option("--insecure", panel=_ACCESS, help="trust any certificate")]
AllowHost = Annotated[
    list[str] | None,
    _option("--allow-host", panel=_ACCESS, metavar="HOST", help="permit more than 2 clients there"),
]
Pin = Annotated[
    str,
    _option("--pin", panel=_CPU, metavar="auto|off|S:L", help="cores of server and load, as 0:1"),
]
ServerArgs = Annotated[
    str,
    _option("--server-args", panel=_CPU, metavar="'ARGS'", help="for the server started here"),
]
