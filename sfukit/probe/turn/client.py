"""A TURN client: aioice's protocols, protected against invalid messages of servers.

aioice 0.13 has a timeout of 63 s, raises on attributes that are too short, and silently drops
responses without valid MESSAGE-INTEGRITY. Here each request has its own timeout, and messages
received instead of a response are counted for the failure's text.
"""

import asyncio
import ssl
import struct
import time
from asyncio import FIRST_COMPLETED
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aioice import stun, turn

from sfukit.probe import reach
from sfukit.probe.printable import printable
from sfukit.probe.resolve import Address as Place
from sfukit.probe.steps import StepFailedError
from sfukit.probe.turn import attributes as turn_attributes

Address = tuple[str, int]

turn_attributes.register()

LIFETIME_S = 600
CHANNEL = 0x4000
_STUN_HEADER_BYTES = 20
_REALM_CHANGED = (401, 438)


class RefusedError(Exception):
    """An error response: code and reason phrase.

    Clients have to ignore an error that should be ``signed`` with MESSAGE-INTEGRITY and is not
    (RFC 8489 section 9.2.5); its code is still the likely cause.
    """

    def __init__(
        self, code: int, reason: str, attributes: Mapping[str, Any], *, signed: bool = True
    ) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code = code
        self.reason = reason
        self.attributes = attributes
        self.signed = signed


@dataclass
class Incoming:
    """Counts of received messages, to explain a failure."""

    messages: int = 0
    unparsable: int = 0
    unsigned: stun.Message | None = None


class _ResponseFilter:
    """A mixin of aioice's protocols that filters messages which cannot be parsed."""

    incoming: Incoming
    transport_error: asyncio.Future[OSError]
    pings: dict[bytes, asyncio.Future[float]]

    def start(self) -> None:
        """Reset the counts and futures."""
        self.incoming = Incoming()
        self.transport_error = asyncio.get_running_loop().create_future()
        self.pings = {}

    def datagram_received(self, data: bytes | str, addr: Address) -> None:
        """Pass channel data and STUN to aioice; count other datagrams."""
        assert isinstance(data, bytes)
        if data and turn.is_channel_data(data):
            super().datagram_received(data, addr)  # type: ignore[misc]
            return
        ping = self.pings.get(data[8:20])
        if ping is not None and not ping.done():
            ping.set_result(time.perf_counter())
            return
        message = _parsed(data)
        if message is None:
            self.incoming.unparsable += 1
            return
        self.incoming.messages += 1
        self._note_unsigned(message)
        super().datagram_received(data, addr)  # type: ignore[misc]

    def error_received(self, exc: Exception) -> None:
        """Note an ICMP error: port unreachable, or no route."""
        self._break(exc if isinstance(exc, OSError) else OSError(str(exc)))

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the server closed the connection."""
        known = exc if isinstance(exc, OSError) else ConnectionResetError("closed")
        self._break(known)

    def _break(self, error: OSError) -> None:
        if not self.transport_error.done():
            self.transport_error.set_result(error)

    def _note_unsigned(self, message: stun.Message) -> None:
        key = getattr(self, "integrity_key", None)
        asked = message.transaction_id in getattr(self, "transactions", {})
        if key is None or not asked or message.error_code in _REALM_CHANGED:
            return
        if not message.check_message_integrity(key):
            self.incoming.unsigned = message


class UdpClient(_ResponseFilter, turn.TurnClientUdpProtocol):
    """TURN over UDP."""


class StreamClient(_ResponseFilter, turn.TurnClientTcpProtocol):
    """TURN over TCP, or over TLS."""


Client = UdpClient | StreamClient


def _parsed(data: bytes) -> stun.Message | None:
    if len(data) < _STUN_HEADER_BYTES or int.from_bytes(data[4:8], "big") != stun.COOKIE:
        return None
    try:
        return stun.parse_message(data)
    except (ValueError, struct.error, IndexError):
        return None


async def send_request(
    client: Client, method: stun.Method, attributes: Mapping[str, Any], timeout_s: float
) -> stun.Message:
    """Run one transaction; raises ``RefusedError``, or ``StepFailedError`` without a response."""
    request = stun.Message(message_method=method, message_class=stun.Class.REQUEST)
    request.attributes.update(attributes)
    client.incoming.unsigned = None
    asking = asyncio.ensure_future(client.request_with_retry(request))
    try:
        await asyncio.wait(
            (asking, client.transport_error), timeout=timeout_s, return_when=FIRST_COMPLETED
        )
        if not asking.done():
            raise _unanswered(client, timeout_s)
        return asking.result()[0]
    except stun.TransactionFailed as failed:
        raise _refused(failed.response) from failed
    except stun.TransactionError as late:
        raise _unanswered(client, timeout_s) from late
    finally:
        asking.cancel()


async def bind_channel(client: Client, peer: Address, timeout_s: float) -> None:
    """Bind the one channel of a probe to a peer (RFC 8656 section 12)."""
    attributes = {"CHANNEL-NUMBER": CHANNEL, "XOR-PEER-ADDRESS": peer}
    await send_request(client, stun.Method.CHANNEL_BIND, attributes, timeout_s)
    client.channel_to_peer[CHANNEL] = peer
    client.peer_to_channel[peer] = CHANNEL
    client.channel_refresh_at[CHANNEL] = float("inf")  # a probe ends before a refresh is due


async def ping_ms(client: Client, timeout_s: float) -> float | None:
    """Measure the RTT to the server by a Binding request; None without a response. Unit: ms."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    packed = bytes(request)
    answered: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    client.pings[request.transaction_id] = answered
    start_s = time.perf_counter()
    client._send(packed)
    await asyncio.wait(
        (answered, client.transport_error), timeout=timeout_s, return_when=FIRST_COMPLETED
    )
    del client.pings[request.transaction_id]
    return (answered.result() - start_s) * 1e3 if answered.done() else None


