"""Signaling by an sfukit room (docs/protocol.md): a WebSocket, one join with the offer."""

import asyncio
import ssl
from contextlib import suppress

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from sfukit.probe.check.signaling import Answer, ErrorResponse, accepted, refuse
from sfukit.probe.finding import Stopwatch
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.signaling import problem, rpc_client
from sfukit.signaling.room_messages import Description, JoinConfig, JoinParams
from sfukit.targets import room_socket

_JOIN = 1


class RoomSignalingClient:
    """A client of one room; ``headers`` have the token."""

    def __init__(
        self,
        url: str,
        room: str,
        identity: str,
        *,
        headers: dict[str, str],
        token: str | None,
        tls: ssl.SSLContext | None,
        limit_s: float,
        allowed: frozenset[str],
        clients: int = 1,
    ) -> None:
        self._url = url
        self._room = room
        self._identity = identity
        self._headers = headers
        self._token = token
        self._tls = tls
        self._limit_s = limit_s
        self._allowed = allowed
        self._clients = clients
        self._connection: ClientConnection | None = None

    async def exchange(self, recorder: StepRecorder, offer: str) -> Answer:
        """Run the steps ``websocket`` and ``token``; return the answer."""
        try:
            with recorder.step("websocket") as note:
                self._connection = await self._connect()
                note.found = self._connection.subprotocol or "no subprotocol"
        except InvalidStatus as answer:
            raise refuse(recorder, _refused(answer), self._token, at="websocket") from answer
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._join(recorder, self._connection, offer)
        except TimeoutError as error:
            raise _failed(recorder, "no_answer", "no answer to the join") from error
        except ConnectionClosed as closed:
            raise _failed(recorder, "connection_closed", f"closed: {closed}") from closed
        except msgspec.DecodeError as error:
            raise _failed(recorder, "answer_unusable", f"invalid JSON-RPC: {error}") from error

    async def leave(self) -> None:
        """Leave the room and close."""
        if self._connection is None:
            return
        with suppress(ConnectionClosed):
            await self._connection.send(rpc_client.request("leave", {}, _JOIN + 1), text=True)
        await self._connection.close()

    async def _connect(self) -> ClientConnection:
        try:
            return await room_socket.open_socket(
                *(self._url, self._headers, self._tls, self._limit_s, self._allowed),
                clients=self._clients,
            )
        except (OSError, TimeoutError, InvalidHandshake) as error:
            if isinstance(error, InvalidStatus):
                raise
            raise StepFailedError(
                "no_upgrade",
                f"no WebSocket: {str(error) or type(error).__name__}",
                "does a proxy on the path allow WebSocket upgrades?",
            ) from error

    async def _join(
        self, recorder: StepRecorder, connection: ClientConnection, offer: str
    ) -> Answer:
        watch = Stopwatch()
        params = JoinParams(
            sid=self._room,
            uid=self._identity,
            offer=Description("offer", offer),
            config=JoinConfig(no_subscribe=True),
        )
        await connection.send(rpc_client.request("join", params, _JOIN), text=True)
        while True:
            for message in rpc_client.messages(await connection.recv(decode=False)):
                if message.id != _JOIN:
                    continue
                if message.error is not None:
                    refused = ErrorResponse(None, message.error.reason, message.error.message)
                    raise refuse(recorder, refused, self._token)
                accepted(recorder, self._token)
                return Answer(msgspec.json.decode(message.result, type=_Joined).sdp, watch.ms)


class _Joined(msgspec.Struct):
    sdp: str = ""


def _failed(recorder: StepRecorder, cause: str, found: str) -> StepFailedError:
    failed = StepFailedError(cause, found, "see the server's log")
    recorder.failed("sdp", failed)
    return failed


def _refused(answer: InvalidStatus) -> ErrorResponse:
    status = answer.response.status_code
    said = problem.read(answer.response.body)
    to = answer.response.headers.get("Location")
    redirected = f", redirected to {to}" if to is not None and status // 100 == 3 else ""
    return ErrorResponse(status, said.reason, said.detail or f"HTTP {status}{redirected}")
