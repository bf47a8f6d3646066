"""The options of ``sfukit token``, by panel of its help."""

from typing import Annotated

from sfukit import config
from sfukit.cli.option import option

_KEY, _IDENTITY, _GRANTS = "Key", "Identity", "Grants"

Room = Annotated[
    str | None,
    option(panel=_IDENTITY, help="room of the token; default: every room"),
]
Identity = Annotated[
    str | None, option(panel=_IDENTITY, help="identity of the participant: the uid in rooms")
]
Name = Annotated[str, option(panel=_IDENTITY, help="display name shown to others")]
Valid = Annotated[str, option(metavar="TIME", panel=_IDENTITY, help="validity, such as 6h or 30m")]
Create = Annotated[
    bool,
    option("--create", panel=_GRANTS, help="create the room on join"),
]
Admin = Annotated[bool, option("--admin", panel=_GRANTS, help="host role; access to /debug/rooms")]
Publish = Annotated[bool, option("--publish/--no-publish", panel=_GRANTS, help="publish tracks")]
Subscribe = Annotated[
    bool, option("--subscribe/--no-subscribe", panel=_GRANTS, help="subscribe to tracks")
]
Data = Annotated[bool, option("--data/--no-data", panel=_GRANTS, help="send messages")]
Source = Annotated[
    list[str] | None,
    option(
        metavar="SOURCE",
        panel=_GRANTS,
        help="publish only: camera, microphone, screen_share, screen_share_audio, canvas",
    ),
]
Hidden = Annotated[
    bool,
    option("--hidden", panel=_GRANTS, help="join without being listed to others; no publishing"),
]
ApiKey = Annotated[
    str | None, option(envvar=config.API_KEY, panel=_KEY, help="key that signs the token")
]
ApiSecret = Annotated[
    str | None,
    option(envvar=config.API_SECRET, panel=_KEY, help="secret, or @FILE"),
]
Read = Annotated[
    str | None,
    option(metavar="TOKEN", help="decode a token; verified if the key is given"),
]
