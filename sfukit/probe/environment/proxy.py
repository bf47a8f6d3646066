"""CONNECT proxies, as browsers use them for TURN over TCP: discovery, tunnel, refusals."""

import asyncio
import base64
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from sfukit.errors import UsageError

_MAX_HEAD = 8192
_HINT = "give http://HOST:PORT"


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy; the credential is never printed."""

    host: str
    port: int
    credential: str | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class ProxyRefusalError(OSError):
    """The proxy refused the tunnel."""


def parse(url: str, where: str = "--proxy") -> Proxy:
    """Read ``http://[user:password@]host:port``, or ``host:port``."""
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        host, port = parts.hostname or "", parts.port or 3128
        host.encode("idna")  # as every lookup does, with an error that is no OSError
    except ValueError as error:
        raise UsageError(f"{where}: this is no URL", hint=_HINT) from error
    if parts.scheme != "http" or not host:
        raise UsageError(f"{where}: {host or 'this'} is no HTTP proxy", hint=_HINT)
    credential = None
    if parts.username is not None:
        credential = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
    return Proxy(host, port, credential)


def of_environment(host: str, environ: Mapping[str, str] = os.environ) -> Proxy | None:
    """Return the proxy for a host by HTTPS_PROXY and NO_PROXY, in upper or lower case.

    Raises ``UsageError`` where the variable has no HTTP proxy.
    """
    url = environ.get("https_proxy") or environ.get("HTTPS_PROXY")
    spared = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    if _is_loopback(host):  # browsers use no proxy for loopback
        return None
    if not url or any(_spares(pattern.strip(), host) for pattern in spared.split(",")):
        return None
    return parse(url, "HTTPS_PROXY")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _spares(pattern: str, host: str) -> bool:
    bare = pattern.lstrip("*").lstrip(".").lower()
    if pattern == "*":
        return True
    return bool(bare) and (host.lower() == bare or host.lower().endswith(f".{bare}"))


async def connect(
    proxy: Proxy, host: str, port: int
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a tunnel; raises ``ProxyRefusalError`` with the reason (RFC 9110 9.3.6)."""
    reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
    try:
        target = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        head = f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n"
        if proxy.credential is not None:
            token = base64.b64encode(proxy.credential.encode()).decode()
            head += f"Proxy-Authorization: Basic {token}\r\n"
        writer.write(f"{head}\r\n".encode())
        status = read_status(await _head(reader))
    except BaseException:
        writer.close()
        raise
    if status // 100 != 2:
        writer.close()
        raise ProxyRefusalError(refusal(status, port))
    return reader, writer


async def _head(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise ProxyRefusalError("the proxy sent no HTTP response") from error


def read_status(head: bytes) -> int:
    """Read the status of an HTTP answer; raises ``ProxyRefusalError`` for anything else."""
    fields = head[:_MAX_HEAD].split(b" ", 2)
    if len(fields) < 2 or not fields[0].startswith(b"HTTP/") or not fields[1][:3].isdigit():
        raise ProxyRefusalError("the proxy sent no HTTP response")
    return int(fields[1][:3])


def refusal(status: int, port: int) -> str:
    """Return what a proxy's refusal means."""
    if status == 407:
        return "the proxy requires credentials (407): give --proxy http://USER:PASSWORD@HOST:PORT"
    if status in (403, 405):
        return f"the proxy refuses port {port} ({status}); most allow 443 alone"
    return f"the proxy answered {status}"
