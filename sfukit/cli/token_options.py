"""The options of ``sfukit token``, by the panel of its help that each stands in."""

from typing import Annotated

from sfukit import config
from sfukit.cli.option import option

_KEY, _WHO, _MAY = "Key", "Who", "May"

Room = Annotated[
    str | None,
    option(panel=_WHO, help="the room it is for; without it every room"),
]
Identity = Annotated[str | None, option(panel=_WHO, help="who the holder is: the uid in rooms")]
Name = Annotated[str, option(panel=_WHO, help="the name shown to others")]
Valid = Annotated[str, option(metavar="TIME", panel=_WHO, help="such as 6h or 30m")]
Create = Annotated[
    bool,
    option("--create", panel=_MAY, help="make the room if it is not there"),
]
Admin = Annotated[bool, option("--admin", panel=_MAY, help="be host; see /debug/rooms")]
Publish = Annotated[bool, option("--publish/--no-publish", panel=_MAY)]
Subscribe = Annotated[bool, option("--subscribe/--no-subscribe", panel=_MAY)]
Data = Annotated[bool, option("--data/--no-data", panel=_MAY)]
Source = Annotated[
    list[str] | None,
    option(
        metavar="SOURCE",
        panel=_MAY,
        help="publish only this: camera, microphone, screen_share, screen_share_audio, canvas",
    ),
]
Hidden = Annotated[bool, option("--hidden", panel=_MAY, help="join unseen")]
ApiKey = Annotated[str | None, option(envvar=config.API_KEY, panel=_KEY)]
ApiSecret = Annotated[
    str | None,
    option(envvar=config.API_SECRET, panel=_KEY, help="or @FILE"),
]
Read = Annotated[
    str | None,
    option(metavar="TOKEN", help="print what a token says; checked if the key is given"),
]
