"""What a server is told: from the command line, or from a TOML file under it."""

from pathlib import Path
from typing import Any, Literal

import msgspec

from sfukit.errors import UsageError
from sfukit.server.native_messages import ServerConfig, SrtpChoice

DEFAULT_HTTP_PORT = 7080
DEFAULT_UDP_PORT = 7081


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds on what is admitted; None means unbounded."""

    max_rooms: int | None = None
    max_participants: int | None = None
    max_egress_bps: int | None = None
    max_publications_per_kind: int = 8  # of one participant
    requests_per_s: float = 200.0
    requests_burst: int = 400


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long things may take, in seconds."""

    room_idle_s: float = 60.0
    negotiation_s: float = 30.0
    debounce_s: float = 0.05
    ping_s: float = 20.0
    drain_s: float = 30.0


class IceServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A STUN or TURN server that peers are told of."""

    url: str
    username: str | None = None
    credential: str | None = None


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything `sfukit serve` can be told."""

    http_host: str = "127.0.0.1"
    http_port: int = DEFAULT_HTTP_PORT
    udp_port: int = DEFAULT_UDP_PORT
    workers: int = 1
    advertise: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    api_keys: dict[str, str] = {}
    allowed_origins: tuple[str, ...] = ()
    end_at_exp: bool = False
    srtp: SrtpChoice = "auto"
    stun: bool = False
    bwe: Literal["none", "loss-rtt"] = "none"
    coalesce_ms: int = 5
    pad: bool = True
    nack_ttl_ms: int | None = None
    max_publish_bitrate_bps: int | None = None
    auto_subscribe: int = 25
    ice_servers: tuple[IceServer, ...] = ()
    limits: Limits = Limits()
    timing: Timing = Timing()

    @property
    def engine(self) -> ServerConfig:
        """The part that the engine is told."""
        return ServerConfig(
            workers=self.workers,
            udp_port=self.udp_port,
            coalesce_ms=self.coalesce_ms,
            pad=self.pad,
            nack_ttl_ms=self.nack_ttl_ms,
            stun=self.stun,
            bwe=self.bwe,
            max_publish_bitrate_bps=self.max_publish_bitrate_bps,
            srtp=self.srtp,
        )

    @property
    def secure(self) -> bool:
        """Whether HTTP is HTTPS."""
        return self.tls_cert is not None


def load(file: Path | None, overrides: dict[str, Any]) -> Settings:
    """Lay the command line over a TOML file; raise ``UsageError`` with the key at fault."""
    table: dict[str, Any] = {}
    if file is not None:
        try:
            table = msgspec.toml.decode(file.read_bytes())
        except (OSError, msgspec.DecodeError) as error:
            raise UsageError(f"{file}: {error}") from error
    try:
        return msgspec.convert(_merged(table, overrides), Settings)
    except msgspec.ValidationError as error:
        raise UsageError(f"{file or 'options'}: {error}") from error


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        inner = merged.get(key)
        if isinstance(value, dict) and isinstance(inner, dict) and key != "api_keys":
            merged[key] = _merged(inner, value)
        else:
            merged[key] = value
    return merged
