"""The options of ``sfukit check``, by the panel of its help that each stands in."""

from typing import Annotated, Any

import typer

from sfukit import config

_ACCESS, _WAY, _OUTPUT = "Access", "Way", "Output"


def _option(*names: str, panel: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


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
    _option("--play", panel=_WAY, metavar="URL", help="WHEP URL that plays a WHIP target"),
]
Room = Annotated[
    str | None, _option("--room", panel=_WAY, help="to enter (a new one, or the token's)")
]
Family = Annotated[
    str, _option("--family", panel=_WAY, metavar="4|6|both", help="addresses to try")
]
Srtp = Annotated[str, _option("--srtp", panel=_WAY, help="auto, gcm128 or cm80: what is offered")]
Token = Annotated[
    str | None, _option("--token", panel=_ACCESS, metavar="JWT|@FILE", help="bearer token")
]
ApiKey = Annotated[
    str | None,
    _option("--api-key", panel=_ACCESS, envvar=config.API_KEY, help="sign a token here"),
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
Gate = Annotated[
    list[str] | None,
    _option("-T", panel=_OUTPUT, metavar="GATE", help="PATH OP VALUE, as timings_ms.ice<50"),
]
Json = Annotated[
    str | None,
    _option("--json", panel=_OUTPUT, metavar="FILE", help="write the report; - is stdout"),
]
Quiet = Annotated[bool, _option("-q", "--quiet", panel=_OUTPUT, help="print errors alone")]
