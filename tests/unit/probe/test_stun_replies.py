"""The responses of the STUN server, their sockets, and their bound on amplification."""

import os
import struct

import pytest
from aioice.stun import Class, Message
from hypothesis import given
from hypothesis import strategies as st

from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from sfukit.probe.stun.message import Parsed
from sfukit.probe.stunserver.reply import Replies, Reply, Role

ADDRESSES = {
    Role(0, 0): Address("192.0.2.1", 3478),
    Role(0, 1): Address("192.0.2.1", 3479),
    Role(1, 0): Address("192.0.2.2", 3478),
    Role(1, 1): Address("192.0.2.2", 3479),
}
V6 = {role: Address(f"2001:db8::{role.ip + 1}", a.port) for role, a in ADDRESSES.items()}
ASKER = Address("198.51.100.7", 50_000)
PRIMARY = Role(0, 0)
HEADERS = {4: 28, 6: 48}  # IP and UDP


def whole(rate_per_s: float = 1000.0, burst: float = 1000.0) -> Replies:
    return Replies(ADDRESSES, rate_per_s, burst)


def ask(replies: Replies, request: Message, at: Role = PRIMARY) -> Reply:
    reply = replies.answer(bytes(request), ASKER, at, 0.0)
    assert reply is not None
    return reply


def read(reply: Reply) -> Parsed:
    return message.parse(reply.data)


def test_a_plain_request_tells_the_asker_and_the_other_address() -> None:
    request = message.request()
    reply = ask(whole(), request)
    answer = read(reply)
    assert (reply.source, reply.to) == (Role(0, 0), ASKER)
    assert answer.transaction_id == request.transaction_id
    assert answer.address("XOR-MAPPED-ADDRESS") == ASKER
    assert answer.address("MAPPED-ADDRESS") == ASKER
    assert answer.address("RESPONSE-ORIGIN") == ADDRESSES[Role(0, 0)]
    assert answer.address("OTHER-ADDRESS") == ADDRESSES[Role(1, 1)]


@pytest.mark.parametrize("at", ADDRESSES)
def test_the_other_address_is_other_wherever_one_asks(at: Role) -> None:
    other = read(ask(whole(), message.request(), at)).address("OTHER-ADDRESS")
    assert other is not None
    assert other.ip != ADDRESSES[at].ip
    assert other.port != ADDRESSES[at].port


@pytest.mark.parametrize(
    ("change", "leaves_from"), [(0x6, Role(1, 1)), (0x4, Role(1, 0)), (0x2, Role(0, 1))]
)
def test_a_change_request_is_answered_from_the_requested_socket(
    change: int, leaves_from: Role
) -> None:
    reply = ask(whole(), message.request(change=change))
    assert reply.source == leaves_from
    assert read(reply).address("RESPONSE-ORIGIN") == ADDRESSES[leaves_from]
    # still as seen from the socket that was asked (RFC 5780 7.4)
    assert read(reply).address("OTHER-ADDRESS") == ADDRESSES[Role(1, 1)]


def test_one_address_alone_names_no_other_and_refuses_to_change() -> None:
    alone = Replies({Role(0, 0): ADDRESSES[Role(0, 0)]}, 1000, 1000)
    assert read(ask(alone, message.request())).address("OTHER-ADDRESS") is None
    refusal = read(ask(alone, message.request(change=0x2)))
    assert refusal.message.error_code == 420
    assert refusal.attribute("UNKNOWN-ATTRIBUTES") == [0x0003]


def test_an_unknown_required_attribute_is_refused_by_name() -> None:
    raw = bytes(message.request())
    odd = raw[:2] + (8).to_bytes(2) + raw[4:] + bytes.fromhex("7123000401020304")
    reply = whole().answer(odd, ASKER, Role(0, 0), 0.0)
    assert reply is not None
    assert read(reply).attribute("UNKNOWN-ATTRIBUTES") == [0x7123]


def test_an_answer_may_go_to_another_port_of_the_same_address_alone() -> None:
    reply = ask(whole(), message.request(response_port=40_000))
    assert reply.to == Address(ASKER.ip, 40_000)
    assert read(reply).address("XOR-MAPPED-ADDRESS") == ASKER


