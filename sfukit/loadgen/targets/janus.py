"""Rooms of the VideoRoom plug-in of Janus: one WebSocket and one session per participant."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from functools import partial

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConcurrencyError, ConnectionClosed

from sfukit.loadgen.scenario import Size
from sfukit.loadgen.targets import websocket
from sfukit.loadgen.targets.base import JoinRefusedError, Participant
from sfukit.loadgen.targets.janus_client import JanusClient, Secrets
from sfukit.loadgen.targets.janus_room import Rooms
from sfukit.targets import access, janus_url
from sfukit.targets.access import Access
from sfukit.targets.janus_info import SUBPROTOCOL

_KEEPALIVE_S = 20.0  # the default timeout of a session is 60 s
_LEAVE_S = 2.0


class JanusTarget:
    """A Janus server, whose rooms are created by name unless the URL names one."""

    def __init__(self, url: str, how: Access, join_timeout_s: float) -> None:
        parsed = janus_url.parse(url)
        self.url = parsed.websocket
        self.how = how
        self.rooms = Rooms(parsed.room, parsed.pin, parsed.admin_key)
        self.secrets = Secrets(how.token, how.api_secret)
        self.socket = websocket.Options.of(how, self.url, join_timeout_s, SUBPROTOCOL)

    def session(self, participant: Participant) -> "JanusSession":
        """Return the signaling of one participant."""
        return JanusSession(self, participant)


class JanusSession:
    """The WebSocket of one participant."""

    def __init__(self, target: JanusTarget, participant: Participant) -> None:
        self._target = target
        self._participant = participant
        self._client = JanusClient(participant, target.rooms, target.secrets)
        self._connection: ClientConnection | None = None

    async def join(self) -> None:
        """Connect, create a session, join the room, and publish."""
        target, participant = self._target, self._participant
        url = access.fill_in(target.url, participant.room, participant.number)
        connection = await websocket.connect(
            target.socket, participant, url, dict(target.how.headers), websocket.refused
        )
        self._connection = connection
        target.rooms.present[participant.room] += 1
        try:
            await connection.send(self._client.begin(), text=True)
            while self._client.phase == "joining":
                await self._step(connection)
        except ConnectionClosed as closed:
            raise JoinRefusedError("connection_closed", websocket.close_reason(closed)) from closed
        except msgspec.DecodeError as error:
            raise JoinRefusedError("answer_unusable", f"malformed message: {error}") from error

    async def run(self) -> str:
        """Subscribe to those who publish, until the server ends the session."""
        assert self._connection is not None
        keepalives = asyncio.create_task(self._keep_alive(self._connection))
        try:
            return await websocket.until_ended(self._client, partial(self._step, self._connection))
        finally:
            keepalives.cancel()

    async def rearrange(self, sizes: Mapping[str, Size]) -> None:
        """Change the sizes of the subscribed videos."""
        if self._connection is not None and self._client.phase == "joined":
            with suppress(ConnectionClosed):  # ``run`` returns the reason
                for frame in self._client.rearrange(sizes):
                    await self._connection.send(frame, text=True)

    async def leave(self) -> None:
        """Leave the room, destroy it if it is empty, and close."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        with suppress(
            ConnectionClosed, ConcurrencyError, TimeoutError, msgspec.DecodeError, JoinRefusedError
        ):
            async with asyncio.timeout(_LEAVE_S):
                await self._leave_room(connection)
                await self._ask(connection, self._client.destroy_request())
        await connection.close()

    async def _leave_room(self, connection: ClientConnection) -> None:
        rooms, room = self._target.rooms, self._participant.room
        request = self._client.leave_request()
        try:
            if request is not None:
                await self._ask(connection, request)
        finally:
            rooms.present[room] -= 1
        if request is not None and rooms.are_created and not rooms.present[room]:
            await self._ask(connection, self._client.list_request())

    async def _ask(self, connection: ClientConnection, request: bytes) -> None:
        """Send a request of leaving, and wait for the answer to it."""
        await connection.send(request, text=True)
        while not self._client.has_left:
            await self._step(connection)

    async def _keep_alive(self, connection: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(_KEEPALIVE_S)
                await connection.send(self._client.keepalive(), text=True)

    async def _step(self, connection: ClientConnection) -> None:
        for frame in await self._client.receive(await connection.recv(decode=False)):
            await connection.send(frame, text=True)
