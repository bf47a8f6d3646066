"""TURN URIs (RFC 7065), and the variants of transport that one URI asks for."""

import re
from dataclasses import dataclass
from typing import Literal

from sfukit.errors import UsageError
from sfukit.host_port import Endpoint

Variant = Literal["udp", "tcp", "tls"]
Scheme = Literal["turn", "turns"]

DEFAULT_PORT = 3478
DEFAULT_TLS_PORT = 5349

_URI = re.compile(
    r"(?P<scheme>turns?):(?://)?(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[^\s:/\[\]@?#]+))"
    r"(?::(?P<port>\d{1,5}))?(?:\?transport=(?P<transport>\w+))?",
    re.IGNORECASE,
)
_EXAMPLE = "give turn:HOST, turn:HOST:3478?transport=tcp or turns:HOST:5349"


@dataclass(frozen=True)
class TurnUri:
    """A TURN URI as browsers take it; ``port`` and ``transport`` are None if absent."""

    scheme: Scheme
    host: str
    port: int | None = None
    transport: Literal["udp", "tcp"] | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        transport = f"?transport={self.transport}" if self.transport else ""
        return f"{self.scheme}:{host}{port}{transport}"

    @property
    def variants(self) -> tuple[Variant, ...]:
        """List the transports that browsers use for this URI; without one both for ``turn``."""
        if self.scheme == "turns":
            return ("tls",)
        return (self.transport,) if self.transport else ("udp", "tcp")

    def endpoint(self, variant: Variant) -> Endpoint:
        """Return host and port of a variant; a given port belongs to the URI's own scheme."""
        if variant == "tls":
            given = self.port if self.scheme == "turns" else None
            return Endpoint(self.host, given or DEFAULT_TLS_PORT)
        given = self.port if self.scheme == "turn" else None
        return Endpoint(self.host, given or DEFAULT_PORT)


def parse(text: str) -> TurnUri:
    """Read one URI; raises ``UsageError``."""
    match = _URI.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r}: this is no TURN URI", hint=_EXAMPLE)
    scheme: Scheme = "turns" if match["scheme"].lower() == "turns" else "turn"
    port = int(match["port"]) if match["port"] else None
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"{text!r}: {port} is no port", hint=_EXAMPLE)
    host = match["v6"] or match["host"]
    match (match["transport"] or "").lower():
        case "":
            return TurnUri(scheme, host, port)
        case "udp" if scheme == "turn":
            return TurnUri(scheme, host, port, "udp")
        case "tcp":
            return TurnUri(scheme, host, port, "tcp")
        case "udp":
            raise UsageError(
                f"{text!r}: TURN over DTLS is not supported, nor is it by browsers",
                hint="browsers use udp, tcp and tls: turns:HOST?transport=tcp",
            )
    raise UsageError(f"{text!r}: no such transport", hint="give ?transport=udp or ?transport=tcp")


def variants(text: str) -> tuple[Variant, ...]:
    """Read ``udp,tcp,tls``; raises ``UsageError``."""
    known: dict[str, Variant] = {"udp": "udp", "tcp": "tcp", "tls": "tls"}
    chosen: list[Variant] = []
    for name in text.lower().split(","):
        if name.strip() == "dtls":
            raise UsageError(
                "--variants: dtls is not supported, nor is it by browsers",
                hint="choose among udp,tcp,tls",
            )
        if name.strip() not in known:
            raise UsageError(f"--variants {text!r}: not known", hint="choose among udp,tcp,tls")
        chosen.append(known[name.strip()])
    return tuple(dict.fromkeys(chosen))
