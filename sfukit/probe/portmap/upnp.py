"""UPnP IGD: find the router by SSDP, read its description, request its external address.

A description is fetched only from the responding address, which must be local, and read as text
up to a limit: another host of the network must not be able to redirect the request.
"""

import asyncio
import contextlib
import ipaddress
import re
import socket
from urllib.parse import urljoin, urlsplit

from sfukit.probe.portmap.pmp import SILENT, Answer

GROUP = ("239.255.255.250", 1900)

_SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\n'
    b"ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\n\r\n"
)
_SEARCH_S = 1.2
_HTTP_S = 1.5
_MAX_BYTES = 256 * 1024
# bounded repetitions, so that no untrusted text takes long to search
_TYPE = re.compile(r"<serviceType>([^<]{0,200})</serviceType>")
_CONTROL_URL = re.compile(r"<controlURL>([^<]{1,2000})</controlURL>")
_WAN = re.compile(r"urn:schemas-upnp-org:service:WAN(?:IP|PPP)Connection:\d")
_EXTERNAL = re.compile(r"<NewExternalIPAddress>([^<]{0,64})</NewExternalIPAddress>")
_FAULT = re.compile(r"<errorDescription>\s*([^<]{0,80})")


async def request_external_ip(local_ip: str) -> Answer:
    """Request the external address of an Internet gateway device; changes nothing on it."""
    location = await _search(local_ip)
    if location is None:
        return SILENT
    try:
        description = await _http("GET", location)
        service = control(description, location)
        if service is None:
            return Answer(answered=True, error="no WAN connection service")
        kind, url = service
        return read_external(await _http("POST", url, *soap(kind)))
    except (OSError, TimeoutError, ValueError) as error:
        return Answer(answered=True, error=str(error) or type(error).__name__)


def location_of(data: bytes, source_ip: str) -> str | None:
    """Read LOCATION of an SSDP response; None unless its host is the response's source."""
    match = re.search(rb"^location:\s*(\S+)", data, re.IGNORECASE | re.MULTILINE)
    if match is None:
        return None
    location = match[1].decode(errors="replace")
    try:
        parts = urlsplit(location)
        named = (parts.scheme, parts.hostname, parts.port or 80)
    except ValueError:  # brackets without an address, a port that is no number
        return None
    return location if named[:2] == ("http", source_ip) else None


def control(description: str, location: str) -> tuple[str, str] | None:
    """Find the WAN connection service: its type and control URL, on the same host."""
    for service in description.split("<service>")[1:]:
        block = service.partition("</service>")[0]
        kind, path = _TYPE.search(block), _CONTROL_URL.search(block)
        if kind is None or path is None or not _WAN.fullmatch(kind[1].strip()):
            continue
        url = urljoin(location, path[1].strip())
        same = urlsplit(url).hostname == urlsplit(location).hostname
        return (kind[1].strip(), url) if same else None
    return None


def soap(service: str) -> tuple[str, str]:
    """Write the action's header and body (UPnP Device Architecture 3.2)."""
    body = (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>'
        f'<u:GetExternalIPAddress xmlns:u="{service}"/></s:Body></s:Envelope>'
    )
    return f'"{service}#GetExternalIPAddress"', body


def read_external(answer: str) -> Answer:
    """Read the external address, or the SOAP fault."""
    match = _EXTERNAL.search(answer)
    if match is None:
        fault = _FAULT.search(answer)
        return Answer(answered=True, error=fault[1].strip() if fault else "nonsense")
    with contextlib.suppress(ValueError):
        return Answer(answered=True, external_ip=str(ipaddress.IPv4Address(match[1].strip())))
    return Answer(answered=True, error="the router has no external address")


async def _search(local_ip: str) -> str | None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 2)
            # the default route may lead elsewhere, through a VPN
            own = socket.inet_aton(local_ip)
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, own)
            sock.bind((local_ip, 0))
            for _ in range(2):  # multicast has no retransmission
                sock.sendto(_SEARCH, GROUP)
            async with asyncio.timeout(_SEARCH_S):
                while True:
                    data, source = await loop.sock_recvfrom(sock, 2048)
                    location = location_of(data, source[0])
                    if location is not None and _is_local(source[0]):
                        return location
        except (OSError, TimeoutError):
            return None


def _is_local(ip: str) -> bool:
    return ipaddress.ip_address(ip).is_private


async def _http(method: str, url: str, action: str | None = None, body: str = "") -> str:
    """Do one HTTP/1.0 request, which all routers support."""
    parts = urlsplit(url)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    head = f"{method} {path} HTTP/1.0\r\nHost: {parts.netloc}\r\nConnection: close\r\n"
    if action is not None:
        head += f'Content-Type: text/xml; charset="utf-8"\r\nSOAPAction: {action}\r\n'
        head += f"Content-Length: {len(body.encode())}\r\n"
    async with asyncio.timeout(_HTTP_S):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
        try:
            writer.write(f"{head}\r\n{body}".encode())
            await writer.drain()
            data = b""
            while len(data) < _MAX_BYTES and (more := await reader.read(16_384)):
                data += more
        finally:
            writer.close()
    return data.partition(b"\r\n\r\n")[2].decode(errors="replace")
