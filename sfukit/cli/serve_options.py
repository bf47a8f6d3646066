"""The options of ``sfukit serve``, by the panel of its help that each stands in."""

from pathlib import Path
from typing import Annotated

from sfukit import config
from sfukit.cli.option import option

_LISTEN, _ACCESS, _MEDIA, _LIMITS = "Listen", "Access", "Media", "Limits"


Http = Annotated[
    str | None,
    option(
        panel=_LISTEN,
        help="HTTP and WebSocket; default 127.0.0.1:7080, port 0 takes a free one",
        metavar="HOST:PORT",
    ),
]
MetricsHttp = Annotated[
    str | None,
    option(
        "--metrics",
        panel=_LISTEN,
        help="serve /metrics here alone; default beside the rest",
        metavar="HOST:PORT",
    ),
]
UdpPort = Annotated[
    int | None,
    option(panel=_LISTEN, help="media; default 7081, 0 takes a free one", min=0, max=65535),
]
Workers = Annotated[
    int | None,
    option(
        panel=_LISTEN, help="media threads, each with a UDP port of its own in a row", min=1, max=64
    ),
]
Advertise = Annotated[
    list[str] | None,
    option(
        panel=_LISTEN, help="tell this address to peers instead of the machine's own", metavar="IP"
    ),
]
Interface = Annotated[
    list[str] | None,
    option(panel=_LISTEN, help="tell only the addresses of this interface", metavar="NAME"),
]
TlsCert = Annotated[
    Path | None,
    option(panel=_LISTEN, help="serve HTTPS with this certificate chain", metavar="PEM"),
]
TlsKey = Annotated[
    Path | None,
    option(panel=_LISTEN, help="its private key, if not in the same file", metavar="PEM"),
]

ApiKey = Annotated[
    str | None,
    option(panel=_ACCESS, help="ask for tokens signed under this key", envvar=config.API_KEY),
]
ApiSecret = Annotated[
    str | None, option(panel=_ACCESS, help="the key's secret, or @FILE", envvar=config.API_SECRET)
]
Dev = Annotated[
    str | None,
    option(panel=_ACCESS, help="fixed test keys; prints a link with a token", metavar="KEY:SECRET"),
]
AllowOrigin = Annotated[
    list[str] | None,
    option(
        panel=_ACCESS, help="let pages from there use this server; * lets all", metavar="ORIGIN"
    ),
]
TrustedProxy = Annotated[
    list[str] | None,
    option(
        panel=_ACCESS,
        help="take a client's address from X-Forwarded-For of proxies in this network",
        metavar="CIDR",
    ),
]

HttpPrefix = Annotated[
    str | None,
    option(
        panel=_ACCESS,
        help="path that a reverse proxy puts before every path, such as /sfu",
        metavar="PATH",
    ),
]

EndAtExp = Annotated[
    bool | None,
    option(
        "--end-at-exp/--no-end-at-exp",
        panel=_ACCESS,
        help="end memberships, WHIP and WHEP sessions when their token expires",
    ),
]

Stun = Annotated[
    bool | None,
    option(
        "--stun/--no-stun",
        panel=_MEDIA,
        help="answer plain STUN on the media port too, as probes of it ask",
    ),
]
Bwe = Annotated[
    str | None,
    option(
        panel=_MEDIA,
        help="bandwidth estimator; none: client-requested layers only; default loss-rtt",
        metavar="none|loss-rtt",
    ),
]
Srtp = Annotated[
    str | None, option(panel=_MEDIA, help="SRTP profiles to agree to", metavar="auto|gcm128|cm80")
]
Coalesce = Annotated[
    int | None,
    option(
        panel=_MEDIA,
        help="let packets wait this long for others, to send them in runs, and up to 20 ms while "
        "busy; default 5, 0: never",
        metavar="MS",
        min=0,
        max=20,
    ),
]
Pad = Annotated[
    str | None,
    option(
        panel=_MEDIA, help="pad packets where that makes longer runs; default on", metavar="on|off"
    ),
]
NackTtl = Annotated[
    int | None,
    option(
        panel=_MEDIA,
        help="keep packets for retransmission this long; default by the RTT",
        metavar="MS",
        min=0,
    ),
]
MaxPublishBitrate = Annotated[
    str | None,
    option(
        panel=_MEDIA,
        help="most per video track, such as 2.5M; dropped above 1.5 times that",
        metavar="RATE",
    ),
]
AutoSubscribe = Annotated[
    int | None,
    option(
        panel=_MEDIA,
        help="publications of a kind that a participant gets unasked; default 25",
        metavar="N",
        min=0,
        max=30,
    ),
]

MaxRooms = Annotated[int | None, option(panel=_LIMITS, min=1)]
MaxParticipants = Annotated[int | None, option(panel=_LIMITS, min=1)]
MaxEgress = Annotated[
    str | None,
    option(panel=_LIMITS, help="take nobody in while more is sent, such as 800M", metavar="RATE"),
]
RoomIdle = Annotated[
    float | None,
    option(
        panel=_LIMITS, help="close an empty room after this; default 60", metavar="SECONDS", min=0
    ),
]

Config = Annotated[
    Path | None,
    option(help="read settings from a file; options come before it", metavar="TOML"),
]
OpenPage = Annotated[bool, option("--open", help="open the demo page in the browser")]
JsonTo = Annotated[
    str | None,
    option(
        "--json",
        help="write where the server is, once it is ready; - is standard output",
        metavar="FILE",
    ),
]
LogFormat = Annotated[str, option("--log", help="how log lines look", metavar="console|json")]
LogLevel = Annotated[
    str, option(help="which log lines there are", metavar="debug|info|warning|error")
]
