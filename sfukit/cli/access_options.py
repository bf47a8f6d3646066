"""The options for access to a target: tokens, headers, certificates."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

from sfukit import config
from sfukit.cli.option import option

if TYPE_CHECKING:
    from sfukit.targets.access import Access

ACCESS = "Access"

Token = Annotated[
    str | None, option("--token", panel=ACCESS, metavar="JWT|@FILE", help="bearer token")
]
ApiKey = Annotated[
    str | None,
    option("--api-key", panel=ACCESS, envvar=config.API_KEY, help="key that signs tokens"),
]
ApiSecret = Annotated[
    str | None,
    option("--api-secret", panel=ACCESS, envvar=config.API_SECRET, help="secret, or @FILE"),
]
Header = Annotated[
    list[str] | None, option("--header", panel=ACCESS, metavar="'K: V'", help="extra HTTP header")
]
Cacert = Annotated[
    str | None, option("--cacert", panel=ACCESS, metavar="FILE", help="CA certificate to trust")
]
Insecure = Annotated[bool, option("--insecure", panel=ACCESS, help="skip TLS verification")]


def access(
    token: str | None,
    api_key: str | None,
    api_secret: str | None,
    header: Sequence[str] | None,
    cacert: str | None,
    insecure: bool,
    allow_host: Sequence[str] | None = None,
) -> "Access":
    """Read these options, and the file of a secret where one is named."""
    from sfukit.targets.access import Access, parse_header

    return Access(
        token=config.secret(token, "--token") if token else None,
        api_key=api_key,
        api_secret=config.secret(api_secret, "--api-secret") if api_secret else None,
        headers=tuple(parse_header(text) for text in header or ()),
        ca_file=cacert,
        insecure=insecure,
        allow_hosts=config.allowed_hosts() | frozenset(allow_host or ()),
    )
