"""Detection of a started next request, for any segmentation of the bytes."""

import pytest

from sfukit.server.framing import Framing

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def test_a_body_in_separate_packets() -> None:
    framing = Framing()
    framing.feed(HEAD, is_busy=False)
    framing.begin(40_000)
    for _ in range(40):
        framing.feed(b"x" * 1_000, is_busy=True)
    assert framing.end() is False
    framing.feed(HEAD, is_busy=False)
    framing.begin(0)
    assert framing.end() is False


@pytest.mark.parametrize("size", [1, 100, 1_000_000])
def test_bytes_behind_a_body_are_the_next_head(size: int) -> None:
    framing = Framing()
    framing.feed(HEAD, is_busy=False)
    framing.begin(size)
    framing.feed(b"\n" * size + HEAD + b"GET", is_busy=True)
    assert framing.end() is True
    framing.begin(0)
    assert framing.end() is True
    framing.feed(HEAD[3:], is_busy=False)
    framing.begin(0)
    assert framing.end() is False


def test_the_buffer_of_a_connection_is_bounded() -> None:
    framing = Framing()
    for is_busy in (False, True):
        for _ in range(100):
            framing.feed(bytes(100_000), is_busy=is_busy)
        assert len(framing._buffer) <= 256 * 1024
    framing.begin(1)  # the end of the head is no longer buffered
    assert framing.end() is False
    framing.ignore()
    framing.feed(bytes(100_000), is_busy=True)
    assert framing._buffer == b""
