"""One HTTP request to somebody else's server: bounded in time, in size and in redirects."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

import httpx

LARGEST_BYTES = 1024 * 1024
_MOST_REDIRECTS = 5


@dataclass(frozen=True)
class Reply:
    """What was answered; a body is cut at ``LARGEST_BYTES``."""

    status: int
    phrase: str
    headers: httpx.Headers
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as text; bytes that are none are replaced."""
        return self.body.decode(errors="replace")


async def ask(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    limit_s: float,
    headers: Mapping[str, str] | None = None,
    content: str | None = None,
    follow: bool = False,
) -> Reply:
    """Ask, and read the whole answer within a time; raises ``httpx.HTTPError``.

    httpx counts its time anew with every piece that arrives, and reads whatever there is.
    """
    request = client.build_request(method, url, headers=headers, content=content)
    try:
        async with asyncio.timeout(limit_s):
            for _ in range(_MOST_REDIRECTS + 1):
                reply, further = await _ask_once(client, request)
                if not follow or further is None:
                    return reply
                request = _possible(further)
    except TimeoutError as late:
        raise httpx.ReadTimeout(f"no whole answer within {limit_s:.3g} s") from late
    raise httpx.TooManyRedirects(f"more than {_MOST_REDIRECTS} redirects", request=request)


def join(answered_from: str, location: str) -> str:
    """Read a ``Location`` beside the URL that named it; raises ``ValueError`` if it is no URL."""
    joined = urljoin(answered_from, location)
    _ = urlsplit(joined).port  # raises where there is no such port
    try:
        return str(httpx.URL(joined))
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from error


async def _ask_once(
    client: httpx.AsyncClient, request: httpx.Request
) -> tuple[Reply, httpx.Request | None]:
    response = await client.send(request, stream=True)
    try:
        body = await _read(response)
    finally:
        await response.aclose()
    reply = Reply(
        response.status_code, response.reason_phrase, response.headers, body, str(response.url)
    )
    return reply, response.next_request


async def _read(response: httpx.Response) -> bytes:
    body = bytearray()
    async for piece in response.aiter_bytes():
        body += piece
        if len(body) >= LARGEST_BYTES:
            break
    return bytes(body[:LARGEST_BYTES])


def _possible(request: httpx.Request) -> httpx.Request:
    """Refuse a redirect to a port that there is not; httpx would raise who knows what."""
    if (request.url.port or 0) > 0xFFFF:
        raise httpx.RemoteProtocolError(f"redirected to {request.url}", request=request)
    return request
