"""The options of ``sfukit serve``, by panel of its help."""

from pathlib import Path
from typing import Annotated

from sfukit import config
from sfukit.cli.option import option

_LISTEN, _ACCESS, _MEDIA, _TURN, _LIMITS = "Listen", "Access", "Media", "TURN", "Limits"


Http = Annotated[
    str | None,
    option(
        panel=_LISTEN,
        help="HTTP and WebSocket; default 127.0.0.1:7080, port 0 picks a free one",
        metavar="HOST:PORT",
    ),
]
MetricsHttp = Annotated[
    str | None,
    option(
        "--metrics",
        panel=_LISTEN,
        help="separate listener for /metrics; default: on the --http listener",
        metavar="HOST:PORT",
    ),
]
UdpPort = Annotated[
    int | None,
    option(panel=_LISTEN, help="media port; default 7081, 0 picks a free one", min=0, max=65535),
]
Workers = Annotated[
    int | None,
    option(
        panel=_LISTEN,
        help="media threads on consecutive UDP ports; default 1",
        min=1,
        max=64,
    ),
]
Advertise = Annotated[
    list[str] | None,
    option(
        panel=_LISTEN,
        help="address put into ICE candidates instead of the local one (1:1 NAT)",
        metavar="IP",
    ),
]
Interface = Annotated[
    list[str] | None,
    option(panel=_LISTEN, help="gather candidates on this interface only", metavar="NAME"),
]
TlsCert = Annotated[
    Path | None,
    option(panel=_LISTEN, help="certificate chain: HTTPS and WSS instead of HTTP", metavar="PEM"),
]
TlsKey = Annotated[
    Path | None,
    option(panel=_LISTEN, help="private key; default: in the --tls-cert file", metavar="PEM"),
]

ApiKey = Annotated[
    str | None,
    option(panel=_ACCESS, help="require tokens signed with this key", envvar=config.API_KEY),
]
ApiSecret = Annotated[
    str | None,
    option(panel=_ACCESS, help="secret of --api-key, or @FILE", envvar=config.API_SECRET),
]
Dev = Annotated[
    str | None,
    option(
        panel=_ACCESS,
        help="fixed API key for tests; prints a link with a token",
        metavar="KEY:SECRET",
    ),
]
AllowOrigin = Annotated[
    list[str] | None,
    option(
        panel=_ACCESS,
        help="web origin allowed to use this server; * allows all",
        metavar="ORIGIN",
    ),
]
TrustedProxy = Annotated[
    list[str] | None,
    option(
        panel=_ACCESS,
        help="trust X-Forwarded-For from proxies in this network",
        metavar="CIDR",
    ),
]

HttpPrefix = Annotated[
    str | None,
    option(
        panel=_ACCESS,
        help="path prefix added by a reverse proxy, such as /sfu",
        metavar="PATH",
    ),
]

EndAtExp = Annotated[
    bool | None,
    option(
        "--end-at-exp/--no-end-at-exp",
        panel=_ACCESS,
        help="disconnect participants when their token expires; default: no",
    ),
]

Stun = Annotated[
    bool | None,
    option(
        "--stun/--no-stun",
        panel=_MEDIA,
        help="answer unauthenticated STUN Binding requests on the media port",
    ),
]
Bwe = Annotated[
    str | None,
    option(
        panel=_MEDIA,
        help="bandwidth estimator; gcc: by transport-wide feedback, else REMB, else receiver "
        "reports; none: client-requested layers only; default gcc",
        metavar="gcc|loss-rtt|remb|none",
    ),
]
Srtp = Annotated[
    str | None,
    option(
        panel=_MEDIA,
        help="accepted SRTP profiles; auto prefers AES-GCM; default auto",
        metavar="auto|gcm128|cm80",
    ),
]
Coalesce = Annotated[
    int | None,
    option(
        panel=_MEDIA,
        help="egress batching window for UDP GSO; up to 20 ms under load; 0 disables; default 5",
        metavar="MS",
        min=0,
        max=20,
    ),
]
Pad = Annotated[
    str | None,
    option(
        panel=_MEDIA,
        help="RTP padding to make GSO segments equal; default on",
        metavar="on|off",
    ),
]
NackTtl = Annotated[
    int | None,
    option(
        panel=_MEDIA,
        help="how long packets are kept for retransmission; default: by RTT",
        metavar="MS",
        min=0,
    ),
]
MaxPublishBitrate = Annotated[
    str | None,
    option(
        panel=_MEDIA,
        help="limit per video track, such as 2.5M; packets above 1.5x are dropped",
        metavar="RATE",
    ),
]
MaxSubscriptionBitrate = Annotated[
    str | None,
    option(
        panel=_MEDIA,
        help="most bitrate to one subscriber; default: 2.5 times what its subscriptions want",
        metavar="RATE",
    ),
]
LastN = Annotated[
    int | None,
    option(
        panel=_MEDIA,
        help="video of the last N speakers only, and pinned videos and screens; default: of all",
        metavar="N",
        min=0,
        max=1000,
    ),
]
AutoSubscribe = Annotated[
    int | None,
    option(
        panel=_MEDIA,
        help="publications per kind subscribed automatically on join; default 25",
        metavar="N",
        min=0,
        max=30,
    ),
]

Turn = Annotated[
    list[str] | None,
    option(
        panel=_TURN,
        help="TURN server that clients get, with time-limited credentials; region: first for "
        "clients of that region",
        metavar="URI[;region=NAME]",
    ),
]
TurnSecret = Annotated[
    str | None,
    option(
        panel=_TURN,
        help="secret shared with the TURN servers (coturn: static-auth-secret), as @FILE or in "
        f"{config.TURN_SECRET}",
        metavar="@FILE",
    ),
]
TurnTtl = Annotated[
    str | None,
    option(
        panel=_TURN,
        help="validity of credentials in rooms, renewed before they expire; default 1h",
        metavar="TIME",
    ),
]
TurnRegions = Annotated[
    str | None,
    option(
        panel=_TURN,
        help="regions of clients: lines of NETWORK REGION, such as 203.0.113.0/24 eu",
        metavar="FILE",
    ),
]

MaxRooms = Annotated[
    int | None, option(panel=_LIMITS, help="rooms at a time; default unlimited", min=1)
]
MaxParticipants = Annotated[
    int | None,
    option(panel=_LIMITS, help="participants and viewers at a time; default unlimited", min=1),
]
MaxEgress = Annotated[
    str | None,
    option(
        panel=_LIMITS,
        help="refuse joins while egress exceeds this, such as 800M",
        metavar="RATE",
    ),
]
RoomIdle = Annotated[
    float | None,
    option(
        panel=_LIMITS,
        help="close a room that has been empty for this long; default 60",
        metavar="SECONDS",
        min=0,
    ),
]

Config = Annotated[
    Path | None,
    option(help="settings file; options win", metavar="TOML"),
]
OpenPage = Annotated[bool, option("--open", help="open the demo page in a browser")]
JsonTo = Annotated[
    str | None,
    option(
        "--json",
        help="write URLs, ports and pid once ready; - is stdout",
        metavar="FILE",
    ),
]
LogFormat = Annotated[str, option("--log", help="log format", metavar="console|json")]
LogLevel = Annotated[str, option(help="minimum severity", metavar="debug|info|warning|error")]
