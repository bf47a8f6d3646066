"""The options of ``sfukit check``, by panel of its help."""

from typing import Annotated

import typer

from sfukit.cli.access_options import ACCESS
from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT, family

_TRANSPORT = "Transport"


Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="http(s)://HOST:PORT of an sfukit server, a WHIP or a WHEP URL; [KIND+]URL forces "
        "sfukit+, whip+ or whep+; {room} is substituted",
        show_default=False,
    ),
]
Play = Annotated[
    str | None,
    option(
        "--play",
        panel=_TRANSPORT,
        metavar="URL",
        help="WHEP URL that plays what the WHIP target publishes",
    ),
]
Room = Annotated[
    str | None,
    option("--room", panel=_TRANSPORT, help="room to join; default: the token's, or a new one"),
]
Family = Annotated[str, family(_TRANSPORT)]
Srtp = Annotated[
    str, option("--srtp", panel=_TRANSPORT, help="profiles offered: auto, gcm128 or cm80")
]
AllowHost = Annotated[
    list[str] | None,
    option(
        "--allow-host",
        panel=ACCESS,
        metavar="HOST",
        help="also send token and headers to HOST after a redirect",
    ),
]
Gate = Annotated[
    list[str] | None,
    option("-T", panel=OUTPUT, metavar="GATE", help="PATH OP VALUE, such as timings_ms.ice<50"),
]