def send_to_channel(client: Client, data: bytes) -> None:
    """Send one datagram to the peer of the channel (RFC 8656 section 12.5)."""
    if not client.transport.is_closing():
        client._send(struct.pack("!HH", CHANNEL, len(data)) + data)


def backlog_bytes(client: Client) -> int:
    """Return the bytes in the send buffer."""
    waits: int = client.transport.get_write_buffer_size()  # type: ignore[union-attr]
    return waits


def _refused(response: stun.Message, *, signed: bool = True) -> RefusedError:
    """Read an error response; the reason phrase ends at a NUL, which some servers pad with."""
    code, reason = response.attributes.get("ERROR-CODE", (0, "an error without a code"))
    words = printable(reason.partition("\0")[0], 80)
    return RefusedError(code, words, response.attributes, signed=signed)


def _unanswered(client: Client, timeout_s: float) -> StepFailedError | RefusedError:
    """Return the failure of a request without a response."""
    heard, broken = (
        client.incoming,
        client.transport_error.result() if client.transport_error.done() else None,
    )
    if isinstance(broken, ConnectionRefusedError):
        return StepFailedError(
            "port_closed",
            f"the port {Place(*client.server[:2])} is closed (ICMP port unreachable)",
            "is the TURN server running, on this port and transport?",
        )
    if heard.unsigned is not None:
        if heard.unsigned.message_class == stun.Class.ERROR:
            return _refused(heard.unsigned, signed=False)
        return StepFailedError(
            "answer_unsigned",
            "the server accepts, but its response has no valid MESSAGE-INTEGRITY",
            "clients ignore such a response (RFC 8489 section 9.2.5): see the server's log",
        )
    if heard.unparsable or vars(client).get("buffer"):
        return StepFailedError("not_turn", "the server does not speak TURN", "check host and port")
    if broken is not None and not isinstance(broken, ConnectionError | ssl.SSLError):
        return reach.tcp_fault(broken, Place(*client.server[:2]), timeout_s)
    if broken is not None:
        return StepFailedError(
            "connection_closed",
            "the server closed the connection instead of answering",
            "is there a TURN server on this port?",
        )
    return StepFailedError(
        "no_answer",
        f"{Place(*client.server[:2])} did not answer within {timeout_s:.3g} s",
        "is the server running, and does a firewall allow this transport?",
    )
