"""The exchange over UDP: the publisher's end answers, the subscriber's end requests.

Only datagrams with the token of both ends are answered or read: a request at most 100 times a
second, a response once and for a nonce that was just sent.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Any

from sfukit.errors import MachineError
from sfukit.loadgen.latency import clock_messages, clock_offset
from sfukit.loadgen.latency.clock_messages import NONCE_SIZE, Kind, Message, State
from sfukit.loadgen.latency.clock_offset import Clock, Exchange
from sfukit.loadgen.latency.peer_address import PeerAddress

_MAX_PER_S = 100
_MAX_PENDING = 64
_NS_PER_S = 1_000_000_000


class _End(asyncio.DatagramProtocol):
    """One end of the exchange: its socket, and the datagrams that the token authenticates."""

    def __init__(self, key: bytes, clock_ns: Clock) -> None:
        self._key = key
        self._clock_ns = clock_ns
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]

    def error_received(self, exc: Exception) -> None:
        """Ignore errors of ICMP: they are not authenticated, and the other end may start later."""

    def _read(self, data: bytes, kind: Kind) -> Message | None:
        """Return a message of one kind; None for any other datagram."""
        message = clock_messages.decode(data, self._key)
        return message if message is not None and message.kind is kind else None

    def _send(self, message: Message, address: tuple[Any, ...] | None = None) -> None:
        if self._transport is not None:
            self._transport.sendto(clock_messages.encode(message, self._key), address)


class Responder(_End):
    """Answer requests of the subscriber's end.

    ``state`` and ``rtt_us`` are what it is told of this end; ``seen`` is its latest state.
    """

    def __init__(self, key: bytes, clock_ns: Clock, wall_ns: Clock) -> None:
        super().__init__(key, clock_ns)
        self.state = State.JOINING
        self.rtt_us: int | None = None
        self.seen: State | None = None
        self.seen_at_ns = 0
        self._wall_ns = wall_ns
        self._second = 0
        self._answered = 0

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Answer a request."""
        received_ns = self._clock_ns()
        request = self._read(data, Kind.REQUEST)
        if request is None or not self._permitted(received_ns):
            return
        # the end is final: a late datagram does not undo it
        if self.seen is not State.ENDED:
            self.seen = request.state
        self.seen_at_ns = received_ns
        wall_minus_clock_ns = clock_offset.between(self._clock_ns, self._wall_ns)
        response = Message(
            kind=Kind.RESPONSE,
            state=self.state,
            nonce=request.nonce,
            t1_ns=request.t1_ns,
            t2_ns=received_ns,
            t3_ns=self._clock_ns(),
            wall_minus_clock_ns=wall_minus_clock_ns,
            rtt_us=self.rtt_us,
        )
        self._send(response, addr)

    def _permitted(self, now_ns: int) -> bool:
        second = now_ns // _NS_PER_S
        if second != self._second:
            self._second, self._answered = second, 0
        self._answered += 1
        return self._answered <= _MAX_PER_S


class Requester(_End):
    """Send requests to the publisher's end; ``on_response`` receives each response."""

    def __init__(
        self, key: bytes, clock_ns: Clock, on_response: Callable[[Exchange, Message], None]
    ) -> None:
        super().__init__(key, clock_ns)
        self._on_response = on_response
        self._pending: dict[bytes, int] = {}

    def request(self, state: State) -> None:
        """Send one request."""
        if self._transport is None:
            return
        nonce = os.urandom(NONCE_SIZE)
        sent_ns = self._clock_ns()
        self._pending[nonce] = sent_ns
        if len(self._pending) > _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        message = Message(kind=Kind.REQUEST, state=state, nonce=nonce, t1_ns=sent_ns)
        self._send(message)

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        """Read a response."""
        received_ns = self._clock_ns()
        response = self._read(data, Kind.RESPONSE)
        if response is None:
            return
        sent_ns = self._pending.pop(response.nonce, None)
        if sent_ns is not None:
            exchange = Exchange(sent_ns, response.t2_ns, response.t3_ns, received_ns)
            self._on_response(exchange, response)


async def listen(address: PeerAddress, responder: Responder) -> asyncio.DatagramTransport:
    """Open the socket of the publisher's end."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: responder, local_addr=(address.host, address.port)
        )
    except OSError as error:
        raise MachineError(
            f"--peer {address}: this end cannot listen there: {error.strerror or error}",
            hint="name an address of this machine, such as 0.0.0.0:7099, and a free port",
        ) from error
    return transport


async def connect(address: PeerAddress, requester: Requester) -> asyncio.DatagramTransport:
    """Open the socket of the subscriber's end."""
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.create_datagram_endpoint(
            lambda: requester, remote_addr=(address.host, address.port)
        )
    except OSError as error:
        raise MachineError(
            f"--peer {address}: no route to the publisher's end: {error.strerror or error}",
            hint="name the address that the publisher's end printed",
        ) from error
    return transport
