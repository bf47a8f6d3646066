"""Take addresses and names out of a report, so that it can be shown in public."""

import ipaddress
import re
from typing import Any

import msgspec

from sfukit.probe.nat.report import NatReport

_ADDRESS = re.compile(
    r"(?<![\w.])(?:\d{1,3}(?:\.\d{1,3}){3}|\[?[0-9A-Fa-f]{0,4}:[0-9A-Fa-f:.]{2,}\]?)"
)
_SPARED = ("version", "started", "schema")


def redacted(report: NatReport) -> NatReport:
    """Replace each public address by ``public-1``, ``public-2``, ..., each private by its range.

    Equal addresses get equal names, so that what the report shows by comparing them stays visible.
    """
    names: dict[str, str] = {}
    hosts = {s.name.rpartition(":")[0]: f"server-{n}" for n, s in enumerate(report.servers, 1)}
    document = _walk(msgspec.to_builtins(report), names, hosts)
    return msgspec.convert(document, NatReport)


def _walk(value: Any, names: dict[str, str], hosts: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {
            key: each if key in _SPARED else _walk(each, names, hosts)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [_walk(each, names, hosts) for each in value]
    return _text(value, names, hosts) if isinstance(value, str) else value


def _text(text: str, names: dict[str, str], hosts: dict[str, str]) -> str:
    for host, name in hosts.items():
        if host and not host[0].isdigit() and not host.startswith("["):
            text = text.replace(host, name)
    return _ADDRESS.sub(lambda match: _name(match[0], names), text)


def _name(text: str, names: dict[str, str]) -> str:
    try:
        address = ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        return text
    if address.is_loopback:
        return text
    if text not in names:
        kind = "public" if address.is_global else "private"
        count = sum(name.startswith(kind) for name in names.values())
        names[text] = f"{kind}-{count + 1}"
    return names[text]
