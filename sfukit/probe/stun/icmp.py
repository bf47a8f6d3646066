"""ICMP errors about our own datagrams, read from the socket's error queue (Linux, ip(7))."""

import ipaddress
import socket
from dataclasses import dataclass
from struct import unpack_from
from typing import Literal

from sfukit.probe import system
from sfukit.probe.resolve import Address

Kind = Literal["port_unreachable", "unreachable", "prohibited", "time_exceeded", "too_big"]

# linux/in.h, linux/in6.h; Python's socket module does not name them
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_EXTENDED_ERROR = 16  # bytes of struct sock_extended_err
_BATCH = 64
_FROM_ICMP = 2
_FROM_ICMP6 = 3

_V4: dict[tuple[int, int | None], Kind] = {
    (3, 3): "port_unreachable",
    (3, 4): "too_big",
    (3, 9): "prohibited",
    (3, 10): "prohibited",
    (3, 13): "prohibited",
    (3, None): "unreachable",
    (11, None): "time_exceeded",
}
_V6: dict[tuple[int, int | None], Kind] = {
    (1, 4): "port_unreachable",
    (1, 1): "prohibited",
    (1, None): "unreachable",
    (2, None): "too_big",
    (3, None): "time_exceeded",
}


@dataclass(frozen=True)
class IcmpError:
    """One error: kind, sender (``offender``), destination of the datagram; ``mtu`` in bytes."""

    kind: Kind
    offender: str
    to: Address
    quoted: bytes
    mtu: int | None = None


def enable(sock: socket.socket) -> bool:
    """Enable the error queue of a socket (IP_RECVERR); False without Linux."""
    if not system.linux():
        return False
    if sock.family == socket.AF_INET6:
        sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVERR, 1)
    else:
        sock.setsockopt(socket.IPPROTO_IP, _IP_RECVERR, 1)
    return True


def receive(sock: socket.socket) -> list[IcmpError]:
    """Read the error queue of a socket after ``enable``, a batch at most."""
    errors: list[IcmpError] = []
    for _ in range(_BATCH):
        try:
            quoted, extra, _flags, to = sock.recvmsg(2048, 512, socket.MSG_ERRQUEUE)
        except OSError:
            break
        for _level, _kind, value in extra:
            error = _read(value, Address(to[0], to[1]), quoted)
            if error is not None:
                errors.append(error)
    return errors


def _read(value: bytes, to: Address, quoted: bytes) -> IcmpError | None:
    """Read struct sock_extended_err and the address of the offender behind it."""
    if len(value) < _EXTENDED_ERROR + 8:
        return None
    _errno, origin, kind, code, _pad, info, _data = unpack_from("=IBBBBII", value)
    names = _V4 if origin == _FROM_ICMP else _V6 if origin == _FROM_ICMP6 else {}
    name = names.get((kind, code)) or names.get((kind, None))
    if name is None:
        return None
    packed = value[_EXTENDED_ERROR + (4 if origin == _FROM_ICMP else 8) :]
    offender = ipaddress.ip_address(packed[: 4 if origin == _FROM_ICMP else 16])
    return IcmpError(name, str(offender), to, quoted, info if name == "too_big" else None)
