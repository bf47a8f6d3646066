"""The options of ``sfukit nat-probe``, by the panel of its help that each stands in."""

from typing import Annotated, Any

import typer

_WHAT, _HOW, _OUTPUT = "What", "How", "Output"


def _option(panel: str, help: str, *names: str, **more: Any) -> Any:
    return typer.Option(*names, help=help, rich_help_panel=panel, **more)


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
    _option(
        _WHAT,
        "of mapping, filtering, hairpin, alloc, pooling, lifetime, mtu, frag, portmap, path, "
        "ports, ipv6",
        metavar="A,B",
    ),
]
Quick = Annotated[bool, _option(_WHAT, "mapping and reach alone", "--quick")]
Full = Annotated[bool, _option(_WHAT, "every test; lasts --lifetime-max and 5 s more", "--full")]
Sfu = Annotated[
    str | None, _option(_WHAT, "probe this SFU's own media port", metavar="URL|HOST:PORT")
]
Tcp = Annotated[bool, _option(_WHAT, "STUN over TCP as well", "--tcp")]

Family = Annotated[str, _option(_HOW, "4, 6 or both")]
Bind = Annotated[str | None, _option(_HOW, "send from there", metavar="IP[:PORT]")]
AllInterfaces = Annotated[
    bool, _option(_HOW, "probe from each address in turn", "--all-interfaces")
]
Proxy = Annotated[
    str | None, _option(_HOW, "CONNECT proxy for TCP (else HTTPS_PROXY)", metavar="URL")
]
Timeout = Annotated[str, _option(_HOW, "after the last send", metavar="TIME")]
Retries = Annotated[int, _option(_HOW, "sends where silence proves nothing", min=1, max=20)]
Samples = Annotated[int, _option(_HOW, "sockets for the allocation", min=4, max=64)]
LifetimeMax = Annotated[str, _option(_HOW, "longest silence tried", metavar="TIME")]

Gates = Annotated[
    list[str] | None,
    _option(_OUTPUT, "PATH OP VALUE, such as nat.mapping==EIM", "-T", metavar="GATE"),
]
Json = Annotated[str | None, _option(_OUTPUT, "write the report; - is stdout", metavar="FILE")]
Every = Annotated[str | None, _option(_OUTPUT, "repeat; say what changed", metavar="TIME")]
Redact = Annotated[bool, _option(_OUTPUT, "names for addresses, also in the JSON", "--redact")]
Explain = Annotated[bool, _option(_OUTPUT, "each test in plain words, with evidence", "--explain")]
Verbose = Annotated[bool, _option(_OUTPUT, "each question and its answer", "-v", "--verbose")]
