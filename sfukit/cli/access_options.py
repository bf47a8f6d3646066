"""What gets a client into a target: tokens, headers, certificates."""

from typing import Annotated

from sfukit import config
from sfukit.cli.option import option

ACCESS = "Access"

Token = Annotated[
    str | None, option("--token", panel=ACCESS, metavar="JWT|@FILE", help="bearer token")
]
ApiKey = Annotated[
    str | None,
    option("--api-key", panel=ACCESS, envvar=config.API_KEY, help="sign tokens here"),
]
ApiSecret = Annotated[
    str | None,
    option("--api-secret", panel=ACCESS, envvar=config.API_SECRET, help="or @FILE"),
]
Header = Annotated[
    list[str] | None, option("--header", panel=ACCESS, metavar="'K: V'", help="sent along")
]
Cacert = Annotated[
    str | None, option("--cacert", panel=ACCESS, metavar="FILE", help="trusted certificate")
]
Insecure = Annotated[bool, option("--insecure", panel=ACCESS, help="trust any certificate")]
