"""`sfukit token`: create an access token, or decode one."""

import datetime

import typer

from sfukit.cli import token_options as options
from sfukit.cli.examples import examples
from sfukit.config import secret
from sfukit.errors import UsageError
from sfukit.units import duration_s

app = typer.Typer(add_completion=False)


@app.command(
    epilog=examples(
        "sfukit token --api-key KEY --api-secret @s.txt --room demo --identity ann",
    ),
)
def token(
    room: options.Room = None,
    identity: options.Identity = None,
    name: options.Name = "",
    valid: options.Valid = "6h",
    create: options.Create = False,
    admin: options.Admin = False,
    publish: options.Publish = True,
    subscribe: options.Subscribe = True,
    data: options.Data = True,
    source: options.Source = None,
    hidden: options.Hidden = False,
    api_key: options.ApiKey = None,
    api_secret: options.ApiSecret = None,
    read: options.Read = None,
) -> None:
    """Print a new access token, or decode one with --read."""
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
        raise UsageError("--identity is needed: the uid of the participant")
    from sfukit.signaling.names import SOURCE_KINDS, participant_name, room_name
    from sfukit.signaling.refusal import Refusal
    from sfukit.signaling.token import VideoGrants, claims_for, sign

    unknown = sorted(set(source or ()) - SOURCE_KINDS.keys())
    if unknown:
        raise UsageError(f"--source {unknown[0]}: choose one of {', '.join(sorted(SOURCE_KINDS))}")
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
    """Return the claims of a token, the state of its signature, and its expiry."""
    import msgspec

    from sfukit import report
    from sfukit.cli.output import visible
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
        until = _instant(expires)
    shown = report.indented(msgspec.json.encode(content))
    return f"{shown}signature  {visible(verdict)}\nexpires    {until}"


def _instant(at_s: int) -> str:
    try:
        return datetime.datetime.fromtimestamp(at_s, datetime.UTC).isoformat()
    except (ValueError, OverflowError, OSError):  # beyond year 9999
        return f"{at_s} s after 1970"
