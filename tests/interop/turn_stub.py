"""A faulty TURN server over UDP and TCP on one port, with one kind of fault."""

import socket
import struct
import threading
from types import TracebackType
from typing import Self

from aioice import stun

from tests.interop.coturn import free_ports

Behaviour = str

_HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class TurnStub:
    """Responds until the block ends."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        [self.port] = free_ports(1)
        self._tcp = socket.create_server(("127.0.0.1", self.port))
        self._udp = socket.socket(type=socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._threads = [
            threading.Thread(target=self._serve_udp),
            threading.Thread(target=self._serve_tcp),
        ]

    @property
    def uri(self) -> str:
        return f"turn:127.0.0.1:{self.port}?transport=udp"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", self.port))
        with socket.create_connection(("127.0.0.1", self.port)) as ending:
            ending.sendall(b"end")
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def _serve_udp(self) -> None:
        while True:
            data, source = self._udp.recvfrom(65536)
            if not data:
                return
            self._udp.sendto(response(self._behaviour, data), source)

    def _serve_tcp(self) -> None:
        while True:
            connection, _ = self._tcp.accept()
            with connection:
                data = connection.recv(65536)
                if data == b"end":
                    return
                connection.sendall(response(self._behaviour, data))


def response(behaviour: Behaviour, request: bytes) -> bytes:
    """Return the response of this behaviour."""
    method, transaction = int.from_bytes(request[:2], "big"), request[8:20]
    if behaviour == "http":
        return _HTTP
    if behaviour == "nonsense":
        return bytes(range(7, 99))
    if method == stun.Method.BINDING:
        return _message(0x0101, transaction, b"")
    match behaviour:
        case "no_realm":
            return _message(0x0113, transaction, _error(401, b"Unauthorized"))
        case "truncated":
            return _message(0x0103, transaction, struct.pack("!HH", 0x0016, 2) + b"\0\1\0\0")
        case "short_error":
            return _message(0x0113, transaction, struct.pack("!HH", 0x0009, 1) + b"\4\0\0\0")
        case "short_lifetime":
            return _message(0x0103, transaction, struct.pack("!HH", 0x000D, 2) + b"\0\1\0\0")
        case "error_without_code":
            return _message(0x0113, transaction, b"")
        case "success_without_relay":
            return _message(0x0103, transaction, b"")
        case "other_transaction":
            return _message(0x0103, bytes(12), b"")
        case "giant":
            body = struct.pack("!HH", 0x8022, 60_000) + b"x" * 60_000
            return _message(0x0113, transaction, _error(500, b"\x1b[31mred") + body)
        case "redirect":
            return _message(0x0113, transaction, _error(300, b"Try Alternate"))
    raise AssertionError(behaviour)


def _error(code: int, reason: bytes) -> bytes:
    value = struct.pack("!HBB", 0, code // 100, code % 100) + reason
    return struct.pack("!HH", 0x0009, len(value)) + value + bytes(-len(value) % 4)


def _message(message_type: int, transaction: bytes, body: bytes) -> bytes:
    return struct.pack("!HHI", message_type, len(body), stun.COOKIE) + transaction + body
