"""The options of ``sfukit nat-probe``, by panel of its help."""

from typing import Annotated

import typer

from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT, family

_TESTS, _TRANSPORT = "Tests", "Transport"


Servers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[stun:HOST[:PORT]]...",
        help="STUN servers; filtering needs one with RFC 5780. None: two public servers",
        show_default=False,
    ),
]

Tests = Annotated[
    str | None,
    option(
        panel=_TESTS,
        help="some of mapping, filtering, hairpin, alloc, pooling, lifetime, mtu, frag, portmap, "
        "path, ports, ipv6",
        metavar="A,B",
    ),
]
Quick = Annotated[bool, option("--quick", panel=_TESTS, help="reachability and mapping only")]
Full = Annotated[
    bool, option("--full", panel=_TESTS, help="all tests; takes --lifetime-max plus 5 s")
]
Sfu = Annotated[
    str | None,
    option(
        panel=_TESTS,
        help="STUN to the media port of an SFU (serve --stun)",
        metavar="URL|HOST:PORT",
    ),
]
Tcp = Annotated[bool, option("--tcp", panel=_TESTS, help="also STUN over TCP")]

Family = Annotated[str, family(_TRANSPORT)]
Bind = Annotated[
    str | None, option(panel=_TRANSPORT, help="local address to send from", metavar="IP[:PORT]")
]
AllInterfaces = Annotated[
    bool, option("--all-interfaces", panel=_TRANSPORT, help="probe from each local address in turn")
]
Proxy = Annotated[
    str | None,
    option(panel=_TRANSPORT, help="CONNECT proxy for TCP; default: HTTPS_PROXY", metavar="URL"),
]
Timeout = Annotated[
    str, option(panel=_TRANSPORT, help="wait after the last request", metavar="TIME")
]
Retries = Annotated[
    int, option(panel=_TRANSPORT, help="requests sent before a test times out", min=1, max=20)
]
Samples = Annotated[
    int, option(panel=_TRANSPORT, help="sockets of the port allocation test", min=4, max=64)
]
LifetimeMax = Annotated[
    str, option(panel=_TRANSPORT, help="longest idle time of the lifetime test", metavar="TIME")
]

Gates = Annotated[
    list[str] | None,
    option("-T", panel=OUTPUT, help="PATH OP VALUE, such as nat.mapping==EIM", metavar="GATE"),
]
Every = Annotated[
    str | None, option(panel=OUTPUT, help="repeat; print the changes", metavar="TIME")
]
Redact = Annotated[bool, option("--redact", panel=OUTPUT, help="hide addresses in text and JSON")]
Explain = Annotated[
    bool, option("--explain", panel=OUTPUT, help="explain each test, with its evidence")
]
Verbose = Annotated[
    bool, option("-v", "--verbose", panel=OUTPUT, help="print each request and its response")
]
