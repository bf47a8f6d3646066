"""Captive portals: networks that answer every HTTP request themselves until the user signs in."""

import asyncio
import contextlib

from sfukit.probe.resolve import Address

URL_HOST = "detectportal.firefox.com"
URL_PATH = "/success.txt?ipv4"

_EXPECTED = b"success"
_TIMEOUT_S = 2.0
_MAX_BYTES = 4096


async def captive(local_ip: str, host: str = URL_HOST, port: int = 80) -> bool | None:
    """Fetch a page with known content from a local address; None without an answer."""
    family = Address(local_ip, 0).family
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(
                host, port, family=family, local_addr=(local_ip, 0)
            )
            try:
                head = f"GET {URL_PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
                writer.write(head.encode())
                data = b""
                while len(data) < _MAX_BYTES and (more := await reader.read(_MAX_BYTES)):
                    data += more
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return None
    return judge(data)


def judge(answer: bytes) -> bool | None:
    """Return whether a response is a portal's page or redirect; None where it is neither."""
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = head.split(b" ", 2)
    if not head.startswith(b"HTTP/") or len(fields) < 2 or not fields[1].isdigit():
        return None
    status = int(fields[1])
    if status // 100 == 3 or status == 511:  # RFC 6585 6
        return True
    return not body.strip().startswith(_EXPECTED) if status == 200 else None