@pytest.mark.parametrize("port", [0, 53, 123, 1023])
def test_no_answer_is_sent_to_a_service(port: int) -> None:
    reply = ask(whole(), message.request(response_port=port))
    assert reply.to == ASKER
    assert read(reply).message.error_code == 400


def test_padding_and_another_port_together_are_refused() -> None:
    refusal = read(ask(whole(), message.request(response_port=40_000, padding=100)))
    assert refusal.message.error_code == 400  # RFC 5780 7.6


def test_a_response_is_never_answered() -> None:
    answer = ask(whole(), message.request())
    assert whole().answer(answer.data, ASKER, Role(0, 0), 0.0) is None


@pytest.mark.parametrize(
    "request_",
    [
        message.request(),
        message.request(change=0x6),
        message.request(response_port=40_000),
        *(message.request(padding=size) for size in (1, 100, 1452, 1600, 3000)),
        *(message.request(filler=size) for size in (1, 1452)),
    ],
)
@pytest.mark.parametrize("family", [4, 6])
def test_no_answer_is_three_times_its_request(request_: Message, family: int) -> None:
    asker = ASKER if family == 4 else Address("2001:db8::7", 50_000)
    replies = Replies(ADDRESSES if family == 4 else V6, 1000, 1000)
    reply = replies.answer(bytes(request_), asker, Role(0, 0), 0.0)
    assert reply is not None
    on_wire = HEADERS[family]
    assert len(reply.data) + on_wire <= 3 * (len(bytes(request_)) + on_wire)


def test_one_source_is_held_to_its_rate_and_others_are_not() -> None:
    replies = whole(rate_per_s=10, burst=5)
    data = bytes(message.request())
    answers = [replies.answer(data, ASKER, Role(0, 0), 0.0) for _ in range(20)]
    assert sum(answer is not None for answer in answers) == 5
    neighbour = Address("198.51.100.8", 50_000)
    assert replies.answer(data, neighbour, Role(0, 0), 0.0) is not None
    assert replies.answer(data, ASKER, Role(0, 0), 0.2) is not None
    assert replies.counters.limited == 15


def test_an_ipv6_site_is_one_source() -> None:
    replies = Replies(V6, 10, 5)
    data = bytes(message.request())
    answers = [
        replies.answer(data, Address(f"2001:db8:1:1::{n:x}", 5000), Role(0, 0), 0.0)
        for n in range(1, 21)
    ]
    assert sum(answer is not None for answer in answers) == 5


def test_expensive_requests_are_rate_limited_earlier() -> None:
    replies = whole(rate_per_s=1, burst=8)
    data = bytes(message.request(padding=1000))
    answers = [replies.answer(data, ASKER, Role(0, 0), 0.0) for _ in range(8)]
    assert sum(answer is not None for answer in answers) == 2


def test_noise_is_not_answered() -> None:
    replies = whole()
    for size in (0, 1, 19, 20, 100, 5000):
        assert replies.answer(os.urandom(size), ASKER, Role(0, 0), 0.0) is None
    assert replies.counters.malformed == 6


def test_a_fingerprint_is_answered_by_one() -> None:
    request = message.request()
    request.add_fingerprint()
    answer = read(ask(whole(), request))
    assert answer.attribute("FINGERPRINT") is not None
    assert answer.message.message_class == Class.RESPONSE


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=60)), max_size=5),
    st.sampled_from([0x0001, 0x0011, 0x0101, 0x0003, 0x3FFF]),
    st.sampled_from(list(ADDRESSES)),
)
def test_any_response_is_small_and_goes_to_the_source(
    attributes: list[tuple[int, bytes]], kind: int, at: Role
) -> None:
    body = b"".join(
        struct.pack("!HH", number, len(value)) + value + bytes(-len(value) % 4)
        for number, value in attributes
    )
    request = struct.pack("!HHI", kind, len(body), 0x2112A442) + bytes(12) + body
    reply = whole().answer(request, ASKER, at, 0.0)
    if reply is not None:
        assert reply.to.ip == ASKER.ip
        assert reply.source in ADDRESSES
        assert len(reply.data) + 28 <= 3 * (len(request) + 28)
