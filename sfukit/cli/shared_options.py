"""The options that several commands have: where the report goes, which addresses are tried."""

from typing import Annotated, Any

from sfukit.cli.option import option

OUTPUT = "Output"

Json = Annotated[
    str | None,
    option("--json", panel=OUTPUT, metavar="FILE", help="write the report; - is stdout"),
]
Quiet = Annotated[bool, option("-q", "--quiet", panel=OUTPUT, help="print errors alone")]


def family(panel: str) -> Any:
    """Make the option ``--family``, read by ``choice`` from ``Family``."""
    return option("--family", panel=panel, metavar="4|6|both", help="addresses to try")
