"""The options of ``sfukit token``, by the panel of its help that each stands in."""

from typing import Annotated

import typer

_KEY, _WHO, _MAY = "Key", "Who", "May"

Room = Annotated[
    str | None,
    typer.Option(rich_help_panel=_WHO, help="the room it is for; without it every room"),
]
Identity = Annotated[
    str | None, typer.Option(rich_help_panel=_WHO, help="who the holder is: the uid in rooms")
]
Name = Annotated[str, typer.Option(rich_help_panel=_WHO, help="the name shown to others")]
Valid = Annotated[str, typer.Option(metavar="TIME", rich_help_panel=_WHO, help="such as 6h or 30m")]
Create = Annotated[
    bool,
    typer.Option("--create", rich_help_panel=_MAY, help="make the room if it is not there"),
]
Admin = Annotated[
    bool, typer.Option("--admin", rich_help_panel=_MAY, help="be host; see /debug/rooms")
]
Publish = Annotated[bool, typer.Option("--publish/--no-publish", rich_help_panel=_MAY)]
Subscribe = Annotated[bool, typer.Option("--subscribe/--no-subscribe", rich_help_panel=_MAY)]
Data = Annotated[bool, typer.Option("--data/--no-data", rich_help_panel=_MAY)]
Source = Annotated[
    list[str] | None,
    typer.Option(
        metavar="SOURCE",
        rich_help_panel=_MAY,
        help="publish only this: camera, microphone, screen_share, screen_share_audio, canvas",
    ),
]
Hidden = Annotated[bool, typer.Option("--hidden", rich_help_panel=_MAY, help="join unseen")]
ApiKey = Annotated[str | None, typer.Option(envvar="SFUKIT_API_KEY", rich_help_panel=_KEY)]
ApiSecret = Annotated[
    str | None,
    typer.Option(envvar="SFUKIT_API_SECRET", rich_help_panel=_KEY, help="or @FILE"),
]
Read = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="print what a token says; checked if the key is given"),
]
