"""In by an sfukit room (docs/protocol.md): a WebSocket upgrade, one join with the offer."""

import asyncio
import ssl
from contextlib import suppress
from typing import Any

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from sfukit.probe.check.entry import Answer, Refused, accepted, refuse
from sfukit.probe.course import Course, StepFailedError
from sfukit.probe.finding import Stopwatch
from sfukit.signaling import problem
from sfukit.signaling.room_messages import Description, JoinConfig, JoinParams

_SUBPROTOCOL = Subprotocol("sfukit.jsonrpc")
_LARGEST_FRAME = 1024 * 1024
_CLOSE_S = 1.0
_JOIN = 1


class RoomEntry:
    """A room of a server; ``headers`` carry the token."""

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
    ) -> None:
        self._url = url
        self._room = room
        self._identity = identity
        self._headers = headers
        self._token = token
        self._tls = tls
        self._limit_s = limit_s
        self._connection: ClientConnection | None = None

    async def exchange(self, course: Course, offer: str) -> Answer:
        """Take the steps ``websocket`` and ``token``; return the answer."""
        try:
            with course.step("websocket") as note:
                self._connection = await self._connect()
                note.found = self._connection.subprotocol or "no subprotocol"
        except InvalidStatus as answer:
            raise refuse(course, _refused(answer), self._token, at="websocket") from answer
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._join(course, self._connection, offer)
        except TimeoutError as error:
            raise _failed(course, "no_answer", "no answer to the join") from error
        except ConnectionClosed as closed:
            raise _failed(course, "connection_closed", f"closed: {closed}") from closed
        except msgspec.DecodeError as error:
            raise _failed(course, "answer_unusable", f"an answer like no other: {error}") from error

    async def leave(self) -> None:
        """Leave the room and close."""
        if self._connection is None:
            return
        with suppress(ConnectionClosed):
            await self._connection.send(_request("leave", {}, _JOIN + 1), text=True)
        await self._connection.close()

    async def _connect(self) -> ClientConnection:
        try:
            return await connect(
                self._url,
                subprotocols=[_SUBPROTOCOL],
                additional_headers=self._headers,
                ssl=self._tls,
                open_timeout=self._limit_s,
                close_timeout=_CLOSE_S,
                max_size=_LARGEST_FRAME,
                proxy=None,
            )
        except (OSError, TimeoutError, InvalidHandshake) as error:
            if isinstance(error, InvalidStatus):
                raise
            raise StepFailedError(
                "no_upgrade",
                f"no WebSocket: {str(error) or type(error).__name__}",
                "does a proxy on the way let WebSocket upgrades pass?",
            ) from error

    async def _join(self, course: Course, connection: ClientConnection, offer: str) -> Answer:
        watch = Stopwatch()
        params = JoinParams(
            sid=self._room,
            uid=self._identity,
            offer=Description("offer", offer),
            config=JoinConfig(no_subscribe=True),
        )
        await connection.send(_request("join", params, _JOIN), text=True)
        while True:
            for message in _messages(await connection.recv(decode=False)):
                if message.id != _JOIN:
                    continue
                if message.error is not None:
                    raise refuse(course, message.error.refused, self._token)
                accepted(course, self._token)
                return Answer(msgspec.json.decode(message.result, type=_Joined).sdp, watch.ms)


class _Failure(msgspec.Struct):
    code: int
    message: str = ""
    data: Any = None

    @property
    def refused(self) -> Refused:
        """The refusal in words and by its reason code, where the server tells one."""
        reason = self.data.get("reason") if isinstance(self.data, dict) else None
        return Refused(None, str(reason or f"rpc_{self.code}"), self.message)


class _Incoming(msgspec.Struct):
    id: int | None = None
    result: msgspec.Raw = msgspec.Raw(b"null")
    error: _Failure | None = None


class _Joined(msgspec.Struct):
    sdp: str = ""


class _Request(msgspec.Struct):
    method: str
    params: Any
    id: int
    jsonrpc: str = "2.0"


def _request(method: str, params: object, number: int) -> bytes:
    return msgspec.json.encode(_Request(method, params, number))


def _messages(frame: bytes) -> list[_Incoming]:
    if frame[:1] == b"[":
        return msgspec.json.decode(frame, type=list[_Incoming])
    return [msgspec.json.decode(frame, type=_Incoming)]


def _failed(course: Course, cause: str, found: str) -> StepFailedError:
    failed = StepFailedError(cause, found, "look into the server's log")
    course.failed("sdp", failed)
    return failed


def _refused(answer: InvalidStatus) -> Refused:
    status = answer.response.status_code
    said = problem.read(answer.response.body)
    return Refused(status, said.reason, said.detail or f"HTTP {status}")
