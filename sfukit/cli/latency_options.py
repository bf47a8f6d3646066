"""The options of ``sfukit latency`` that differ from those of ``sfukit loadtest``."""

from typing import Annotated

from sfukit.cli.option import option

_TIMING, _MEDIA = "Timing", "Media"

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
