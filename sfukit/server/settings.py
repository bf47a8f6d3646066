"""Settings of a server: the command line over a TOML file."""

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec

from sfukit.errors import UsageError
from sfukit.server.native_messages import Bwe, ServerConfig, SrtpChoice
from sfukit.signaling.room_messages import LastN

DEFAULT_HTTP_PORT = 7080
DEFAULT_UDP_PORT = 7081
HTTP_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]{1,64}){1,8}")


Positive = Annotated[float, msgspec.Meta(gt=0)]


class Rate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A token bucket: ``per_s`` per second, up to ``burst`` at once."""

    per_s: Positive
    burst: Positive


class MethodLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of the calls of each method on one WebSocket; ``other``: each other method."""

    join: Rate = Rate(10, 100)
    offer: Rate = Rate(10, 100)
    answer: Rate = Rate(25, 100)
    trickle: Rate = Rate(50, 400)
    subscribe: Rate = Rate(25, 200)
    unsubscribe: Rate = Rate(25, 200)
    layers: Rate = Rate(50, 400)
    mute: Rate = Rate(20, 200)
    message: Rate = Rate(50, 200)
    stats: Rate = Rate(10, 100)
    other: Rate = Rate(50, 400)


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Limits of admission and of requests; None means unlimited."""

    max_rooms: int | None = None
    max_participants: int | None = None
    max_egress_bps: int | None = None
    max_publications_per_kind: Annotated[int, msgspec.Meta(gt=0)] = 8  # per participant
    identity: Rate = Rate(100, 400)  # WebSocket upgrades, joins, POST and PATCH per identity
    api_key: Rate = Rate(1_000, 10_000)  # the same per API key
    session: Rate = Rate(10, 100)  # PATCH per WHIP or WHEP session
    address: Rate = Rate(200, 400)  # the same per client address, without API keys
    refusals: Rate = Rate(20, 200)  # refused unauthenticated requests per address
    unauthenticated_connections: Annotated[int, msgspec.Meta(gt=0)] = 2_000  # per address
    requests: Rate = Rate(100, 1_000)  # per WebSocket; each 4 KiB of a frame count as one
    methods: MethodLimits = MethodLimits()
    message_bytes: Rate = Rate(2_000_000, 16_000_000)  # bytes x recipients, per sender
    errors: Rate = Rate(0.5, 50)  # refused requests per WebSocket, which is closed above
    excess: Rate = Rate(50, 2_000)  # the same for requests refused as rate_limited
    logged_refusals: Annotated[int, msgspec.Meta(ge=0)] = 5  # log lines per reason and interval
    logged_refusals_interval_s: Positive = 10.0


class Timing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Timeouts and intervals in seconds."""

    room_idle_s: float = 60.0
    negotiation_s: float = 30.0
    debounce_s: float = 0.05
    ping_s: float = 20.0
    drain_s: float = 30.0
    request_s: Positive = 10.0
    keep_alive_s: Positive = 75.0


class IceServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A STUN or TURN server, sent to clients as ICE server."""

    url: str
    username: str | None = None
    credential: str | None = None


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """TURN servers that check credentials by a shared secret (coturn: ``use-auth-secret``)."""

    servers: tuple[str, ...] = ()  # TURN URIs, each with ;region=NAME if wanted
    secret: str = ""  # or @FILE
    ttl_s: Annotated[int, msgspec.Meta(ge=60, le=7 * 86_400)] = 3600
    regions: str | None = None  # file: networks of clients with their regions


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All settings of `sfukit serve`."""

    http_host: str = "127.0.0.1"
    http_port: int = DEFAULT_HTTP_PORT
    metrics_http: str | None = None
    metrics_token: str | None = None
    udp_port: int = DEFAULT_UDP_PORT
    workers: int = 1
    advertise: tuple[str, ...] = ()
    interfaces: tuple[str, ...] = ()
    tls_cert: str | None = None
    tls_key: str | None = None
    api_keys: dict[str, str] = {}
    allowed_origins: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    http_prefix: str = ""  # external path prefix of a reverse proxy, such as /sfu
    end_at_exp: bool = False
    srtp: SrtpChoice = "auto"
    stun: bool = False
    bwe: Bwe = "gcc"
    coalesce_ms: int = 5
    pad: bool = True
    nack_ttl_ms: int | None = None
    max_publish_bitrate_bps: int | None = None
    max_subscription_bitrate_bps: int | None = None
    last_n: LastN | None = None
    auto_subscribe: int = 25
    ice_servers: tuple[IceServer, ...] = ()
    turn: Turn = Turn()
    limits: Limits = Limits()
    timing: Timing = Timing()

    def __post_init__(self) -> None:
        if self.http_prefix and not HTTP_PREFIX.fullmatch(self.http_prefix):
            raise ValueError(
                "http_prefix has to begin with / and must not end with /, such as /sfu"
            )

    @property
    def engine(self) -> ServerConfig:
        """The settings of the media engine."""
        return ServerConfig(
            workers=self.workers,
            udp_port=self.udp_port,
            coalesce_ms=self.coalesce_ms,
            pad=self.pad,
            nack_ttl_ms=self.nack_ttl_ms,
            stun=self.stun,
            bwe=self.bwe,
            max_publish_bitrate_bps=self.max_publish_bitrate_bps,
            max_subscription_bitrate_bps=self.max_subscription_bitrate_bps,
            last_n=self.last_n,
            srtp=self.srtp,
        )

    @property
    def secure(self) -> bool:
        """Whether the HTTP listener uses TLS."""
        return self.tls_cert is not None


def host_and_port(text: str, option: str) -> tuple[str, int]:
    """Parse ``HOST:PORT``; raise ``UsageError`` naming the option."""
    host, colon, port = text.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise UsageError(
            f"{option} {text}: give HOST:PORT", hint=f"such as {option} 127.0.0.1:7080"
        )
    return host.strip("[]") or "127.0.0.1", int(port)


def load(file: Path | None, overrides: dict[str, Any]) -> Settings:
    """Merge command line options into a TOML file; raise ``UsageError`` naming the key."""
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
