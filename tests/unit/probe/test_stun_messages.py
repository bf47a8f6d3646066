"""STUN messages: the added attributes are pinned, and no bytes do harm."""

import struct

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from sfukit.probe.resolve import Address
from sfukit.probe.stun import attributes, message, schedule
from sfukit.probe.stun.message import Malformed
from sfukit.probe.stun.transaction import Transaction

HEAD = 20


def raw(*attributes_: tuple[int, bytes], length: int | None = None) -> bytes:
    """A success response with these attributes, however wrong."""
    body = b"".join(
        struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)
        for kind, value in attributes_
    )
    shown = len(body) if length is None else length
    return struct.pack("!HHI", 0x0101, shown, stun.COOKIE) + bytes(12) + body


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0x0003, "CHANGE-REQUEST"),
        (0x0004, "SOURCE-ADDRESS"),
        (0x0005, "CHANGED-ADDRESS"),
        (0x000A, "UNKNOWN-ATTRIBUTES"),
        (0x0026, "PADDING"),
        (0x0027, "RESPONSE-PORT"),
        (0x802B, "RESPONSE-ORIGIN"),
        (0x802C, "OTHER-ADDRESS"),
    ],
)
def test_the_attributes_of_behaviour_discovery_are_in_the_tables(number: int, name: str) -> None:
    assert stun.ATTRIBUTES_BY_TYPE[number][1] == name
    assert stun.ATTRIBUTES_BY_NAME[name][0] == number


def test_nothing_of_the_library_was_replaced() -> None:
    added = {entry[0] for entry in attributes.ADDED}
    assert added.isdisjoint(entry[0] for entry in stun.ATTRIBUTES)


def test_a_response_port_is_two_bytes_and_four_are_read() -> None:
    written = bytes(message.request(response_port=40_000))
    assert written[HEAD : HEAD + 4] == struct.pack("!HH", 0x0027, 2)
    for value in (struct.pack("!H", 40_000), struct.pack("!HH", 40_000, 0)):
        assert message.parse(raw((0x0027, value))).attribute("RESPONSE-PORT") == 40_000
    with pytest.raises(Malformed):
        message.parse(raw((0x0027, b"\1\2\3")))


def test_a_written_message_is_parsed() -> None:
    request = message.request(change=0x6, padding=100)
    parsed = message.parse(bytes(request))
    assert parsed.attribute("CHANGE-REQUEST") == 6
    assert len(parsed.attribute("PADDING")) == 100
    assert parsed.is_request


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(20),
        raw()[:19],
        raw(length=4),
        raw((0x0020, b"\0\1")),  # shorter than an address
        raw((0x0020, b"\0\1\0\0")),
        raw((0x0020, b"\0\3" + bytes(6))),  # of no family
        raw((0x8028, b"\0")),  # a short integer
        raw((0x0006, b"\xff\xfe")),  # no text
        raw(*((0xC000 + n, b"") for n in range(100))),
        raw((0xC001, bytes(5000))),
        raw()[:4] + bytes(4) + raw()[8:],  # no magic cookie
        b"\x00\x03" + raw()[2:],  # Allocate
        raw() + b"\0\x20\xff\xff",
        raw((0x0020, bytes(8)))[:-4],
    ],
)
def test_hostile_bytes_are_malformed(data: bytes) -> None:
    with pytest.raises(Malformed):
        message.parse(data)


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for candidate in (data, raw()[:8] + data, raw((0x0020, data), (0x0026, data))):
        try:
            message.parse(candidate)
        except Malformed:
            continue


@given(st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(max_size=40)), max_size=6))
def test_any_attributes_are_read_or_refused(made: list[tuple[int, bytes]]) -> None:
    try:
        parsed = message.parse(raw(*made))
    except Malformed:
        return
    known = {kind for kind, _ in made if kind in stun.ATTRIBUTES_BY_TYPE}
    required = {kind for kind, _ in made if kind < 0x8000}
    assert set(parsed.unknown_required) == required - known


@given(st.binary(min_size=20, max_size=120), st.integers(0, 119), st.integers(0, 255))
def test_a_changed_byte_never_does_harm(_: bytes, at: int, value: int) -> None:
    good = bytearray(raw((0x0020, b"\0\1" + bytes(6)), (0x802C, b"\0\1" + bytes(6))))
    good[at % len(good)] = value
    try:
        message.parse(bytes(good))
    except Malformed:
        return


A, ELSEWHERE = Address("192.0.2.1", 3478), Address("203.0.113.9", 3478)
MAPPED = (0x0020, b"\0\1" + bytes(6))


def test_a_response_from_another_address_is_unexpected() -> None:
    transaction = Transaction(A, frozenset((A,)))
    transaction.note_sent(0.0)
    forged = message.parse(raw(MAPPED))
    assert not transaction.add_response(ELSEWHERE, forged, 0.01)
    assert transaction.mapped is None
    assert transaction.unexpected[0].source == ELSEWHERE
    assert transaction.add_response(A, forged, 0.02)
    assert transaction.mapped is not None
    assert transaction.rtt_ms == 20.0


def test_a_flood_of_unexpected_responses_is_bounded() -> None:
    transaction = Transaction(A, frozenset((A,)))
    transaction.note_sent(0.0)
    for _ in range(1000):
        transaction.add_response(ELSEWHERE, message.parse(raw(MAPPED)), 0.01)
    assert len(transaction.unexpected) == 8


def test_a_round_trip_after_two_sends_is_ambiguous() -> None:
    transaction = Transaction(A, frozenset((A,)))
    transaction.note_sent(0.0)
    transaction.note_sent(0.2)
    transaction.add_response(A, message.parse(raw(MAPPED)), 0.21)
    assert transaction.rtt_ms is None


def test_silence_means_something_after_seven_sends_over_two_seconds() -> None:
    when = schedule.for_silence()
    assert (len(when.sends_s), when.sends_s[-1]) == (7, 2.0)
    assert when.end_s > 2.0
