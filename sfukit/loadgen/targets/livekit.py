"""Rooms of a LiveKit server: one WebSocket and two peer connections per participant."""

import asyncio
import time
from contextlib import suppress
from functools import partial
from urllib.parse import urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sfukit.loadgen.targets import backoff, websocket
from sfukit.loadgen.targets.base import JoinRefusedError, Participant
from sfukit.loadgen.targets.livekit_client import PROTOCOL, LivekitClient, MalformedError
from sfukit.redaction import redacted
from sfukit.signaling.problem import Problem
from sfukit.targets import access
from sfukit.targets.access import Access

# the SDK decides which form of the protocol the server speaks
_QUERY = {"sdk": "go", "version": "2", "protocol": PROTOCOL, "auto_subscribe": 0}
_MAX_TEXT = 300
_UNAUTHORIZED = (401, 403)
_NOT_FOUND = 404
_NO_ROOM = "requested room does not exist"
_NO_MEDIA = "connection closed by media"


class LivekitTarget:
    """A LiveKit server, joined by its signaling with two peer connections (``/rtc``)."""

    def __init__(self, url: str, how: Access, join_timeout_s: float) -> None:
        parts = urlsplit(url)
        scheme = "wss" if parts.scheme == "https" else "ws"
        path = parts.path.rstrip("/").removesuffix("/rtc") + "/rtc"
        self.url = urlunsplit((scheme, parts.netloc, path, urlencode(_QUERY), ""))
        self.how = how
        self.socket = websocket.Options.of(how, self.url, join_timeout_s, None)

    def session(self, participant: Participant) -> "LivekitSession":
        """Return the signaling of one participant."""
        return LivekitSession(self, participant)


class LivekitSession:
    """The WebSocket of one participant."""

    def __init__(self, target: LivekitTarget, participant: Participant) -> None:
        self._target = target
        self._participant = participant
        self._client = LivekitClient(participant)
        self._connection: ClientConnection | None = None

    async def join(self) -> None:
        """Connect, join, and publish."""
        self._connection = await backoff.retry_rate_limited(self._participant, self._connect)
        try:
            while self._client.phase == "joining":
                await self._step(self._connection)
        except ConnectionClosed as closed:
            reason = websocket.close_reason(closed)
            raise JoinRefusedError("connection_closed", reason) from closed
        except MalformedError as error:
            raise JoinRefusedError("answer_unusable", f"malformed message: {error}") from error

    async def run(self) -> str:
        """Answer offers and subscribe until the server ends the session."""
        assert self._connection is not None
        pings = asyncio.create_task(self._ping(self._connection))
        step = partial(self._step, self._connection)
        try:
            return await websocket.until_ended(self._client, step, MalformedError)
        finally:
            pings.cancel()

    async def leave(self) -> None:
        """Leave the room and close."""
        if self._connection is None:
            return
        with suppress(ConnectionClosed):
            await self._connection.send(self._client.leave_request(), text=False)
        await self._connection.close()

    async def _connect(self) -> ClientConnection:
        target, participant = self._target, self._participant
        headers = access.headers(target.how, participant.room, participant.name, participant.run_s)
        return await websocket.connect(target.socket, participant, target.url, headers, _refused)

    async def _step(self, connection: ClientConnection) -> None:
        for frame in await self._client.receive(await connection.recv(decode=False)):
            await connection.send(frame, text=False)

    async def _ping(self, connection: ClientConnection) -> None:
        """Send pings: the server ends sessions that are silent."""
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(self._client.ping_interval_s)
                await connection.send(self._client.ping(time.time_ns() // 1_000_000), text=False)


def _refused(refused: InvalidStatus) -> JoinRefusedError:
    """Return the refusal of the upgrade, whose cause is text."""
    response = refused.response
    status = response.status_code
    text = redacted(bytes(response.body or b"").decode(errors="replace").strip())[:_MAX_TEXT]
    reason = ""
    if status in _UNAUTHORIZED:
        reason = "token_refused"
    elif status == _NOT_FOUND and _NO_ROOM in text:
        reason = "room_not_found"
    elif _NO_MEDIA in text:
        reason, text = "room_full", f"{text} (LiveKit's answer for a room that is full)"
    return backoff.refused_by_status(
        status,
        Problem(reason, text),
        f"HTTP {status}",
        response.headers.get("Retry-After"),
    )
