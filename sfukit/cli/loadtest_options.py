"""The options of ``sfukit loadtest``, by the panel of its help that each stands in."""

from typing import Annotated

import typer

from sfukit.cli.access_options import ACCESS
from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT

_LOAD, _MEDIA, _NETWORK, _SHAPE = "Load", "Media", "Network", "Shape"
_GATES, _CPU = "Gates", "CPU"


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
    int | None, option("-c", "--clients", panel=_LOAD, help="participants in all (10)")
]
Rooms = Annotated[
    int | None, option("--rooms", panel=_LOAD, help="rooms (of 5 in a meeting, else one)")
]
Publishers = Annotated[
    int | None, option("--publishers", panel=_LOAD, help="with video and audio, per room")
]
Subscribers = Annotated[
    int | None, option("--subscribers", panel=_LOAD, help="that only receive, per room")
]
AudioPublishers = Annotated[
    int | None,
    option("--audio-publishers", panel=_LOAD, help="with audio alone, per room; 0: no audio"),
]
Scenario = Annotated[
    str,
    option(
        "--scenario",
        panel=_LOAD,
        metavar="NAME",
        help="meeting, webinar, broadcast, audio-room",
    ),
]
Ramp = Annotated[str, option("-r", "--ramp", panel=_SHAPE, metavar="RATE", help="joins per second")]
Duration = Annotated[
    str, option("-d", "--duration", panel=_SHAPE, metavar="TIME", help="the measured window")
]
Warmup = Annotated[
    str, option("--warmup", panel=_SHAPE, metavar="TIME", help="left out of the figures")
]
JoinTimeout = Annotated[
    str, option("--join-timeout", panel=_SHAPE, metavar="TIME", help="then a join has failed")
]
Codec = Annotated[str, option("--codec", panel=_MEDIA, help="vp8 or h264")]
Audio = Annotated[str, option("--audio", panel=_MEDIA, help="opus or none")]
NoSimulcast = Annotated[
    bool, option("--no-simulcast", panel=_MEDIA, help="one encoding instead of three")
]
Bitrate = Annotated[
    str | None,
    option(
        "--bitrate",
        panel=_MEDIA,
        metavar="RATE",
        help="of the largest encoding; other than 150k, 500k, 1.7M: encoded once",
    ),
]
Pacing = Annotated[
    str,
    option(
        "--pacing",
        panel=_MEDIA,
        help="libwebrtc: in bursts as browsers send; smooth: a little each 5 ms; whole: by frame",
    ),
]
PliPolicy = Annotated[
    str, option("--pli-policy", panel=_MEDIA, help="answer keyframe requests, or ignore them")
]
Unwatched = Annotated[
    str,
    option(
        "--unwatched",
        panel=_MEDIA,
        help="encodings without subscribers: dynacast (stop where the server says so), or send",
    ),
]
Srtp = Annotated[
    str, option("--srtp", panel=_MEDIA, help="auto, gcm128 or cm80: what the bots offer")
]
Play = Annotated[
    str | None,
    option("--play", panel=ACCESS, metavar="URL", help="WHEP URL that plays a WHIP target"),
]
NetUp = Annotated[
    str | None,
    option(
        "--net-up",
        panel=_NETWORK,
        metavar="SPEC",
        help="bots to server: rate=2M,queue=300ms,delay=50ms,jitter=10ms,loss=1%|ge:P,R,H,K",
    ),
]
NetDown = Annotated[
    str | None, option("--net-down", panel=_NETWORK, metavar="SPEC", help="server to bots")
]
NetShare = Annotated[
    str,
    option("--net-share", panel=_NETWORK, metavar="SHARE", help="of the bots that have it"),
]
Gate = Annotated[
    list[str] | None,
    option(
        "-T", panel=_GATES, metavar="GATE", help="PATH OP VALUE, such as e2e_frame_ms.p95<200ms"
    ),
]
NoDefaultGates = Annotated[
    bool, option("--no-default-gates", panel=_GATES, help="only those given by -T")
]
Plan = Annotated[
    bool, option("--plan", panel=OUTPUT, help="print streams, rates, files; then exit")
]
Seed = Annotated[
    int | None, option("--seed", panel=OUTPUT, help="repeat a run (drawn and printed)")
]
AllowHost = Annotated[
    list[str] | None,
    option("--allow-host", panel=ACCESS, metavar="HOST", help="permit more than 2 clients there"),
]
Pin = Annotated[
    str,
    option("--pin", panel=_CPU, metavar="auto|off|S:L", help="cores of server and load, as 0:1"),
]
ServerArgs = Annotated[
    str,
    option("--server-args", panel=_CPU, metavar="'ARGS'", help="for the server started here"),
]
