"""The URL of a Galene group: its name, credentials in the URL, and its status document."""

from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urljoin, urlsplit, urlunsplit

import msgspec

_PATH = "/group/"
_ENDPOINT_SCHEMES = {"ws": "ws", "wss": "wss", "http": "ws", "https": "wss"}


class GroupUrl(NamedTuple):
    """A group, its URL without credentials, and the credentials that its URL had."""

    url: str
    group: str
    username: str
    password: str
    token: str | None


class _Status(msgspec.Struct):
    name: str
    endpoint: str


def parse(url: str) -> GroupUrl | None:
    """Parse ``http(s)://[USER:PASSWORD@]HOST/group/NAME/[?token=...]``; None for other URLs."""
    parts = urlsplit(url)
    before, separator, name = parts.path.partition(_PATH)
    group = unquote(name.strip("/"))
    if not separator or not group:
        return None
    host = parts.netloc.rpartition("@")[2]
    plain = urlunsplit((parts.scheme, host, f"{before}{_PATH}{name.strip('/')}/", "", ""))
    token = next(iter(parse_qs(parts.query).get("token", [])), None)
    return GroupUrl(
        plain, group, unquote(parts.username or ""), unquote(parts.password or ""), token
    )


def status_url(group: GroupUrl) -> str:
    """Return the URL of the status document of a group."""
    return urljoin(group.url, ".status")


def endpoint(group: GroupUrl, status: bytes) -> str | None:
    """Return the ws(s) URL named by a status document; None if it is none."""
    try:
        named = msgspec.json.decode(status, type=_Status).endpoint
        parts = urlsplit(urljoin(group.url, named))
        _ = parts.port
    except (msgspec.DecodeError, ValueError):
        return None
    scheme = _ENDPOINT_SCHEMES.get(parts.scheme)
    if scheme is None or not parts.hostname:
        return None
    return urlunsplit((scheme, parts.netloc, parts.path, parts.query, ""))
