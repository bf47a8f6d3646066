"""The options of ``sfukit latency`` that differ from those of ``sfukit loadtest``."""

from typing import Annotated

from sfukit.cli.option import option

_TIMING, _MEDIA, _TWO_HOSTS = "Timing", "Media", "Two hosts"

Duration = Annotated[
    str, option("-d", "--duration", panel=_TIMING, metavar="TIME", help="measured window")
]
Interval = Annotated[
    str, option("--interval", panel=_TIMING, metavar="TIME", help="time between two samples")
]
JoinTimeout = Annotated[
    str,
    option(
        "--join-timeout",
        panel=_TIMING,
        metavar="TIME",
        help="limit for a join, and from there for the first frame",
    ),
]
Bitrate = Annotated[
    str,
    option(
        "--bitrate",
        panel=_MEDIA,
        metavar="RATE",
        help="of the only encoding; other than 150k, 500k, 1.7M: encoded first",
    ),
]
Room = Annotated[
    str | None,
    option("--room", panel=_MEDIA, metavar="NAME", help="room to join (default: a new one)"),
]
Engine = Annotated[
    str,
    option(
        "--engine",
        panel=_MEDIA,
        metavar="NAME",
        help="native; aiortc: again by aiortc, which encodes and decodes, both compared",
    ),
]
PublishOnly = Annotated[
    bool,
    option("--publish-only", panel=_TWO_HOSTS, help="this end publishes; needs --peer"),
]
SubscribeOnly = Annotated[
    bool,
    option("--subscribe-only", panel=_TWO_HOSTS, help="this end subscribes; needs --peer"),
]
Peer = Annotated[
    str | None,
    option(
        "--peer",
        panel=_TWO_HOSTS,
        metavar="HOST:PORT",
        help="UDP, for the clock offset: where the publisher's end listens",
    ),
]
PeerToken = Annotated[
    str | None,
    option(
        "--peer-token",
        panel=_TWO_HOSTS,
        metavar="TEXT|@FILE",
        help="the same on both ends (default: random, printed by the publisher's end)",
    ),
]
