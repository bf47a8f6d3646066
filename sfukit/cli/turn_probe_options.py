"""The options of ``sfukit turn-probe``, by the panel of its help that each stands in."""

from typing import Annotated, Any

import typer

_LOGIN, _WAY, _MEASURE, _OUTPUT = "Login", "Way", "Measure", "Output"


def _option(*names: str, panel: str, help: str, metavar: str | None = None, **more: Any) -> Any:
    return typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel, **more)


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
    str | None, _option("--user", panel=_LOGIN, help="username, or expiry:name of a REST one")
]
Password = Annotated[
    str | None, _option("--password", panel=_LOGIN, metavar="TEXT|@FILE", help="its password")
]
Secret = Annotated[
    str | None,
    _option(
        "--secret",
        panel=_LOGIN,
        metavar="TEXT|@FILE",
        help="shared secret that makes the credential here (coturn: static-auth-secret)",
    ),
]
Ttl = Annotated[str, _option("--ttl", panel=_LOGIN, metavar="TIME", help="how long that one lasts")]
Variants = Annotated[
    str | None,
    _option("--variants", panel=_WAY, metavar="LIST", help="of udp,tcp,tls (as the URI says)"),
]
Family = Annotated[
    str, _option("--family", panel=_WAY, metavar="4|6|both", help="addresses to try")
]
Ca = Annotated[str | None, _option("--ca", panel=_WAY, metavar="FILE", help="trusted certificate")]
Insecure = Annotated[bool, _option("--insecure", panel=_WAY, help="trust any certificate")]
Sni = Annotated[
    str | None, _option("--sni", panel=_WAY, metavar="NAME", help="name to ask for in TLS")
]
Peer = Annotated[
    str | None,
    _option(
        "--peer",
        panel=_WAY,
        metavar="HOST:PORT",
        help="a UDP echo server to relay to (a socket of this machine)",
    ),
]
Timeout = Annotated[str, _option("--timeout", panel=_WAY, metavar="TIME", help="for each stage")]
Throughput = Annotated[
    bool, _option("--throughput", panel=_MEASURE, help="send a steady load as well")
]
Rate = Annotated[str, _option("--rate", panel=_MEASURE, metavar="RATE", help="of that load")]
Size = Annotated[str, _option("--size", panel=_MEASURE, metavar="BYTES", help="of its packets")]
Duration = Annotated[
    str, _option("--duration", panel=_MEASURE, metavar="TIME", help="of that load")
]
Allocations = Annotated[
    int, _option("--allocations", panel=_MEASURE, help="hold this many at once")
]
Security = Annotated[
    bool,
    _option(
        "--security",
        panel=_MEASURE,
        help="your own server: does it relay for strangers, or into private networks?",
    ),
]
AllowHost = Annotated[
    list[str] | None,
    _option(
        "--allow-host",
        panel=_MEASURE,
        metavar="HOST",
        help="permit there: --security, --throughput, many allocations",
    ),
]
Gate = Annotated[
    list[str] | None,
    _option("-T", panel=_OUTPUT, metavar="GATE", help="PATH OP VALUE, as relay.rtt_ms.p95<80ms"),
]
Json = Annotated[
    str | None,
    _option("--json", panel=_OUTPUT, metavar="FILE", help="write the report; - is stdout"),
]
Quiet = Annotated[bool, _option("-q", "--quiet", panel=_OUTPUT, help="print errors alone")]
Verbose = Annotated[bool, _option("-v", "--verbose", panel=_OUTPUT, help="a line for each stage")]
