"""The options of ``sfukit nat-probe``, by the panel of its help that each stands in."""

from typing import Annotated

import typer

from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT, family

_WHAT, _HOW = "What", "How"


Servers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[stun:HOST[:PORT]]...",
        help="STUN servers; one with two addresses tells the filtering too. None: two public ones",
        show_default=False,
    ),
]

Tests = Annotated[
    str | None,
    option(
        panel=_WHAT,
        help="of mapping, filtering, hairpin, alloc, pooling, lifetime, mtu, frag, portmap, path, "
        "ports, ipv6",
        metavar="A,B",
    ),
]
Quick = Annotated[bool, option("--quick", panel=_WHAT, help="mapping and reach alone")]
Full = Annotated[
    bool, option("--full", panel=_WHAT, help="every test; lasts --lifetime-max and 5 s more")
]
Sfu = Annotated[
    str | None, option(panel=_WHAT, help="probe this SFU's own media port", metavar="URL|HOST:PORT")
]
Tcp = Annotated[bool, option("--tcp", panel=_WHAT, help="STUN over TCP as well")]

Family = Annotated[str, family(_HOW)]
Bind = Annotated[str | None, option(panel=_HOW, help="send from there", metavar="IP[:PORT]")]
AllInterfaces = Annotated[
    bool, option("--all-interfaces", panel=_HOW, help="probe from each address in turn")
]
Proxy = Annotated[
    str | None, option(panel=_HOW, help="CONNECT proxy for TCP (else HTTPS_PROXY)", metavar="URL")
]
Timeout = Annotated[str, option(panel=_HOW, help="after the last send", metavar="TIME")]
Retries = Annotated[
    int, option(panel=_HOW, help="sends where silence proves nothing", min=1, max=20)
]
Samples = Annotated[int, option(panel=_HOW, help="sockets for the allocation", min=4, max=64)]
LifetimeMax = Annotated[str, option(panel=_HOW, help="longest silence tried", metavar="TIME")]

Gates = Annotated[
    list[str] | None,
    option("-T", panel=OUTPUT, help="PATH OP VALUE, such as nat.mapping==EIM", metavar="GATE"),
]
Every = Annotated[str | None, option(panel=OUTPUT, help="repeat; say what changed", metavar="TIME")]
Redact = Annotated[
    bool, option("--redact", panel=OUTPUT, help="names for addresses, also in the JSON")
]
Explain = Annotated[
    bool, option("--explain", panel=OUTPUT, help="each test in plain words, with evidence")
]
Verbose = Annotated[
    bool, option("-v", "--verbose", panel=OUTPUT, help="each question and its answer")
]
