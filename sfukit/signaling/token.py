"""Access tokens: JWT in LiveKit's shape, HS256 and nothing else (RFC 7519, RFC 8725)."""

import time
from collections.abc import Mapping

import jwt
import msgspec

from sfukit.signaling.refusal import Refusal

ALGORITHM = "HS256"
_LEEWAY_S = 10


class VideoGrants(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The grants of a token; an unset ``can_...`` means true, as in LiveKit."""

    room: str = ""
    room_join: bool = False
    room_create: bool = False
    room_admin: bool = False
    can_publish: bool | None = None
    can_subscribe: bool | None = None
    can_publish_data: bool | None = None
    can_publish_sources: list[str] | None = None
    hidden: bool = False


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of a token."""

    iss: str
    sub: str = ""
    nbf: int | None = None
    exp: int | None = None
    name: str = ""
    video: VideoGrants = VideoGrants()


def sign(claims: Claims, secret: str) -> str:
    """Sign a token."""
    return jwt.encode(msgspec.to_builtins(claims), secret, algorithm=ALGORITHM)


def claims_for(
    key: str, identity: str, grants: VideoGrants, *, valid_s: int, name: str = ""
) -> Claims:
    """Return the claims of a token that is valid from now."""
    now = int(time.time())
    return Claims(key, identity, now, now + valid_s, name, grants)


def verify(token: str, secrets: Mapping[str, str]) -> Claims:
    """Verify signature and times with the secret of the token's issuer; raise ``Refusal``."""
    try:
        issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
        secret = secrets.get(issuer) if isinstance(issuer, str) else None
        if secret is None:
            raise Refusal("token_invalid", "the token is signed with a key unknown here")
        content = jwt.decode(
            token, secret, algorithms=[ALGORITHM], leeway=_LEEWAY_S, options={"require": ["exp"]}
        )
        return msgspec.convert(content, Claims)
    except jwt.ExpiredSignatureError:
        raise Refusal("token_expired", "the token has expired") from None
    except (jwt.PyJWTError, msgspec.ValidationError) as error:
        raise Refusal("token_invalid", f"the token cannot be used: {error}") from None


def read_unverified(token: str) -> dict[str, object]:
    """Return a token's claims without verification; raise ``Refusal`` for other text."""
    try:
        return dict(jwt.decode(token, options={"verify_signature": False}))
    except jwt.PyJWTError as error:
        raise Refusal("token_invalid", f"this is no token: {error}") from None
