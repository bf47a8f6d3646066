"""The options of ``sfukit check``, by the panel of its help that each stands in."""

from typing import Annotated

import typer

from sfukit.cli.option import option

_WAY, _OUTPUT = "Way", "Output"


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
Family = Annotated[str, option("--family", panel=_WAY, metavar="4|6|both", help="addresses to try")]
Srtp = Annotated[str, option("--srtp", panel=_WAY, help="auto, gcm128 or cm80: what is offered")]
Gate = Annotated[
    list[str] | None,
    option("-T", panel=_OUTPUT, metavar="GATE", help="PATH OP VALUE, as timings_ms.ice<50"),
]
Json = Annotated[
    str | None,
    option("--json", panel=_OUTPUT, metavar="FILE", help="write the report; - is stdout"),
]
Quiet = Annotated[bool, option("-q", "--quiet", panel=_OUTPUT, help="print errors alone")]
