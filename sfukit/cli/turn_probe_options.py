"""The options of ``sfukit turn-probe``, by panel of its help."""

from typing import Annotated

import typer

from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT, family

_CREDENTIALS, _TRANSPORT, _MEASURE = "Credentials", "Transport", "Measure"


Servers = Annotated[
    list[str],
    typer.Argument(
        metavar="URI...",
        help="turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]; turn: without "
        "transport: both udp and tcp",
        show_default=False,
    ),
]
User = Annotated[
    str | None,
    option("--user", panel=_CREDENTIALS, help="username, or EXPIRY:NAME of the TURN REST API"),
]
Password = Annotated[
    str | None,
    option("--password", panel=_CREDENTIALS, metavar="TEXT|@FILE", help="password of --user"),
]
Secret = Annotated[
    str | None,
    option(
        "--secret",
        panel=_CREDENTIALS,
        metavar="TEXT|@FILE",
        help="shared secret of the TURN REST API (coturn: static-auth-secret)",
    ),
]
Ttl = Annotated[
    str,
    option(
        "--ttl", panel=_CREDENTIALS, metavar="TIME", help="validity of the credential from --secret"
    ),
]
Variants = Annotated[
    str | None,
    option(
        "--variants",
        panel=_TRANSPORT,
        metavar="LIST",
        help="some of udp,tcp,tls; default: as in the URI",
    ),
]
Family = Annotated[str, family(_TRANSPORT)]
Ca = Annotated[
    str | None, option("--ca", panel=_TRANSPORT, metavar="FILE", help="CA certificate to trust")
]
Insecure = Annotated[bool, option("--insecure", panel=_TRANSPORT, help="skip TLS verification")]
Sni = Annotated[
    str | None, option("--sni", panel=_TRANSPORT, metavar="NAME", help="TLS server name (SNI)")
]
Peer = Annotated[
    str | None,
    option(
        "--peer",
        panel=_TRANSPORT,
        metavar="HOST:PORT",
        help="UDP echo server to relay to; default: a local socket",
    ),
]
Timeout = Annotated[
    str, option("--timeout", panel=_TRANSPORT, metavar="TIME", help="limit of each stage")
]
Throughput = Annotated[
    bool, option("--throughput", panel=_MEASURE, help="also relay a constant bitrate")
]
Rate = Annotated[
    str, option("--rate", panel=_MEASURE, metavar="RATE", help="bitrate of --throughput")
]
Size = Annotated[
    str, option("--size", panel=_MEASURE, metavar="BYTES", help="payload size of --throughput")
]
Duration = Annotated[
    str, option("--duration", panel=_MEASURE, metavar="TIME", help="length of --throughput")
]
Allocations = Annotated[
    int, option("--allocations", panel=_MEASURE, help="concurrent allocations to create")
]
Security = Annotated[
    bool,
    option(
        "--security",
        panel=_MEASURE,
        help="own server only: does it relay without authentication, or into private networks?",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    option(
        "--allow-host",
        panel=_MEASURE,
        metavar="HOST",
        help="allow --security, --throughput, many allocations on HOST",
    ),
]
Gate = Annotated[
    list[str] | None,
    option("-T", panel=OUTPUT, metavar="GATE", help="PATH OP VALUE, such as relay.rtt_ms.p95<80ms"),
]
Verbose = Annotated[
    bool, option("-v", "--verbose", panel=OUTPUT, help="print a line for each stage")
]
