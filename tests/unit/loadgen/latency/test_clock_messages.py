"""The datagrams between the two ends: read as written, and refused without the token."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.loadgen.latency import clock_messages
from sfukit.loadgen.latency.clock_messages import SIZE, Kind, Message, State

KEY = clock_messages.key_of("a common token")
U64 = st.integers(0, 2**64 - 1)


@given(
    st.builds(
        Message,
        kind=st.sampled_from(Kind),
        state=st.sampled_from(State),
        nonce=st.binary(min_size=16, max_size=16),
        t1_ns=U64,
        t2_ns=U64,
        t3_ns=U64,
        wall_minus_clock_ns=st.integers(-(2**63), 2**63 - 1),
        rtt_us=st.none() | st.integers(0, 2**32 - 2),
    )
)
def test_a_datagram_is_read_as_it_was_written(message: Message) -> None:
    datagram = clock_messages.encode(message, KEY)
    assert len(datagram) == SIZE
    assert clock_messages.decode(datagram, KEY) == message
    assert clock_messages.decode(datagram, clock_messages.key_of("another token")) is None


def request() -> bytes:
    message = Message(kind=Kind.REQUEST, state=State.MEDIA, nonce=bytes(16), t1_ns=7)
    return clock_messages.encode(message, KEY)


@pytest.mark.parametrize("place", range(SIZE))
def test_a_changed_byte_is_refused(place: int) -> None:
    changed = bytearray(request())
    changed[place] ^= 1
    assert clock_messages.decode(bytes(changed), KEY) is None


@given(st.binary(max_size=200))
def test_arbitrary_datagrams_are_refused(datagram: bytes) -> None:
    assert clock_messages.decode(datagram, KEY) is None


def test_another_version_or_an_unknown_state_is_refused_though_it_is_signed() -> None:
    fields = request()[:-16]
    for place, value in ((4, 2), (5, 9), (6, 9)):
        odd = fields[:place] + bytes([value]) + fields[place + 1 :]
        signed = odd + clock_messages._mac(odd, KEY)
        assert clock_messages.decode(signed, KEY) is None
