"""State is bounded for any number of datagrams of a server, a router or a client."""

import struct
from collections.abc import Callable, Iterator, Sized
from unittest.mock import Mock

import pytest
from aioice import stun

from sfukit.probe.check.forwarder import DatagramCounts
from sfukit.probe.check.ice import _CheckProtocol
from sfukit.probe.nat import hairpin
from sfukit.probe.nat.context import Context
from sfukit.probe.nat.options import Options
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message, schedule
from sfukit.probe.stun.icmp import IcmpError
from sfukit.probe.stun.transaction import MOST_ICMP, MOST_UNEXPECTED, Transaction
from sfukit.probe.stun.udp import StunSocket
from sfukit.probe.stunserver.reply import Replies, Role
from sfukit.probe.turn.client import CHANNEL, StreamClient, UdpClient
from sfukit.probe.turn.echo import Echo
from sfukit.probe.turn.peer import BACKLOG_BYTES, RelayPeer

pytestmark = pytest.mark.computes

TIMES = 100_000
PARSED = 20_000  # of what is read as STUN: three hundred times the largest bound
SOURCES = 25_000  # of a server that keeps 10,000
SERVER = Address("192.0.2.1", 3478)
TURN = ("192.0.2.1", 3478)


def names(size: int, count: int = TIMES) -> Iterator[bytes]:
    """Fresh names, each once."""
    return (number.to_bytes(size, "big") for number in range(count))


def largest(*held: object) -> int:
    """The length of the longest container that these objects have, one level deep."""
    lengths = [0]
    for each in held:
        lengths += [len(one) for one in vars(each).values() if isinstance(one, Sized)]
    return max(lengths)


def response(transaction: bytes, kind: int = 0x0101) -> bytes:
    body = struct.pack("!HHBBH4s", 0x0020, 8, 0, 1, 7, bytes(4))
    return struct.pack("!HHI", kind, len(body), stun.COOKIE) + transaction + body


@pytest.mark.parametrize("kind", [0x0101, 0x0111, 0x0001, 0x0011])
async def test_a_socket_that_is_answered_under_fresh_transactions(kind: int) -> None:
    with StunSocket("127.0.0.1") as socket:
        transaction = Transaction(SERVER, frozenset((SERVER,)))
        with socket.awaiting(bytes(12), transaction):
            for name in names(12, PARSED):
                socket._receive(response(name, kind), SERVER)
                socket._receive(b"garbage" + name, SERVER)
        assert largest(socket, transaction) <= 64


async def test_a_socket_that_asks_again_and_again() -> None:
    with StunSocket("127.0.0.1") as socket:
        for name in names(12):
            with socket.awaiting(name, Transaction(SERVER, frozenset((SERVER,)))):
                pass
        assert largest(socket) == 64


def test_a_transaction_with_responses_from_many_addresses() -> None:
    transaction = Transaction(SERVER, frozenset((SERVER,)))
    parsed = message.parse(response(bytes(12)))
    for name in names(4):
        place = Address(".".join(map(str, name)), 7)
        transaction.add_response(place, parsed, 0.0)
        transaction.add_malformed(place, place.ip)
        transaction.add_icmp(IcmpError("unreachable", place.ip, SERVER, b""))
    assert (len(transaction.unexpected), len(transaction.icmp)) == (MOST_UNEXPECTED, MOST_ICMP)
    assert transaction.malformed is None


async def test_a_hairpin_test_that_is_answered_from_fresh_addresses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sockets = [Mock(), Mock()]

    async def flood(_when: object, _done: object, send: Callable[[], None]) -> None:
        send()
        request = message.parse(sockets[0].send.call_args.args[0])
        for name in names(4):
            sockets[1].on_request(Address(".".join(map(str, name)), 7), request)

    monkeypatch.setattr(schedule, "send_along", flood)
    context = Context(Options(servers=[]), "127.0.0.1")
    seen = await hairpin._cross(context, sockets, [SERVER, SERVER])
    assert len(seen) == 8


@pytest.mark.parametrize("family", [4, 16])
def test_a_server_that_is_asked_from_fresh_addresses(family: int) -> None:
    told = {Role(0, 0): SERVER} if family == 4 else {Role(0, 0): Address("2001:db8::1", 3478)}
    replies = Replies(told, 50.0, 400.0)
    for name in names(family if family == 4 else 8, SOURCES):
        ip = ".".join(map(str, name)) if family == 4 else f"{name.hex(':', 2)}::1"
        request = struct.pack("!HHI", 1, 0, stun.COOKIE) + name.rjust(12, b"n")
        replies.answer(request, Address(ip, 7), Role(0, 0), 0.0)
    assert replies.counters.answers == SOURCES
    assert largest(replies, replies._buckets) <= 10_000


@pytest.mark.parametrize("kind", [UdpClient, StreamClient])
async def test_a_turn_client_that_is_answered_under_fresh_names(
    kind: type[UdpClient] | type[StreamClient],
) -> None:
    client = kind(TURN, "u", "p", 600, 500)
    client.start()
    client.integrity_key = bytes(16)
    for number, name in enumerate(names(12, PARSED)):
        client.datagram_received(response(name, 0x0113), TURN)
        client.datagram_received(struct.pack("!HHI", CHANNEL + number % 4096, 4, number), TURN)
        client.datagram_received(name, TURN)
    assert largest(client, client.incoming) <= 16


async def test_an_echo_of_packets_that_were_never_sent() -> None:
    client = Mock()
    client.transport.is_closing.return_value = False
    echo = Echo(client, 160)
    echo.send()
    for name in names(4):
        echo.datagram_received(echo._token + name, SERVER)
        echo.datagram_received(name * 3, SERVER)
    assert largest(echo) <= 160
    assert len(echo.rtts_ms) == 1


async def test_a_relay_that_does_not_read_the_echoes() -> None:
    client = Mock()
    waiting = 0

    def send(data: bytes) -> None:
        nonlocal waiting
        waiting += len(data)

    client._send = send
    client.transport.is_closing.return_value = False
    client.transport.get_write_buffer_size = lambda: waiting
    peer = RelayPeer(client, ("192.0.2.9", 9), 1.0)
    for name in names(1000):
        peer.datagram_received(name, TURN)
    assert peer.received == TIMES
    assert waiting < BACKLOG_BYTES + 2000


async def test_a_connectivity_check_that_is_answered_under_fresh_transactions() -> None:
    protocol = _CheckProtocol()
    protocol.expect(stun.Message(stun.Method.BINDING, stun.Class.REQUEST))
    for name in names(12):
        protocol.datagram_received(response(name), TURN)
    assert largest(protocol) == 1
    assert not protocol.rtt_ms.done()


def test_a_tap_counts_kinds_alone() -> None:
    seen = DatagramCounts()
    for name in names(3):
        seen.note(name[::-1])
    assert set(seen.counts) <= {"stun", "dtls", "rtp", "rtcp", "other"}
    assert seen.counts.total() == TIMES
