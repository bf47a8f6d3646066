"""A TURN server over UDP with one odd refusal; or with allocations, by option.

Plain bytes, so that it can write what no library would.
"""

import asyncio
import hashlib
import hmac
import itertools
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

USER, PASSWORD, REALM = "ann", "pw", "odd.example"

_COOKIE = 0x2112A442
_BINDING, _ALLOCATE, _REFRESH = 0x001, 0x003, 0x004
_ERROR, _SUCCESS = 0x0110, 0x0100
_MAPPED, _INTEGRITY, _ERROR_CODE, _UNKNOWN = 0x0020, 0x0008, 0x0009, 0x000A
_REALM, _NONCE, _RELAYED, _LIFETIME = 0x0014, 0x0015, 0x0016, 0x000D
_ALGORITHMS, _ALTERNATE = 0x8002, 0x8023

Place = tuple[str, int]


def attribute(kind: int, value: bytes) -> bytes:
    """Write an attribute with its padding."""
    return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)


def address(place: Place, *, mask: bool = False) -> bytes:
    """Write an address, as MAPPED-ADDRESS or masked."""
    ip, port = (
        socket.inet_pton(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, place[0]),
        place[1],
    )
    if mask:
        port ^= _COOKIE >> 16
        ip = (int.from_bytes(ip, "big") ^ _COOKIE).to_bytes(4, "big")
    return struct.pack("!BBH", 0, 2 if len(ip) == 16 else 1, port) + ip


class Request:
    """A request as it came, and the answers to it."""

    def __init__(self, data: bytes, number: int) -> None:
        self.method = int.from_bytes(data[:2], "big")
        self.transaction = data[8:20]
        self.signed = struct.pack("!HH", _INTEGRITY, 20) in data
        self.number = number

    def error(self, code: int, reason: bytes, more: bytes = b"", *, sign: bool = False) -> bytes:
        """Write an error response."""
        value = struct.pack("!HBB", 0, code // 100, code % 100) + reason
        return self._message(_ERROR, attribute(_ERROR_CODE, value) + more, sign=sign)

    def success(self, body: bytes, *, sign: bool = False) -> bytes:
        """Write a success response."""
        return self._message(_SUCCESS, body, sign=sign)

    def challenge(
        self, realm: bytes = REALM.encode(), more: bytes = b"", nonce: str = "n"
    ) -> bytes:
        """Write a 401 with a nonce of its own."""
        body = attribute(_REALM, realm) + attribute(_NONCE, f"{nonce}{self.number:08}".encode())
        return self.error(401, b"Unauthorized", body + more)

    def _message(self, kind: int, body: bytes, *, sign: bool) -> bytes:
        head = struct.pack("!HHI", self.method | kind, len(body) + 24 * sign, _COOKIE)
        data = head + self.transaction + body
        if not sign:
            return data
        key = hashlib.md5(f"{USER}:{REALM}:{PASSWORD}".encode()).digest()
        return data + attribute(_INTEGRITY, hmac.digest(key, data, "sha1"))


Manner = Callable[[Request], bytes | None]


def refuses(code: int, reason: bytes, more: bytes = b"", *, sign: bool = False) -> Manner:
    """Challenge, then refuse what is signed."""

    def manner(request: Request) -> bytes | None:
        if request.signed:
            return request.error(code, reason, more, sign=sign)
        return request.challenge()

    return manner


def challenges(realm: bytes = REALM.encode(), more: bytes = b"", nonce: str = "n") -> Manner:
    """Answer everything with one challenge: no password is right."""
    return lambda request: request.challenge(realm, more, nonce)


def changes_realm(request: Request) -> bytes:
    """Challenge with another realm each time."""
    return request.challenge(f"r{request.number}.example".encode())


def renames_realm(request: Request) -> bytes:
    """Challenge with one realm first, and then with another."""
    return request.challenge(REALM.encode() if request.signed else b"first.example")


def stale_for_ever(request: Request) -> bytes:
    """Refuse every nonce, and give another."""
    if not request.signed:
        return request.challenge()
    more = attribute(_REALM, REALM.encode()) + attribute(_NONCE, f"s{request.number:08}".encode())
    return request.error(438, b"Wrong nonce", more)


def silent_after_401(request: Request) -> bytes | None:
    """Challenge, then say nothing."""
    return None if request.signed else request.challenge()


def accepts_unsigned(request: Request) -> bytes:
    """Allocate without the signature that the client has to ask for."""
    return request.success(_allocation()) if request.signed else request.challenge()


def allocates(request: Request) -> bytes:
    """Allocate, and refuse every peer."""
    if not request.signed:
        return request.challenge()
    if request.method in (_ALLOCATE, _REFRESH):
        return request.success(_allocation(), sign=True)
    return request.error(403, b"Forbidden", sign=True)


def sends_to(place: Place | None, *, after_auth: bool = False) -> Manner:
    """Answer 300, at once or to the request with credentials."""
    more = b"" if place is None else attribute(_ALTERNATE, address(place))
    first = refuses(300, b"Try Alternate", more)
    return first if after_auth else lambda request: request.error(300, b"Try Alternate", more)


def _allocation() -> bytes:
    relay = attribute(_RELAYED, address(("127.0.0.1", 50_000), mask=True))
    return relay + attribute(_LIFETIME, struct.pack("!I", 600))


MD5_AND_SHA256 = attribute(_ALGORITHMS, struct.pack("!HHHH", 2, 0, 1, 0))
SHA256_ALONE = attribute(_ALGORITHMS, struct.pack("!HH", 2, 0))
UNKNOWN_TRANSPORT = attribute(_UNKNOWN, struct.pack("!HH", 0x0019, 0x000D))
NEW_NONCE = "obMatJos2AAAC"


class _Server(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.manner: Manner = challenges()
        self._numbers = itertools.count(1)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Place) -> None:
        request = Request(data, next(self._numbers))
        if request.method == _BINDING:
            mapped = attribute(_MAPPED, address(addr, mask=True))
            answer: bytes | None = request.success(mapped)
        else:
            answer = self.manner(request)
        if answer is not None:
            self._transport.sendto(answer, addr)


class OddTurn:
    """A running server: where it is, and how it answers from now on."""

    def __init__(self, server: _Server, place: Place) -> None:
        self._server = server
        self.place = place

    def answer(self, manner: Manner) -> None:
        """Answer in this manner."""
        self._server.manner = manner


@asynccontextmanager
async def odd_turn(manner: Manner) -> AsyncIterator[OddTurn]:
    """Serve on loopback until the block ends."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        _Server, local_addr=("127.0.0.1", 0)
    )
    running = OddTurn(server, transport.get_extra_info("sockname"))
    running.answer(manner)
    try:
        yield running
    finally:
        transport.close()
