"""NAT-PMP (RFC 6886) and PCP (RFC 6887): request the gateway's external address."""

import asyncio
import ipaddress
import os
import socket
from struct import pack, unpack_from

import msgspec

PORT = 5351

_SENDS_S = (0.0, 0.25, 0.5)
_WAIT_S = 0.9
_PCP_MAP = 1
_PCP_VERSION = 2
_RESPONSE = 0x80
_LIFETIME_S = 10
_UDP = 17
_PMP_RESULTS = {  # RFC 6886 3.5
    1: "unsupported version",
    2: "not authorized",
    3: "network failure",
    4: "out of resources",
    5: "unsupported opcode",
}
_PCP_RESULTS = {  # RFC 6887 7.4
    1: "unsupported version",
    2: "not authorized",
    3: "malformed request",
    4: "unsupported opcode",
    5: "unsupported option",
    6: "malformed option",
    7: "network failure",
    8: "out of resources",
    9: "unsupported protocol",
    10: "over quota",
    11: "cannot provide the external port",
    12: "address mismatch: another NAT in front of the gateway",
}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of one protocol; ``answered`` with an ``error``: the router refuses."""

    answered: bool
    external_ip: str | None = None
    error: str | None = None


SILENT = Answer(answered=False)


async def request_pmp(gateway: str, local_ip: str) -> Answer:
    """Request the external address by NAT-PMP; changes nothing on the router."""
    return read_pmp(await _exchange(gateway, local_ip, b"\0\0"))


async def request_pcp(gateway: str, local_ip: str) -> Answer:
    """Create a PCP mapping, whose response has the external address, and delete it."""
    nonce = os.urandom(12)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as held:
        held.bind((local_ip, 0))
        port = held.getsockname()[1]
        data = await _exchange(gateway, local_ip, pcp_request(local_ip, port, nonce, _LIFETIME_S))
        answer = read_pcp(data, nonce)
        if answer.external_ip is not None:
            await _exchange(gateway, local_ip, pcp_request(local_ip, port, nonce, 0))
    return answer


def read_pmp(data: bytes | None) -> Answer:
    """Read the answer to an external-address request (RFC 6886 3.2)."""
    if data is None:
        return SILENT
    if len(data) < 4 or data[1] != _RESPONSE or data[0] not in (0, _PCP_VERSION):
        return Answer(answered=True, error="nonsense")
    (result,) = unpack_from("!H", data, 2)
    if data[0] == _PCP_VERSION:  # a PCP server refuses the older version (RFC 6887 9)
        return Answer(answered=True, error="unsupported version")
    if result:
        return Answer(answered=True, error=_PMP_RESULTS.get(result, f"result {result}"))
    if len(data) < 12:
        return Answer(answered=True, error="nonsense")
    return Answer(answered=True, external_ip=str(ipaddress.IPv4Address(data[8:12])))


def pcp_request(local_ip: str, port: int, nonce: bytes, lifetime_s: int) -> bytes:
    """Write a MAP request for a UDP port (RFC 6887 7.1, 11.1)."""
    client = ipaddress.IPv6Address(f"::ffff:{local_ip}").packed
    head = pack("!BBHI", _PCP_VERSION, _PCP_MAP, 0, lifetime_s) + client
    suggested = ipaddress.IPv6Address("::ffff:0.0.0.0").packed
    return head + nonce + pack("!B3xHH", _UDP, port, 0) + suggested


def read_pcp(data: bytes | None, nonce: bytes) -> Answer:
    """Read the answer to a MAP request (RFC 6887 7.2, 11.1)."""
    if data is None:
        return SILENT
    if len(data) < 24 or data[0] != _PCP_VERSION or not data[1] & _RESPONSE:
        error = "unsupported version" if data[:1] == b"\0" else "nonsense"
        return Answer(answered=True, error=error)
    if data[3]:
        return Answer(answered=True, error=_PCP_RESULTS.get(data[3], f"result {data[3]}"))
    if len(data) < 60 or data[24:36] != nonce:
        return Answer(answered=True, error="nonsense")
    external = ipaddress.IPv6Address(data[44:60])
    return Answer(answered=True, external_ip=str(external.ipv4_mapped or external))


async def _exchange(gateway: str, local_ip: str, request: bytes) -> bytes | None:
    """Send a request to the gateway with retransmissions, on a connected socket.

    The source is the local address of the mapping, which PCP checks (RFC 6887 8.1).
    """
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        try:
            sock.bind((local_ip, 0))
            sock.connect((gateway, PORT))
        except OSError:
            return None
        ends = [*_SENDS_S[1:], _WAIT_S]
        started = loop.time()
        for end_s in ends:
            try:
                sock.send(request)
                async with asyncio.timeout(started + end_s - loop.time()):
                    return await loop.sock_recv(sock, 1100)
            except TimeoutError:
                continue
            except OSError:  # ICMP port unreachable
                return None
    return None
