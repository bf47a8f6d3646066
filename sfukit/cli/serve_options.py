"""The options of ``sfukit serve``, by the panel of its help that each stands in."""

from pathlib import Path
from typing import Annotated, Any

import typer

from sfukit import config

_LISTEN, _ACCESS, _MEDIA, _LIMITS = "Listen", "Access", "Media", "Limits"


def _option(panel: str | None, help: str | None, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


Http = Annotated[
    str | None,
    _option(
        _LISTEN,
        "HTTP and WebSocket; default 127.0.0.1:7080, port 0 takes a free one",
        metavar="HOST:PORT",
    ),
]
UdpPort = Annotated[
    int | None, _option(_LISTEN, "media; default 7081, 0 takes a free one", min=0, max=65535)
]
Workers = Annotated[
    int | None,
    _option(_LISTEN, "media threads, each with a UDP port of its own in a row", min=1, max=64),
]
Advertise = Annotated[
    list[str] | None,
    _option(_LISTEN, "tell this address to peers instead of the machine's own", metavar="IP"),
]
Interface = Annotated[
    list[str] | None,
    _option(_LISTEN, "tell only the addresses of this interface", metavar="NAME"),
]
TlsCert = Annotated[
    Path | None, _option(_LISTEN, "serve HTTPS with this certificate chain", metavar="PEM")
]
TlsKey = Annotated[
    Path | None, _option(_LISTEN, "its private key, if not in the same file", metavar="PEM")
]

ApiKey = Annotated[
    str | None,
    _option(_ACCESS, "ask for tokens signed under this key", envvar=config.API_KEY),
]
ApiSecret = Annotated[
    str | None, _option(_ACCESS, "the key's secret, or @FILE", envvar=config.API_SECRET)
]
Dev = Annotated[
    str | None,
    _option(_ACCESS, "fixed test keys; prints a link with a token", metavar="KEY:SECRET"),
]
AllowOrigin = Annotated[
    list[str] | None,
    _option(_ACCESS, "let pages from there use this server; * lets all", metavar="ORIGIN"),
]

Stun = Annotated[
    bool | None,
    _option(
        _MEDIA, "answer plain STUN on the media port too, as probes of it ask", "--stun/--no-stun"
    ),
]
Bwe = Annotated[
    str | None,
    _option(
        _MEDIA,
        "what chooses encodings; default none: requests alone",
        metavar="none|loss-rtt",
    ),
]
Srtp = Annotated[
    str | None, _option(_MEDIA, "SRTP profiles to agree to", metavar="auto|gcm128|cm80")
]
Coalesce = Annotated[
    int | None,
    _option(
        _MEDIA,
        "let packets wait this long for others, to send them in runs; default 5, 0: off",
        metavar="MS",
        min=0,
        max=20,
    ),
]
Pad = Annotated[
    str | None,
    _option(_MEDIA, "pad packets where that makes longer runs; default on", metavar="on|off"),
]
NackTtl = Annotated[
    int | None,
    _option(
        _MEDIA,
        "keep packets for retransmission this long; default by the RTT",
        metavar="MS",
        min=0,
    ),
]
MaxPublishBitrate = Annotated[
    str | None,
    _option(_MEDIA, "ask publishers for no more, such as 2.5M", metavar="RATE"),
]
AutoSubscribe = Annotated[
    int | None,
    _option(
        _MEDIA,
        "publications of a kind that a participant gets unasked; default 25",
        metavar="N",
        min=0,
        max=30,
    ),
]

MaxRooms = Annotated[int | None, _option(_LIMITS, None, min=1)]
MaxParticipants = Annotated[int | None, _option(_LIMITS, None, min=1)]
MaxEgress = Annotated[
    str | None,
    _option(_LIMITS, "take nobody in while more is sent, such as 800M", metavar="RATE"),
]
RoomIdle = Annotated[
    float | None,
    _option(_LIMITS, "close an empty room after this; default 60", metavar="SECONDS", min=0),
]

Config = Annotated[
    Path | None, _option(None, "read settings from a file; options come before it", metavar="TOML")
]
OpenPage = Annotated[bool, _option(None, "open the demo page in the browser", "--open")]
JsonTo = Annotated[
    str | None,
    _option(
        None,
        "write where the server is, once it is ready; - is standard output",
        "--json",
        metavar="FILE",
    ),
]
LogFormat = Annotated[str, _option(None, "how log lines look", "--log", metavar="console|json")]
LogLevel = Annotated[
    str, _option(None, "which log lines there are", metavar="debug|info|warning|error")
]
