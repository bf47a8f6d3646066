"""A TURN server as an option names it: ``URI`` or ``URI;region=NAME``."""

import ipaddress
import re
from dataclasses import dataclass

from sfukit.errors import UsageError
from sfukit.turn import uri
from sfukit.turn.uri import TurnUri

REGION = re.compile(r"[A-Za-z0-9._-]{1,32}")
_HOST_NAME = re.compile(r"(?=.{1,253}$)[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")
_EXAMPLE = "such as 'turn:turn.example:3478?transport=udp;region=eu'"


@dataclass(frozen=True)
class TurnServer:
    """The URI of a TURN server, and the region whose clients get it first."""

    uri: TurnUri
    region: str | None = None


def parse(text: str, where: str) -> TurnServer:
    """Read one server; raise ``UsageError`` that begins with ``where``."""
    address, *parameters = text.split(";")
    try:
        parsed = uri.parse(address)
    except UsageError as error:
        raise UsageError(f"{where}: {error.what}", hint=error.hint) from None
    _check_host(parsed.host, f"{where} {text!r}")
    region = None
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name != "region" or region is not None:
            raise UsageError(
                f"{where} {text!r}: {parameter.strip()!r} is no parameter of a TURN server",
                hint=f"one region may follow the URI, {_EXAMPLE}",
            )
        if REGION.fullmatch(value) is None:
            raise UsageError(
                f"{where} {text!r}: {value!r} is no name of a region",
                hint=f"1 to 32 letters, digits, dots, - or _, {_EXAMPLE}",
            )
        region = value
    return TurnServer(parsed, region)


def _check_host(host: str, where: str) -> None:
    """Refuse a host that is no address and no host name: clients get it as it is."""
    if ":" not in host and _HOST_NAME.fullmatch(host):
        return
    try:
        if ipaddress.IPv6Address(host).scope_id is None:
            return
    except ValueError:
        pass
    raise UsageError(
        f"{where}: {host!r} is no host name and no address",
        hint="an internationalized name in its ASCII form (xn--); IPv6 addresses in brackets",
    )
