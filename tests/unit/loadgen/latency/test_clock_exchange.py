"""The exchange on loopback: the offset of known clocks, and datagrams of other senders."""

import asyncio
import time
from typing import Any

import pytest

from sfukit.errors import MachineError, UsageError
from sfukit.loadgen.latency import clock_exchange, clock_messages, peer_address
from sfukit.loadgen.latency.clock_exchange import Requester, Responder
from sfukit.loadgen.latency.clock_messages import SIZE, Kind, Message, State
from sfukit.loadgen.latency.clock_offset import ClockOffset, Exchange
from sfukit.loadgen.latency.peer_address import PeerAddress

KEY = clock_messages.key_of("a common token")
AHEAD_NS = 3_600_000_000_000


def ahead_ns() -> int:
    """Return a clock one hour ahead of ``time.monotonic_ns``."""
    return time.monotonic_ns() + AHEAD_NS


class Sent:
    """A transport that keeps what is sent."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []

    def sendto(self, data: bytes, addr: Any = None) -> None:
        self.datagrams.append(data)


def responder(clock_ns: list[int] | None = None) -> tuple[Responder, Sent]:
    now = clock_ns or [1_000]
    one, sent = Responder(KEY, lambda: now[0], lambda: 5_000), Sent()
    one.connection_made(sent)  # type: ignore[arg-type]
    return one, sent


def request(nonce: bytes = bytes(16), state: State = State.JOINING, key: bytes = KEY) -> bytes:
    return clock_messages.encode(Message(kind=Kind.REQUEST, state=state, nonce=nonce, t1_ns=1), key)


async def test_the_offset_of_two_clocks_is_within_its_uncertainty() -> None:
    clock, answered = ClockOffset(), asyncio.Event()

    def on_response(exchange: Exchange, response: Message) -> None:
        clock.add(exchange)
        assert response.state is State.MEDIA
        assert response.rtt_us == 40_000
        if clock.exchanges == 10:
            answered.set()

    answering = Responder(KEY, ahead_ns, time.time_ns)
    answering.state, answering.rtt_us = State.MEDIA, 40_000
    listening = await clock_exchange.listen(PeerAddress("127.0.0.1", 0), answering)
    port = listening.get_extra_info("sockname")[1]
    requester = Requester(KEY, time.monotonic_ns, on_response)
    asking = await clock_exchange.connect(PeerAddress("127.0.0.1", port), requester)
    try:
        async with asyncio.timeout(10):
            for _ in range(10):
                requester.request(State.JOINING)
            await answered.wait()
    finally:
        asking.close()
        listening.close()
    estimate = clock.estimate(time.monotonic_ns())
    assert estimate is not None
    assert abs(estimate.offset_ns - AHEAD_NS) <= estimate.uncertainty_ns
    assert estimate.uncertainty_ns < 50_000_000
    assert answering.seen is State.JOINING


def test_a_response_is_as_large_as_its_request_and_repeats_the_nonce() -> None:
    one, sent = responder()
    one.datagram_received(request(b"n" * 16), ("127.0.0.1", 9))
    assert [len(datagram) for datagram in sent.datagrams] == [SIZE]
    response = clock_messages.decode(sent.datagrams[0], KEY)
    assert response is not None
    assert (response.kind, response.nonce, response.t2_ns) == (Kind.RESPONSE, b"n" * 16, 1_000)
    assert response.wall_minus_clock_ns == 4_000


@pytest.mark.parametrize(
    "datagram",
    [
        b"",
        b"x" * SIZE,
        request()[:-1],
        request() + b"x",
        request(key=clock_messages.key_of("another token")),
        clock_messages.encode(
            Message(kind=Kind.RESPONSE, state=State.MEDIA, nonce=bytes(16), t1_ns=1), KEY
        ),
    ],
)
def test_a_datagram_of_another_sender_is_not_answered(datagram: bytes) -> None:
    one, sent = responder()
    one.datagram_received(datagram, ("127.0.0.1", 9))
    assert sent.datagrams == []
    assert one.seen is None


def test_requests_are_answered_at_most_a_hundred_times_a_second() -> None:
    now = [1_000_000_000]
    one, sent = responder(now)
    for _ in range(500):
        one.datagram_received(b"x" * SIZE, ("127.0.0.1", 9))  # not counted: no token
        one.datagram_received(request(), ("127.0.0.1", 9))
    assert len(sent.datagrams) == 100
    now[0] += 1_000_000_000
    one.datagram_received(request(), ("127.0.0.1", 9))
    assert len(sent.datagrams) == 101


def test_a_late_datagram_does_not_undo_the_end_of_the_other_process() -> None:
    one, _ = responder()
    one.datagram_received(request(state=State.ENDED), ("127.0.0.1", 9))
    one.datagram_received(request(state=State.MEDIA), ("127.0.0.1", 9))
    assert one.seen is State.ENDED


class Asked:
    """A requester with one request in flight, and its responses."""

    def __init__(self) -> None:
        self.now_ns = 1_000
        self.responses: list[Exchange] = []
        self.requester = Requester(
            KEY, lambda: self.now_ns, lambda exchange, _response: self.responses.append(exchange)
        )
        self.sent = Sent()
        self.requester.connection_made(self.sent)  # type: ignore[arg-type]
        self.requester.request(State.JOINING)

    def response(self, *, nonce: bytes | None = None, key: bytes = KEY) -> bytes:
        sent = clock_messages.decode(self.sent.datagrams[0], KEY)
        assert sent is not None
        message = Message(
            kind=Kind.RESPONSE,
            state=State.MEDIA,
            nonce=sent.nonce if nonce is None else nonce,
            t1_ns=999,  # not believed: the time of the request is remembered
            t2_ns=5_000,
            t3_ns=5_100,
        )
        return clock_messages.encode(message, key)


def test_a_response_counts_once_with_the_remembered_time_of_its_request() -> None:
    asked = Asked()
    asked.now_ns = 2_000
    for _ in range(3):
        asked.requester.datagram_received(asked.response(), ("127.0.0.1", 9))
    assert asked.responses == [Exchange(1_000, 5_000, 5_100, 2_000)]


def test_a_response_to_no_request_is_ignored() -> None:
    asked = Asked()
    another = clock_messages.key_of("another token")
    for datagram in (
        asked.response(nonce=b"x" * 16),
        asked.response(key=another),
        asked.sent.datagrams[0],  # its own request, reflected
    ):
        asked.requester.datagram_received(datagram, ("127.0.0.1", 9))
    assert asked.responses == []


def test_unanswered_requests_are_bounded() -> None:
    asked = Asked()
    first = asked.response()
    for _ in range(1_000):
        asked.requester.request(State.JOINING)
    assert len(asked.requester._pending) == 64
    asked.requester.datagram_received(first, ("127.0.0.1", 9))
    assert asked.responses == []


async def test_an_address_of_another_machine_is_refused_with_the_fix() -> None:
    with pytest.raises(MachineError) as refused:
        await clock_exchange.listen(PeerAddress("192.0.2.1", 7099), responder()[0])
    assert "--peer 192.0.2.1:7099: this end cannot listen there" in refused.value.what
    assert "0.0.0.0:7099" in (refused.value.hint or "")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("192.0.2.1:7099", "192.0.2.1", 7099), ("[::1]:0", "::1", 0), ("host:1", "host", 1)],
)
def test_addresses(text: str, host: str, port: int) -> None:
    assert peer_address.parse(text) == (host, port)
    assert str(peer_address.parse(text)) == text


@pytest.mark.parametrize(
    "text", ["", "host", "host:", ":1", "host:x", "host:70000", "u@host:1", "[::1:1", "a:1/b"]
)
def test_texts_that_are_no_address(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        peer_address.parse(text)
    assert "HOST:PORT" in (refused.value.hint or "")
