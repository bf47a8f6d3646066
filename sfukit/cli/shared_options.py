"""The options that several commands share: output, address family."""

from typing import Annotated, Any

from sfukit.cli.option import option

OUTPUT = "Output"

Json = Annotated[
    str | None,
    option("--json", panel=OUTPUT, metavar="FILE", help="write the report; - is stdout"),
]
Html = Annotated[
    str | None,
    option("--html", panel=OUTPUT, metavar="FILE", help="write the report as one HTML page"),
]
NoTui = Annotated[
    bool, option("--no-tui", panel=OUTPUT, help="plain lines on a terminal, as elsewhere")
]
Quiet = Annotated[bool, option("-q", "--quiet", panel=OUTPUT, help="print errors only")]


def family(panel: str) -> Any:
    """Return the option ``--family``, read by ``choice`` from ``Family``."""
    return option("--family", panel=panel, metavar="4|6|both", help="address families to try")
