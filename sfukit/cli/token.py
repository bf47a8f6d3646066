"""`sfukit token`: make an access token, or read one."""

import datetime
from typing import Annotated

import typer

from sfukit.cli.examples import examples
from sfukit.config import secret
from sfukit.errors import UsageError
from sfukit.units import duration_s

app = typer.Typer(add_completion=False)

_KEY, _WHO, _MAY = "Key", "Who", "May"


@app.command(
    epilog=examples(
        "sfukit token --api-key KEY --api-secret @s.txt --room demo --identity ann",
    ),
)
def token(
    room: Annotated[
        str | None,
        typer.Option(rich_help_panel=_WHO, help="the room it is for; without it every room"),
    ] = None,
    identity: Annotated[
        str | None, typer.Option(rich_help_panel=_WHO, help="who the holder is: the uid in rooms")
    ] = None,
    name: Annotated[str, typer.Option(rich_help_panel=_WHO, help="the name shown to others")] = "",
    valid: Annotated[
        str, typer.Option(metavar="TIME", rich_help_panel=_WHO, help="such as 6h or 30m")
    ] = "6h",
    create: Annotated[
        bool,
        typer.Option("--create", rich_help_panel=_MAY, help="make the room if it is not there"),
    ] = False,
    admin: Annotated[
        bool, typer.Option("--admin", rich_help_panel=_MAY, help="be host; see /debug/rooms")
    ] = False,
    publish: Annotated[bool, typer.Option("--publish/--no-publish", rich_help_panel=_MAY)] = True,
    subscribe: Annotated[
        bool, typer.Option("--subscribe/--no-subscribe", rich_help_panel=_MAY)
    ] = True,
    data: Annotated[bool, typer.Option("--data/--no-data", rich_help_panel=_MAY)] = True,
    source: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SOURCE",
            rich_help_panel=_MAY,
            help="publish only this: camera, microphone, screen_share, screen_share_audio, canvas",
        ),
    ] = None,
    hidden: Annotated[
        bool, typer.Option("--hidden", rich_help_panel=_MAY, help="join unseen")
    ] = False,
    api_key: Annotated[
        str | None, typer.Option(envvar="SFUKIT_API_KEY", rich_help_panel=_KEY)
    ] = None,
    api_secret: Annotated[
        str | None,
        typer.Option(envvar="SFUKIT_API_SECRET", rich_help_panel=_KEY, help="or @FILE"),
    ] = None,
    read: Annotated[
        str | None,
        typer.Option(metavar="TOKEN", help="print what a token says; checked if the key is given"),
    ] = None,
) -> None:
    """Make an access token and print it; with --read print what one says."""
    keys = _keys(api_key, api_secret)
    if read is not None:
        print(_described(read, keys))
        return
    if not keys:
        raise UsageError(
            "a token is signed with a key: --api-key and --api-secret are needed",
            hint="or set SFUKIT_API_KEY and SFUKIT_API_SECRET",
        )
    if not identity:
        raise UsageError("--identity is needed: it says who the holder is")
    from sfukit.signaling.names import SOURCES, participant_name, room_name
    from sfukit.signaling.refusal import Refusal
    from sfukit.signaling.token import VideoGrants, claims_for, sign

    unknown = sorted(set(source or ()) - SOURCES)
    if unknown:
        raise UsageError(f"--source {unknown[0]}: choose of {', '.join(sorted(SOURCES))}")
    try:
        participant_name(identity)
        grants = VideoGrants(
            room=room_name(room) if room else "",
            room_join=True,
            room_create=create,
            room_admin=admin,
            can_publish=publish,
            can_subscribe=subscribe,
            can_publish_data=data,
            can_publish_sources=source or None,
            hidden=hidden,
        )
    except Refusal as refusal:
        raise UsageError(refusal.detail) from None
    key, value = next(iter(keys.items()))
    valid_s = int(duration_s(valid, "--valid"))
    print(sign(claims_for(key, identity, grants, valid_s=valid_s, name=name), value))


def _keys(key: str | None, text: str | None) -> dict[str, str]:
    if not key or not text:
        return {}
    return {key: secret(text, "--api-secret")}


def _described(text: str, keys: dict[str, str]) -> str:
    """Say what a token says, whether it is genuine, and until when."""
    import msgspec

    from sfukit.signaling.refusal import Refusal
    from sfukit.signaling.token import read_unverified, verify

    try:
        content = read_unverified(text)
    except Refusal as refusal:
        raise UsageError(refusal.detail) from None
    verdict = "not checked: no key given"
    if keys:
        try:
            verify(text, keys)
            verdict = "valid"
        except Refusal as refusal:
            verdict = f"{refusal.reason}: {refusal.detail}"
    expires = content.get("exp")
    until = "no expiry"
    if isinstance(expires, int):
        until = datetime.datetime.fromtimestamp(expires, datetime.UTC).isoformat()
    shown = msgspec.json.format(msgspec.json.encode(content), indent=2).decode()
    return f"{shown}\nsignature  {verdict}\nexpires    {until}"
