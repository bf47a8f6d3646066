"""Redact addresses and names in a report, so that it can be published."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import msgspec

from sfukit.probe.nat.report import NatReport

_ADDRESS = re.compile(
    r"(?<![\w:])\[?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{2,}(?:%\w+)?\]?"
    r"|(?<!\d)(?<!\d\.)\d{1,3}(?:\.\d{1,3}){3}"
)
_SPARED = ("schema", "tool", "version", "command", "started", "level", "gates")


class Redactor:
    """Pseudonyms for addresses and hosts, the same in every report of one redactor.

    A public address becomes ``public-1``, ``public-2``, ..., any other ``private-1``, ...; hosts
    become ``server-1``, ``proxy-1``, issuers of certificates ``issuer-1``. Equal values get equal
    pseudonyms, so that comparisons within a report and between reports stay possible. Loopback
    addresses stay.
    """

    def __init__(self) -> None:
        self._addresses: dict[str, str] = {}
        self._hosts: dict[str, str] = {}

    def report(self, report: NatReport) -> NatReport:
        """Replace every address, host and issuer in a report."""
        for kind, host in _hosts(report):
            if host and not _is_address(host) and host.lower() not in self._hosts:
                _add(self._hosts, host.lower(), kind)
        redacted: NatReport = self._walk(report)
        return redacted

    def text(self, text: str) -> str:
        """Replace the names and addresses in a text."""
        # a longer name may end as a shorter one does
        for host in sorted(self._hosts, key=len, reverse=True):
            whole = rf"(?<![\w-]){re.escape(host)}(?![\w-])"
            text = re.sub(whole, self._hosts[host], text, flags=re.IGNORECASE)
        return _ADDRESS.sub(lambda match: self._address(match[0]), text)

    def _walk(self, value: Any) -> Any:
        match value:
            case str():
                return self.text(value)
            case list():
                return [self._walk(each) for each in value]
            case dict():
                return {key: self._walk(each) for key, each in value.items()}
            case msgspec.Struct():
                fields = msgspec.structs.fields(value)
                open_ = [f.name for f in fields if f.name not in _SPARED and not _is_word(f.type)]
                changed = {name: self._walk(getattr(value, name)) for name in open_}
                return msgspec.structs.replace(value, **changed)
        return value

    def _address(self, text: str) -> str:
        """Replace an address, in brackets or not; punctuation after it stays."""
        for end in (len(text), len(text) - 1):
            bare = text[:end].strip("[]").partition("%")[0]
            try:
                address = ipaddress.ip_address(bare)
            except ValueError:
                continue
            if address.is_loopback:
                return text
            kind = "public" if address.is_global else "private"
            return _add(self._addresses, str(address), kind) + text[end:]
        return text


def _hosts(report: NatReport) -> Iterator[tuple[str, str]]:
    """List the host names and issuers with their kind."""
    for server in report.servers:
        yield "server", server.name.rpartition(":")[0].strip("[]")
    for port in report.ports:
        yield "server", port.host
        yield "issuer", port.issuer or ""
    if report.tcp is not None and report.tcp.via_proxy is not None:
        yield "proxy", report.tcp.via_proxy.rpartition(":")[0].strip("[]")


def _add(names: dict[str, str], key: str, kind: str) -> str:
    """Add a pseudonym, numbered in the order of occurrence."""
    if key not in names:
        count = sum(name.startswith(f"{kind}-") for name in names.values())
        names[key] = f"{kind}-{count + 1}"
    return names[key]


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_word(kind: Any) -> bool:
    """Return whether a field has the report's own enumeration, which no host name may match."""
    return get_origin(kind) is Literal or any(map(_is_word, get_args(kind)))
