"""The decompressed body of a response, up to a bound."""

import zlib

import httpx

ACCEPTED = "gzip, deflate"

_ANY_HEADER = 32 + zlib.MAX_WBITS  # zlib or gzip, by their header


async def read(response: httpx.Response, largest_bytes: int) -> bytes:
    """Read until the end or the bound; raises ``httpx.DecodingError`` for invalid compression.

    httpx decompresses each chunk completely, and one of 64 kB may contain 64 MB.
    """
    unpack = _unpacker(response)
    body, taken = bytearray(), 0
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for piece in response.stream:
        taken += len(piece)
        try:
            body += unpack(piece, largest_bytes - len(body))
        except zlib.error as error:
            raise httpx.DecodingError(
                f"the body does not match its Content-Encoding: {error}", request=response.request
            ) from error
        if len(body) >= largest_bytes or taken >= largest_bytes:
            break
    return bytes(body)


class _Plain:
    def __call__(self, piece: bytes, most: int) -> bytes:
        return piece[:most]


class _Zlib:
    """Deflate with a zlib or gzip header; some servers omit the header of ``deflate``."""

    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(_ANY_HEADER)
        self._is_first = True

    def __call__(self, piece: bytes, most: int) -> bytes:
        if not piece or most <= 0:
            return b""
        try:
            unpacked = self._unpacker.decompress(piece, most)
        except zlib.error:
            if not self._is_first:
                raise
            self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
            unpacked = self._unpacker.decompress(piece, most)
        self._is_first = False
        return unpacked


def _unpacker(response: httpx.Response) -> _Plain | _Zlib:
    coding = response.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        return _Plain()
    if coding in ("gzip", "x-gzip", "deflate"):
        return _Zlib()
    raise httpx.DecodingError(
        f"the body has Content-Encoding {coding!r}, which was not requested",
        request=response.request,
    )
