"""The options of ``sfukit turn-probe``, by the panel of its help that each stands in."""

from typing import Annotated

import typer

from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT, family

_LOGIN, _WAY, _MEASURE = "Login", "Way", "Measure"


Servers = Annotated[
    list[str],
    typer.Argument(
        metavar="URI...",
        help="turn:HOST[:PORT][?transport=udp|tcp] or turns:HOST[:PORT]; without a transport "
        "turn: means udp and tcp",
        show_default=False,
    ),
]
User = Annotated[
    str | None, option("--user", panel=_LOGIN, help="username, or expiry:name of a REST one")
]
Password = Annotated[
    str | None, option("--password", panel=_LOGIN, metavar="TEXT|@FILE", help="its password")
]
Secret = Annotated[
    str | None,
    option(
        "--secret",
        panel=_LOGIN,
        metavar="TEXT|@FILE",
        help="shared secret that makes the credential here (coturn: static-auth-secret)",
    ),
]
Ttl = Annotated[str, option("--ttl", panel=_LOGIN, metavar="TIME", help="how long that one lasts")]
Variants = Annotated[
    str | None,
    option("--variants", panel=_WAY, metavar="LIST", help="of udp,tcp,tls (as the URI says)"),
]
Family = Annotated[str, family(_WAY)]
Ca = Annotated[str | None, option("--ca", panel=_WAY, metavar="FILE", help="trusted certificate")]
Insecure = Annotated[bool, option("--insecure", panel=_WAY, help="trust any certificate")]
Sni = Annotated[
    str | None, option("--sni", panel=_WAY, metavar="NAME", help="name to ask for in TLS")
]
Peer = Annotated[
    str | None,
    option(
        "--peer",
        panel=_WAY,
        metavar="HOST:PORT",
        help="a UDP echo server to relay to (a socket of this machine)",
    ),
]
Timeout = Annotated[str, option("--timeout", panel=_WAY, metavar="TIME", help="for each stage")]
Throughput = Annotated[
    bool, option("--throughput", panel=_MEASURE, help="send a steady load as well")
]
Rate = Annotated[str, option("--rate", panel=_MEASURE, metavar="RATE", help="of that load")]
Size = Annotated[str, option("--size", panel=_MEASURE, metavar="BYTES", help="of its packets")]
Duration = Annotated[str, option("--duration", panel=_MEASURE, metavar="TIME", help="of that load")]
Allocations = Annotated[int, option("--allocations", panel=_MEASURE, help="hold this many at once")]
Security = Annotated[
    bool,
    option(
        "--security",
        panel=_MEASURE,
        help="your own server: does it relay for strangers, or into private networks?",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    option(
        "--allow-host",
        panel=_MEASURE,
        metavar="HOST",
        help="permit there: --security, --throughput, many allocations",
    ),
]
Gate = Annotated[
    list[str] | None,
    option("-T", panel=OUTPUT, metavar="GATE", help="PATH OP VALUE, as relay.rtt_ms.p95<80ms"),
]
Verbose = Annotated[bool, option("-v", "--verbose", panel=OUTPUT, help="a line for each stage")]
