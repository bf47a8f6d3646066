"""The address of a Dask scheduler: encrypted, or on this machine."""

import ipaddress
from urllib.parse import urlsplit

from sfukit.errors import UsageError


def checked(address: str, *, insecure: bool) -> str:
    """Return the address of a scheduler; refuse one that is neither encrypted nor local.

    A client of a scheduler runs code on its workers, and reads their reports.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if host is None or port is None or parts.scheme not in ("tcp", "tls"):
        raise UsageError(
            f"--scheduler {address}: not an address", hint="such as tls://host:8786, with the port"
        )
    if parts.scheme == "tcp" and not insecure and not _is_loopback(host):
        raise UsageError(
            f"--scheduler {address}: plain tcp to another machine, where any host on the path "
            "can run code on the workers",
            hint=f"tls://{host}:{port}, or --insecure-scheduler",
        )
    return address


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
