"""One WebSocket as an asyncio protocol: cheap enough for thousands, and timed by stage.

The library ``websockets`` parses the handshake and the frames, without the tasks and
queues per connection of its own asyncio client.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidStatus
from websockets.frames import Close, Frame, Opcode
from websockets.http11 import Response
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from sfukit.loadgen.targets.backoff import refused_by_status
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.signaling import problem

_SUBPROTOCOL = Subprotocol("sfukit.jsonrpc")
_LARGEST_FRAME = 1024 * 1024
_REDIRECTS = range(300, 400)


class Clock(Protocol):
    """The time in seconds."""

    def __call__(self) -> float:
        """Return the time."""


class Opening(NamedTuple):
    """The times of the stages of a connection, in seconds; TLS is None without it."""

    connect_s: float
    tls_s: float | None
    upgrade_s: float


class Endpoint(NamedTuple):
    """The WebSocket URL of a target, split once for all clients."""

    url: str
    host: str
    port: int
    tls: ssl.SSLContext | None


def endpoint(url: str, tls: ssl.SSLContext | None) -> Endpoint:
    """Return the endpoint of a ws(s) URL."""
    uri = parse_uri(url)
    return Endpoint(url, uri.host, uri.port, tls)


class Connection(asyncio.Protocol):
    """A WebSocket client; frames and the end are reported by callbacks."""

    __slots__ = ("_fragments", "_on_close", "_on_frame", "_opened", "_protocol", "_transport")

    def __init__(
        self, url: str, on_frame: Callable[[bytes], None], on_close: Callable[[str], None]
    ) -> None:
        self._on_frame = on_frame
        self._on_close = on_close
        self._protocol = ClientProtocol(
            parse_uri(url), subprotocols=[_SUBPROTOCOL], max_size=_LARGEST_FRAME
        )
        self._transport: asyncio.Transport | None = None
        self._opened: asyncio.Future[None] | None = None
        self._fragments: list[bytes] = []

    async def open(self, at: Endpoint, headers: dict[str, str], clock: Clock) -> Opening:
        """Connect and upgrade; raise ``JoinRefusedError``."""
        loop = asyncio.get_running_loop()
        start_s = clock()
        try:
            transport, _ = await loop.create_connection(lambda: self, at.host, at.port)
            connected_s = secured_s = clock()
            if at.tls is not None:
                secured = await loop.start_tls(transport, self, at.tls, server_hostname=at.host)
                assert secured is not None
                transport, secured_s = secured, clock()
            self._transport = transport
            await self._upgrade(headers)
        except ssl.SSLError as error:
            raise JoinRefusedError("tls", str(error)) from error
        except OSError as error:
            raise JoinRefusedError("connect", str(error) or type(error).__name__) from error
        tls_s = None if at.tls is None else secured_s - connected_s
        return Opening(connected_s - start_s, tls_s, clock() - secured_s)

    def send(self, message: bytes) -> None:
        """Send a text frame; nothing once the connection is closing."""
        if self._transport is not None and self._protocol.state.name == "OPEN":
            self._protocol.send_text(message)
            self._flush()

    def close(self) -> None:
        """Close the WebSocket and its TCP connection."""
        if self._transport is None:
            return
        if self._protocol.state.name == "OPEN":
            self._protocol.send_close(1000)
            self._flush()
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Parse received bytes (asyncio)."""
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Frame):
                self._frame(event)
            elif isinstance(event, Response):
                self._answered(event)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        """Report the end (asyncio)."""
        if self._opened is not None and not self._opened.done():
            closed = JoinRefusedError("connect", str(error or "closed during the upgrade"))
            self._opened.set_exception(closed)
        else:
            self._on_close(_reason(self._protocol.close_rcvd))

    async def _upgrade(self, headers: dict[str, str]) -> None:
        request = self._protocol.connect()
        for name, value in headers.items():
            request.headers[name] = value
        self._opened = asyncio.get_running_loop().create_future()
        self._protocol.send_request(request)
        self._flush()
        await self._opened

    def _answered(self, response: Response) -> None:
        assert self._opened is not None
        error = self._protocol.handshake_exc
        if self._opened.done():
            return
        if error is None:
            self._opened.set_result(None)
        elif isinstance(error, InvalidStatus):
            self._opened.set_exception(_refusal(response))
        else:
            self._opened.set_exception(JoinRefusedError("upgrade_refused", str(error)))

    def _frame(self, frame: Frame) -> None:
        if frame.opcode in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            if not frame.fin:
                self._fragments.append(bytes(frame.data))  # all of them within _LARGEST_FRAME
                return
            whole = b"".join((*self._fragments, frame.data))
            self._fragments.clear()
            self._on_frame(whole)

    def _flush(self) -> None:
        assert self._transport is not None
        for data in self._protocol.data_to_send():
            if data:
                self._transport.write(data)
            elif self._transport.can_write_eof():
                self._transport.write_eof()


def _refusal(response: Response) -> JoinRefusedError:
    status = response.status_code
    location = response.headers.get("Location")
    if status in _REDIRECTS and location is not None:
        return JoinRefusedError("redirected", f"HTTP {status} to {location}: give that URL")
    document = problem.read(response.body)
    return refused_by_status(
        status, document, f"HTTP {status}", response.headers.get("Retry-After")
    )


def _reason(close: Close | None) -> str:
    if close is None:
        return "connection lost"
    return close.reason or f"closed with code {close.code}"
