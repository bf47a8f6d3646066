"""Access of a bot to a target: token, headers, TLS."""

import re
import ssl
from dataclasses import dataclass, field

from sfukit.errors import UsageError
from sfukit.signaling.token import VideoGrants, claims_for, sign
from sfukit.targets import tls_context
from sfukit.targets.origin import Credentials

_SPARE_S = 3600
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")  # RFC 9110 section 5.6.2
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*")


@dataclass(frozen=True, kw_only=True)
class Access:
    """Access to a target: token or API key, headers, CA file, allowed hosts."""

    token: str | None = field(default=None, repr=False)
    api_key: str | None = None
    api_secret: str | None = field(default=None, repr=False)
    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    ca_file: str | None = None
    insecure: bool = False
    allow_hosts: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Refuse a token that is no token68 (RFC 6750 section 2.1)."""
        if self.token is not None and not _TOKEN68.fullmatch(self.token):
            raise UsageError(
                "--token: a token has letters, digits and -._~+/= alone",
                hint="is it the token itself, or the name of its file without @?",
            )


def headers(access: Access, room: str, identity: str, run_s: float) -> dict[str, str]:
    """Return the HTTP headers of one bot, with its own token where an API key was given."""
    made = dict(access.headers)
    token = access.token or _token(access, room, identity, run_s)
    if token is not None:
        made["Authorization"] = f"Bearer {token}"
    return made


def credentials(access: Access, url: str, room: str, identity: str, run_s: float) -> Credentials:
    """Return the headers of one bot, bound to the origin of a URL and to allowed hosts."""
    return Credentials(
        home=url, headers=headers(access, room, identity, run_s), allowed=access.allow_hosts
    )


def tls(access: Access, url: str) -> ssl.SSLContext | None:
    """Return the TLS context for a URL; None for http and ws."""
    if not url.startswith(("https:", "wss:")):
        return None
    return tls_context.client_context(access.ca_file, insecure=access.insecure, where="--cacert")


def parse_header(text: str) -> tuple[str, str]:
    """Read ``Name: value`` of ``--header``."""
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        raise UsageError("--header: one has no colon, or no name", hint="give 'Name: value'")
    name, value = name.strip(), value.strip()
    if not _NAME.fullmatch(name) or not (value.isascii() and (value + "x").isprintable()):
        raise UsageError(
            "--header: a name has no blank, and a value is printable ASCII",
            hint="give 'Name: value' (RFC 9110 section 5)",
        )
    return name, value


def fill_in(url: str, room: str, number: int) -> str:
    """Substitute ``{room}`` and ``{n}`` in a URL."""
    return url.replace("{room}", room).replace("{n}", str(number))


def _token(access: Access, room: str, identity: str, run_s: float) -> str | None:
    if access.api_key is None or access.api_secret is None:
        return None
    grants = VideoGrants(room=room, room_join=True, room_create=True)
    valid_s = int(run_s) + _SPARE_S
    return sign(claims_for(access.api_key, identity, grants, valid_s=valid_s), access.api_secret)
