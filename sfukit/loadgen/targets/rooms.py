"""Rooms of sfukit over WebSocket: one signaling connection per bot."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sfukit.loadgen.scenario import Size
from sfukit.loadgen.targets import backoff, websocket
from sfukit.loadgen.targets.base import JoinRefusedError, Participant
from sfukit.loadgen.targets.room_client import RoomClient
from sfukit.targets import access, room_socket
from sfukit.targets.access import Access

_STATS_S = 1.0
_MOST_REPEATS = 64  # rate limited requests of one bot at a time


class RoomsTarget:
    """An sfukit server, joined by its room protocol."""

    def __init__(self, url: str, how: Access, join_timeout_s: float) -> None:
        self.url = room_socket.address(url)
        self.how = how
        self.socket = websocket.Options.of(how, self.url, join_timeout_s)

    def session(self, participant: Participant) -> "RoomSession":
        """Return the signaling of one participant."""
        return RoomSession(self, participant)


class RoomSession:
    """The WebSocket of one participant."""

    def __init__(self, target: RoomsTarget, participant: Participant) -> None:
        self._target = target
        self._participant = participant
        self._client = RoomClient(participant)
        self._connection: ClientConnection | None = None
        self._repeats: set[asyncio.Task[None]] = set()
        self._stats = asyncio.Event()

    async def join(self) -> None:
        """Connect and join; ``run`` answers the first offers."""
        self._connection = await backoff.retry_rate_limited(self._participant, self._connect)
        connection = self._connection
        await backoff.retry_rate_limited(self._participant, lambda: self._join_room(connection))

    async def _join_room(self, connection: ClientConnection) -> None:
        try:
            await connection.send(await self._client.join_request(), text=True)
            while self._client.phase == "joining":
                await self._step(connection)
        except ConnectionClosed as closed:
            raise JoinRefusedError("connection_closed", websocket.close_reason(closed)) from closed
        except msgspec.DecodeError as error:
            raise JoinRefusedError("answer_unusable", f"malformed response: {error}") from error

    async def run(self) -> str:
        """Answer offers and subscribe until the server ends the session."""
        assert self._connection is not None
        try:
            while True:
                await self._step(self._connection)
        except ConnectionClosed as closed:
            return self._client.bye_reason or websocket.close_reason(closed)
        except msgspec.DecodeError as error:
            return f"malformed message: {error}"

    async def rearrange(self, sizes: Mapping[str, Size]) -> None:
        """Change the sizes of the subscribed videos."""
        request = self._client.rearrange(sizes)
        if request is not None and self._connection is not None:
            with suppress(ConnectionClosed):  # ``run`` returns the reason
                await self._connection.send(request, text=True)

    async def estimate_bps(self) -> float | None:
        """Return the server's estimate of what this participant can receive; None: unknown."""
        request = self._client.stats_request()
        if request is None or self._connection is None:
            return None
        before = self._client.stats_received
        self._stats.clear()
        with suppress(ConnectionClosed, TimeoutError):
            async with asyncio.timeout(_STATS_S):
                await self._connection.send(request, text=True)
                await self._stats.wait()
        return self._client.estimate_bps if self._client.stats_received > before else None

    async def leave(self) -> None:
        """Leave the room and close."""
        for repeat in self._repeats:
            repeat.cancel()
        if self._connection is None:
            return
        with suppress(ConnectionClosed):
            await self._connection.send(self._client.leave_request(), text=True)
        await self._connection.close()

    async def _connect(self) -> ClientConnection:
        target, participant = self._target, self._participant
        headers = access.headers(target.how, participant.room, participant.name, participant.run_s)
        return await websocket.connect(
            target.socket, participant, target.url, headers, websocket.refused
        )

    async def _step(self, connection: ClientConnection) -> None:
        before = self._client.stats_received
        reply = await self._client.receive(await connection.recv(decode=False))
        if self._client.stats_received > before:
            self._stats.set()
        if reply is not None:
            await connection.send(reply, text=True)
        for number, retry_after_s in self._client.take_rate_limited()[
            : _MOST_REPEATS - len(self._repeats)
        ]:
            repeat = asyncio.create_task(self._repeat(connection, number, retry_after_s))
            self._repeats.add(repeat)
            repeat.add_done_callback(self._repeats.discard)

    async def _repeat(
        self, connection: ClientConnection, number: int, retry_after_s: object
    ) -> None:
        """Send a rate limited request again, after its delay."""
        delay_s = backoff.retry_delay_s(self._participant, retry_after_s)
        self._participant.backed_off(delay_s)
        await asyncio.sleep(delay_s)
        request = self._client.retry(number)
        with suppress(ConnectionClosed):
            if request is not None:
                await connection.send(request, text=True)
