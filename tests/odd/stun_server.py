"""Odd answers to a Binding request, in plain bytes: what no library would write."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import cast

from sfukit.probe.resolve import Address

_COOKIE = 0x2112A442
_SUCCESS, _ERROR, _INDICATION = 0x0101, 0x0111, 0x0011
_MAPPED, _XOR_MAPPED, _OLD_XOR_MAPPED = 0x0001, 0x0020, 0x8020
_CHANGED, _ERROR_CODE, _SOFTWARE, _OTHER = 0x0005, 0x0009, 0x8022, 0x802C

Answer = Callable[[bytes, Address, Address], bytes | None]
"""From a request, its source and the server's own address to an answer."""


def attribute(kind: int, value: bytes, *, pad: bool = True) -> bytes:
    """Write an attribute."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4 if pad else 0)


def plain(place: tuple[str, int], family: int = 1) -> bytes:
    """Write an address as MAPPED-ADDRESS has it."""
    return struct.pack("!BBH", 0, family, place[1]) + socket.inet_aton(place[0])


def masked(place: tuple[str, int], family: int = 1) -> bytes:
    """Write an address as XOR-MAPPED-ADDRESS has it."""
    ip = int.from_bytes(socket.inet_aton(place[0]), "big") ^ _COOKIE
    return struct.pack("!BBHI", 0, family, place[1] ^ (_COOKIE >> 16), ip)


def message(request: bytes, kind: int, body: bytes, trailing: bytes = b"") -> bytes:
    """Write an answer to a request."""
    return struct.pack("!HHI", kind, len(body), _COOKIE) + request[8:20] + body + trailing


def seen(source: Address) -> bytes:
    """Write the attribute that every good answer has."""
    return attribute(_XOR_MAPPED, masked(source))


def _with(more: bytes = b"", trailing: bytes = b"") -> Answer:
    """Answer well, and add something."""
    return lambda data, source, _: message(data, _SUCCESS, seen(source) + more, trailing)


def _alone(kind: int, body: bytes) -> Answer:
    """Answer with this, and with no address of the client."""
    return lambda data, _source, _own: message(data, kind, body)


def _error(value: bytes) -> Answer:
    return _alone(_ERROR, attribute(_ERROR_CODE, value))


def _other_on_this_host(data: bytes, source: Address, own: Address) -> bytes:
    other = attribute(_OTHER, plain((own.ip, own.port % 60_000 + 1)))
    return message(data, _SUCCESS, seen(source) + other)


ANSWERS: dict[str, Answer] = {
    "plain": _with(),
    "mapped-only": lambda data, source, _: message(
        data, _SUCCESS, attribute(_MAPPED, plain(source))
    ),
    "old-xor-mapped": lambda data, source, _: message(
        data, _SUCCESS, attribute(_OLD_XOR_MAPPED, masked(source))
    ),
    "software-unpadded": _with(attribute(_SOFTWARE, b"odd-server", pad=False)),
    "software-twice": _with(attribute(_SOFTWARE, b"one1") + attribute(_SOFTWARE, b"two2")),
    "software-latin1": _with(attribute(_SOFTWARE, "größe".encode("latin-1"))),
    "software-long": _with(attribute(_SOFTWARE, "ü".encode() * 400)),
    "mapped-twice": _with(attribute(_XOR_MAPPED, masked(("198.51.100.9", 9)))),
    "mapped-twice-broken": _with(attribute(_XOR_MAPPED, b"\0\1")),
    "family-zero": lambda data, source, _: message(
        data, _SUCCESS, attribute(_XOR_MAPPED, masked(source, family=0))
    ),
    "other-on-this-host": _other_on_this_host,
    "other-private": _with(attribute(_OTHER, plain(("10.9.8.7", 3479)))),
    "other-multicast": _with(attribute(_OTHER, plain(("224.0.0.7", 3479)))),
    "changed-address": _with(attribute(_CHANGED, plain(("127.0.0.2", 3479)))),
    "error-500": _error(b"\0\0\x05\0Server Error\0\0\0\0"),
    "error-401": _error(b"\0\0\4\1"),
    "error-escape": _error(b"\0\0\4\0\x1b[2Jbad"),
    "error-without-code": _alone(_ERROR, b""),
    "empty-success": _alone(_SUCCESS, b""),
    "indication": lambda data, source, _: message(data, _INDICATION, seen(source)),
    "trailing-bytes": _with(trailing=b"\xde\xad\xbe\xef"),
    "beyond-the-end": _with(struct.pack("!HH", _SOFTWARE, 400)),
    "zero-address": _alone(_SUCCESS, attribute(_XOR_MAPPED, masked(("0.0.0.0", 0)))),
    "zero-port": _alone(_SUCCESS, attribute(_XOR_MAPPED, masked(("127.0.0.1", 0)))),
    "multicast": _alone(_SUCCESS, attribute(_XOR_MAPPED, masked(("224.0.0.1", 5000)))),
    "echo": lambda data, _source, _own: data,
    "http": lambda _data, _source, _own: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "short": lambda _data, _source, _own: b"no",
    "other-transaction": lambda _data, source, _own: message(bytes(20), _SUCCESS, seen(source)),
    "silent": lambda _data, _source, _own: None,
}


class _Server(asyncio.DatagramProtocol):
    def __init__(self, answer: Answer, second: socket.socket | None) -> None:
        self._answer = answer
        self._second = second

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._own = Address(*transport.get_extra_info("sockname"))

    def datagram_received(self, data: bytes, addr: Sequence[object]) -> None:
        source = Address(str(addr[0]), cast(int, addr[1]))
        answer = self._answer(data, source, self._own)
        if answer is None:
            return
        if self._second is not None:
            self._second.sendto(answer, source)
        else:
            self._transport.sendto(answer, source)


@asynccontextmanager
async def odd_stun(name: str) -> AsyncIterator[Address]:
    """Serve on loopback until the block ends; ``from-elsewhere`` answers from another port."""
    elsewhere = name == "from-elsewhere"
    with socket.socket(type=socket.SOCK_DGRAM) as second:
        answer = ANSWERS["plain" if elsewhere else name]
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Server(answer, second if elsewhere else None), ("127.0.0.1", 0)
        )
        try:
            yield Address(*transport.get_extra_info("sockname"))
        finally:
            transport.close()
