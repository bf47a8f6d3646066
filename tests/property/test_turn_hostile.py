"""For any datagrams of a TURN server the clients neither raise nor grow without bound."""

import struct
from unittest.mock import Mock

from aioice import stun
from hypothesis import given
from hypothesis import strategies as st

from sfukit.probe.turn.client import StreamClient, UdpClient

SERVER = ("127.0.0.1", 3478)
_KNOWN = st.sampled_from(sorted(stun.ATTRIBUTES_BY_TYPE))


@st.composite
def messages(draw: st.DrawFn) -> bytes:
    """Make what begins like STUN: any type, attributes of any length and content."""
    body = b""
    for _ in range(draw(st.integers(0, 6))):
        value = draw(st.binary(max_size=40))
        claimed = draw(st.one_of(st.just(len(value)), st.integers(0, 0xFFFF)))
        kind = draw(st.one_of(_KNOWN, st.integers(0, 0xFFFF)))
        body += struct.pack("!HH", kind, claimed) + value + bytes(-len(value) % 4)
    kind = draw(st.integers(0, 0x3FFF))
    length = draw(st.one_of(st.just(len(body)), st.integers(0, 0xFFFF)))
    return (
        struct.pack("!HHI", kind, length, stun.COOKIE)
        + draw(st.binary(min_size=12, max_size=12))
        + body
    )


async def clients() -> tuple[UdpClient, StreamClient]:
    made = (UdpClient(SERVER, "u", "p", 600, 500), StreamClient(SERVER, "u", "p", 600, 500))
    for client in made:
        client.start()
        client.transport = Mock()
        client.integrity_key = b"k" * 16
    return made


@given(st.lists(st.one_of(messages(), st.binary(max_size=200)), max_size=8))
async def test_no_datagram_raises(datagrams: list[bytes]) -> None:
    udp, _ = await clients()
    for data in datagrams:
        udp.datagram_received(data, SERVER)


@given(st.lists(st.one_of(messages(), st.binary(max_size=200)), max_size=8))
async def test_no_stream_raises_or_grows(chunks: list[bytes]) -> None:
    _, stream = await clients()
    for data in chunks * 300:
        stream.data_received(data)
    longest = max(map(len, chunks), default=0)
    assert len(vars(stream).get("buffer", b"")) <= 0xFFFF + 24 + longest
