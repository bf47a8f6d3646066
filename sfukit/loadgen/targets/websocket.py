"""The WebSocket of a bot: opened with the causes of failures, closed with a reason."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from sfukit.loadgen.targets import backoff
from sfukit.loadgen.targets.base import JoinRefusedError, Participant
from sfukit.signaling import problem
from sfukit.targets import access, room_socket
from sfukit.targets.access import Access


@dataclass(frozen=True)
class Options:
    """What the WebSockets of all bots share; ``subprotocol`` None requests none."""

    tls: ssl.SSLContext | None
    limit_s: float
    allow_hosts: frozenset[str]
    subprotocol: str | None = "sfukit.jsonrpc"

    @classmethod
    def of(
        cls, how: Access, url: str, limit_s: float, subprotocol: str | None = "sfukit.jsonrpc"
    ) -> "Options":
        """Return the options for the origin of a URL."""
        return cls(access.tls(how, url), limit_s, how.allow_hosts, subprotocol)


async def connect(
    options: Options,
    participant: Participant,
    url: str,
    headers: Mapping[str, str],
    refusal: Callable[[InvalidStatus], JoinRefusedError],
) -> ClientConnection:
    """Connect; raise ``JoinRefusedError``, which ``refusal`` makes of an HTTP status."""
    try:
        connection = await room_socket.open_socket(
            url,
            dict(headers),
            options.tls,
            options.limit_s,
            options.allow_hosts,
            clients=participant.clients,
            subprotocol=options.subprotocol,
        )
    except InvalidStatus as status:
        raise refusal(status) from status
    except ssl.SSLError as error:
        raise JoinRefusedError("tls", str(error)) from error
    except (OSError, TimeoutError, InvalidHandshake) as error:
        raise JoinRefusedError("connect", str(error) or type(error).__name__) from error
    _drop_headers(connection)
    return connection


def _drop_headers(connection: ClientConnection) -> None:
    """Drop the headers of the handshake: 4 KiB per bot, and its bearer token among them."""
    for message in (connection.request, connection.response):
        if message is not None:
            message.headers.clear()


def refused(status: InvalidStatus) -> JoinRefusedError:
    """Return the refusal of an HTTP status, with its problem document (RFC 9457) if any."""
    response = status.response
    code, retry_after = response.status_code, response.headers.get("Retry-After")
    return backoff.refused_by_status(code, problem.read(response.body), f"HTTP {code}", retry_after)


def close_reason(closed: ConnectionClosed) -> str:
    """Describe the end of a WebSocket."""
    frame = closed.rcvd
    if frame is None:
        return "connection lost"
    return frame.reason or f"closed with code {frame.code}"


class Joined(Protocol):
    """A client that is joined until ``phase`` is another; ``end_reason``: of the server."""

    phase: Any
    end_reason: str


async def until_ended(
    client: Joined,
    step: Callable[[], Awaitable[None]],
    malformed: type[Exception] = msgspec.DecodeError,
) -> str:
    """Repeat ``step`` while the client is joined; return why the session ended."""
    try:
        while client.phase == "joined":
            await step()
    except ConnectionClosed as closed:
        return client.end_reason or close_reason(closed)
    except malformed as error:
        return f"malformed message: {error}"
    except JoinRefusedError as refused:
        return refused.message
    return client.end_reason
