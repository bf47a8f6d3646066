"""Groups of a Galene server: one WebSocket per participant, one connection per stream."""

import asyncio
from contextlib import suppress
from functools import partial

import httpx
import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from sfukit.loadgen.targets import websocket
from sfukit.loadgen.targets.base import JoinRefusedError, Participant
from sfukit.loadgen.targets.galene_client import GaleneClient, Login
from sfukit.targets import access, galene_group, http_request, load_permission, origin
from sfukit.targets.access import Access
from sfukit.targets.galene_group import GroupUrl


class GaleneTarget:
    """A Galene group, or one group per room with ``{room}`` in the URL."""

    def __init__(
        self, client: httpx.AsyncClient, url: str, how: Access, join_timeout_s: float
    ) -> None:
        self.client = client
        self.url = url
        self.how = how
        self.socket = websocket.Options.of(how, url, join_timeout_s, None)
        self._endpoints: dict[str, asyncio.Task[str]] = {}

    def session(self, participant: Participant) -> "GaleneSession":
        """Return the signaling of one participant."""
        return GaleneSession(self, participant)

    async def endpoint(self, group: GroupUrl, participant: Participant) -> str:
        """Return the WebSocket URL of a group, which is requested once for all participants."""
        task = self._endpoints.get(group.url)
        if task is None or (task.done() and task.exception() is not None):
            task = asyncio.create_task(self._request_endpoint(group, participant))
            self._endpoints[group.url] = task
        return await asyncio.shield(task)

    async def _request_endpoint(self, group: GroupUrl, participant: Participant) -> str:
        url = galene_group.status_url(group)
        try:
            reply = await http_request.send(
                self.client, "GET", url, limit_s=self.socket.limit_s, headers=dict(self.how.headers)
            )
        except httpx.HTTPError as error:
            raise JoinRefusedError("connect", str(error) or type(error).__name__) from error
        if reply.status == httpx.codes.NOT_FOUND:
            raise JoinRefusedError("group_not_found", f"{url} answers 404: no such group")
        found = galene_group.endpoint(group, reply.body)
        if found is None:
            type_text = reply.media_type or "no Content-Type"
            raise JoinRefusedError(
                "not_galene",
                f"{url} answers {reply.status} with {type_text}, not with the status of a group",
            )
        self._permit(group.url, found, participant.clients)
        return found

    def _permit(self, home: str, endpoint: str, clients: int) -> None:
        """Raise ``JoinRefusedError`` where credentials or load must not go to an endpoint."""
        allowed = self.how.allow_hosts
        why = origin.denied_reason(home, endpoint, allowed) or load_permission.denied_reason(
            home, endpoint, clients, allowed
        )
        if why is not None:
            raise JoinRefusedError(
                "endpoint_elsewhere",
                f"the group names the endpoint {endpoint}, {why}: nothing is sent there "
                "(if that host is yours: --allow-host HOST)",
            )


class GaleneSession:
    """The WebSocket of one participant."""

    def __init__(self, target: GaleneTarget, participant: Participant) -> None:
        self._target = target
        self._participant = participant
        filled = access.fill_in(target.url, participant.room, participant.number)
        group = galene_group.parse(filled)
        assert group is not None  # checked with the target
        self._group = group
        self._client = GaleneClient(
            participant,
            Login(
                group.group,
                group.username or participant.name,
                group.password,
                target.how.token or group.token,
            ),
        )
        self._connection: ClientConnection | None = None

    async def join(self) -> None:
        """Connect, join the group, and publish."""
        target, participant = self._target, self._participant
        url = await target.endpoint(self._group, participant)
        connection = await websocket.connect(
            target.socket, participant, url, dict(target.how.headers), websocket.refused
        )
        self._connection = connection
        try:
            for frame in self._client.join_requests():
                await connection.send(frame, text=True)
            while self._client.phase == "joining":
                await self._step(connection)
        except ConnectionClosed as closed:
            reason = self._client.end_reason or websocket.close_reason(closed)
            raise JoinRefusedError("connection_closed", reason) from closed
        except msgspec.DecodeError as error:
            raise JoinRefusedError("answer_unusable", f"malformed message: {error}") from error

    async def run(self) -> str:
        """Answer offers until the server ends the session."""
        assert self._connection is not None
        return await websocket.until_ended(self._client, partial(self._step, self._connection))

    async def leave(self) -> None:
        """Leave the group and close."""
        if self._connection is None:
            return
        with suppress(ConnectionClosed):
            for frame in self._client.leave_requests():
                await self._connection.send(frame, text=True)
        await self._connection.close()

    async def _step(self, connection: ClientConnection) -> None:
        for frame in await self._client.receive(await connection.recv(decode=False)):
            await connection.send(frame, text=True)
