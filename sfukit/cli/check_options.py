"""The options of ``sfukit check``, by the panel of its help that each stands in."""

from typing import Annotated

import typer

from sfukit.cli.access_options import ACCESS
from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT, family

_WAY = "Way"


Target = Annotated[
    str,
    typer.Argument(
        metavar="TARGET",
        help="http(s)://HOST:PORT of an sfukit server, a WHIP or a WHEP URL; [KIND+]URL forces "
        "sfukit+, whip+ or whep+; {room} is filled in",
        show_default=False,
    ),
]
Play = Annotated[
    str | None,
    option("--play", panel=_WAY, metavar="URL", help="WHEP URL that plays a WHIP target"),
]
Room = Annotated[
    str | None, option("--room", panel=_WAY, help="to enter (a new one, or the token's)")
]
Family = Annotated[str, family(_WAY)]
Srtp = Annotated[str, option("--srtp", panel=_WAY, help="auto, gcm128 or cm80: what is offered")]
AllowHost = Annotated[
    list[str] | None,
    option(
        "--allow-host",
        panel=ACCESS,
        metavar="HOST",
        help="send token and headers there too, where the target redirects to it",
    ),
]
Gate = Annotated[
    list[str] | None,
    option("-T", panel=OUTPUT, metavar="GATE", help="PATH OP VALUE, as timings_ms.ice<50"),
]
