"""The address of the clock exchange, ``HOST:PORT``."""

from typing import NamedTuple
from urllib.parse import urlsplit

from sfukit.errors import UsageError

_HINT = "give HOST:PORT, such as 192.0.2.1:7099 or [2001:db8::1]:7099"


class PeerAddress(NamedTuple):
    """Where the publisher's end listens."""

    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def parse(text: str) -> PeerAddress:
    """Parse ``HOST:PORT``; raise ``UsageError``."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"--peer {text}: {error}", hint=_HINT) from error
    if not host or port is None or parts.netloc != text or parts.username is not None:
        raise UsageError(f"--peer {text}: not HOST:PORT", hint=_HINT)
    return PeerAddress(host, port)
