"""Framing of packets on a TCP stream (RFC 4571): a 16-bit length before each."""

import asyncio

_LENGTH_BYTES = 2


def packed(data: bytes) -> bytes:
    """Return a packet with its length."""
    return len(data).to_bytes(_LENGTH_BYTES, "big") + data


async def read(reader: asyncio.StreamReader) -> bytes | None:
    """Read the next packet; None at the end of the stream."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH_BYTES), "big")
        return await reader.readexactly(length)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
