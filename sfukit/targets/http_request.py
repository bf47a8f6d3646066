"""One HTTP request to another server, with bounded time, size and redirects.

Credentials are sent to their own origin and to allowed hosts only.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from sfukit.targets import body, redirect
from sfukit.targets.origin import Credentials

LARGEST_BYTES = 1024 * 1024

join = redirect.join


@dataclass(frozen=True)
class Response:
    """A response; its body is decompressed, and truncated at ``LARGEST_BYTES``."""

    status: int
    phrase: str
    headers: httpx.Headers
    body: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as text; invalid bytes are replaced."""
        return self.body.decode(errors="replace")

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters, in lower case; empty where there is none."""
        return str(self.headers.get("content-type", "")).partition(";")[0].strip().lower()


async def send(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    *,
    limit_s: float,
    headers: Mapping[str, str] | None = None,
    credentials: Credentials | None = None,
    content: str | None = None,
    follow: bool = False,
    clients: int = 1,
) -> Response:
    """Send a request and read the response within a timeout; raises ``httpx.HTTPError``.

    ``headers`` are sent to every URL, ``credentials`` to allowed origins. With ``follow``, 307 and
    308 are followed, and others raise ``RedirectError``; ``clients`` is the number of senders of
    this request. The timeouts of httpx are per chunk, and its bodies are unbounded.
    """
    trail = redirect.Trail(method, url, credentials, clients)
    to: str | None = url
    try:
        async with asyncio.timeout(limit_s):
            while to is not None:
                shown = {} if credentials is None else credentials.headers_for(to)
                reply = await _send_once(client, method, to, _merged(shown, headers or {}), content)
                to = trail.further(reply.status, reply.headers.get("location")) if follow else None
    except TimeoutError as late:
        where = "" if to in (None, url) else f" of {to}, after a redirect,"
        raise httpx.ReadTimeout(f"no whole answer{where} within {limit_s:.3g} s") from late
    except httpx.ConnectError as error:
        if to == url:
            raise
        raise httpx.ConnectError(f"redirected to {to}: {error}") from error
    return reply


async def _send_once(
    client: httpx.AsyncClient,
    method: str,
    url: str,
    headers: httpx.Headers,
    content: str | None,
) -> Response:
    request = client.build_request(method, url, headers=headers, content=content)
    try:
        response = await client.send(request, stream=True, follow_redirects=False)
    except httpx.InvalidURL as error:  # httpx parses a Location that it does not follow
        raise redirect.nowhere(str(error)) from error
    try:
        data = await body.read(response, LARGEST_BYTES)
    finally:
        await response.aclose()
    return Response(response.status_code, response.reason_phrase, response.headers, data, url)


def _merged(*several: Mapping[str, str]) -> httpx.Headers:
    """Merge headers, whose names are case-insensitive."""
    made = httpx.Headers({"Accept-Encoding": body.ACCEPTED})
    for headers in several:
        made.update(headers)
    return made
