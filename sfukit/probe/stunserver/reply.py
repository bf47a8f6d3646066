"""The response to a request, and from which of the server's addresses it is sent. No sockets.

A response goes to the source of the request: RESPONSE-PORT changes the port, never the IP. It is at
most three times as large as its request on the wire, so that amplification is not worthwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aioice.stun import Class, Message, Method

from sfukit.buckets import TokenBuckets, address_key
from sfukit.probe.resolve import Address
from sfukit.probe.stun import attributes, message
from sfukit.probe.stun.attributes import PADDING, RESPONSE_PORT, UNKNOWN_ATTRIBUTES
from sfukit.probe.stun.message import Malformed, Parsed

MAX_PADDING = 1600
"""Bytes of padding in an answer at most; enough to force fragments on any usual path."""

_BAD_REQUEST = (400, "Bad Request")
_UNKNOWN = (420, "Unknown Attribute")
_LOWEST_PORT = 1024  # RESPONSE-PORT never is a system port of the client
_ODD_COST = 4.0  # of a request whose response goes to another port or is long


class Role(NamedTuple):
    """One of the server's sockets: which address, which port; 0 is primary, 1 alternate."""

    ip: int
    port: int

    def changed(self, change: int) -> "Role":
        """Return the socket that a CHANGE-REQUEST selects (RFC 5780 7.2)."""
        return Role(
            self.ip ^ bool(change & attributes.CHANGE_IP),
            self.port ^ bool(change & attributes.CHANGE_PORT),
        )


@dataclass(frozen=True)
class Reply:
    """Bytes to send, from one of the server's sockets, to an address."""

    data: bytes
    source: Role
    to: Address


@dataclass
class Counters:
    """Counters of requests by result."""

    answers: int = 0
    errors: int = 0
    limited: int = 0
    malformed: int = 0


class Replies:
    """Responses of one address family; two addresses make RFC 5780 possible."""

    def __init__(self, addresses: Mapping[Role, Address], rate_per_s: float, burst: float) -> None:
        self._addresses = addresses
        self._buckets = TokenBuckets(rate_per_s, burst)
        self.counters = Counters()

    @property
    def _full(self) -> bool:
        """Return whether there is a second address."""
        return Role(1, 1) in self._addresses

    def answer(self, data: bytes, source: Address, at: Role, now_s: float) -> Reply | None:
        """Return the response to one datagram; None where nothing is sent."""
        try:
            asked = message.parse(data)
        except Malformed:
            self.counters.malformed += 1
            return None
        if not asked.is_request or source.port == 0:
            return None
        if self._buckets.wait_s(address_key(source.ip), now_s, _cost(asked)) > 0:
            self.counters.limited += 1
            return None
        refusal = self._refusal(asked)
        if refusal is not None:
            self.counters.errors += 1
            return Reply(bytes(refusal), at, source)
        self.counters.answers += 1
        return self._success(asked, source, at)

    def _refusal(self, asked: Parsed) -> Message | None:
        """Return the error response by RFC 8489 6.3.1 or RFC 5780 6.1, or None."""
        unknown = list(asked.unknown_required)
        if not self._full and asked.attribute("CHANGE-REQUEST"):
            unknown.append(0x0003)
        if unknown:
            return _error(asked, _UNKNOWN, {UNKNOWN_ATTRIBUTES: unknown[:4]})
        port = asked.attribute(RESPONSE_PORT)
        if port is None:
            return None
        if port < _LOWEST_PORT or asked.attribute(PADDING) is not None:
            return _error(asked, _BAD_REQUEST, {})
        return None

    def _success(self, asked: Parsed, source: Address, at: Role) -> Reply:
        leaves_from = at.changed(asked.attribute("CHANGE-REQUEST") or 0)
        values: dict[str, Any] = {
            "XOR-MAPPED-ADDRESS": tuple(source),
            "MAPPED-ADDRESS": tuple(source),
            "RESPONSE-ORIGIN": tuple(self._addresses[leaves_from]),
        }
        if self._full:
            # of the socket that received the request, not of the sending one (RFC 5780 7.4)
            other = at.changed(attributes.CHANGE_IP | attributes.CHANGE_PORT)
            values["OTHER-ADDRESS"] = tuple(self._addresses[other])
        padding = asked.attribute(PADDING)
        if padding is not None:
            values[PADDING] = bytes(min(len(padding), MAX_PADDING))
        answer = Message(Method.BINDING, Class.RESPONSE, asked.transaction_id, values)
        if asked.attribute("FINGERPRINT") is not None:
            answer.add_fingerprint()
        port = asked.attribute(RESPONSE_PORT)
        to = source if port is None else Address(source.ip, port)
        return Reply(bytes(answer), leaves_from, to)


def _error(asked: Parsed, code: tuple[int, str], values: dict[str, Any]) -> Message:
    return Message(
        Method.BINDING, Class.ERROR, asked.transaction_id, {"ERROR-CODE": code, **values}
    )


def _cost(asked: Parsed) -> float:
    odd = asked.attribute(RESPONSE_PORT) is not None or asked.attribute(PADDING) is not None
    return _ODD_COST if odd else 1.0
