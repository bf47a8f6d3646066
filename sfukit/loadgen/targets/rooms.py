"""sfukit's rooms over WebSocket: one connection per bot."""

import ssl
from contextlib import suppress

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from sfukit.loadgen.seat import Seat
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.member import Member
from sfukit.signaling import problem
from sfukit.targets import access, room_socket
from sfukit.targets.access import Access


class RoomsTarget:
    """An sfukit server, by its rooms."""

    def __init__(self, url: str, how: Access, join_timeout_s: float) -> None:
        self.url = room_socket.address(url)
        self.how = how
        self.tls = access.tls(how, self.url)
        self.join_timeout_s = join_timeout_s

    def session(self, seat: Seat) -> "RoomSession":
        """Prepare one member."""
        return RoomSession(self, seat)


class RoomSession:
    """One member's WebSocket."""

    def __init__(self, target: RoomsTarget, seat: Seat) -> None:
        self._target = target
        self._seat = seat
        self._member = Member(seat)
        self._connection: ClientConnection | None = None

    async def join(self) -> None:
        """Connect and enter; the first offers are followed by ``stay``."""
        self._connection = await self._connect()
        try:
            await self._connection.send(self._member.opening(), text=True)
            while self._member.phase == "joining":
                await self._step(self._connection)
        except ConnectionClosed as closed:
            raise JoinRefusedError("connection_closed", _close_reason(closed)) from closed
        except msgspec.DecodeError as error:
            raise JoinRefusedError("answer_unusable", f"not what was expected: {error}") from error

    async def stay(self) -> str:
        """Answer offers and subscribe until the server ends the membership."""
        assert self._connection is not None
        try:
            while True:
                await self._step(self._connection)
        except ConnectionClosed as closed:
            return self._member.farewell or _close_reason(closed)
        except msgspec.DecodeError as error:
            return f"a message that cannot be read: {error}"

    async def leave(self) -> None:
        """Leave the room and close."""
        if self._connection is None:
            return
        with suppress(ConnectionClosed):
            await self._connection.send(self._member.leaving(), text=True)
        await self._connection.close()

    async def _connect(self) -> ClientConnection:
        target, seat = self._target, self._seat
        headers = access.headers(target.how, seat.room.name, seat.bot.name, seat.plan.total_s)
        try:
            return await room_socket.open_socket(
                target.url, headers, target.tls, target.join_timeout_s
            )
        except InvalidStatus as refused:
            raise _refused(refused) from refused
        except ssl.SSLError as error:
            raise JoinRefusedError("tls", str(error)) from error
        except (OSError, TimeoutError, InvalidHandshake) as error:
            raise JoinRefusedError("connect", str(error) or type(error).__name__) from error

    async def _step(self, connection: ClientConnection) -> None:
        reply = self._member.receive(await connection.recv(decode=False))
        if reply is not None:
            await connection.send(reply, text=True)


def _refused(refused: InvalidStatus) -> JoinRefusedError:
    status = refused.response.status_code
    answer = problem.read(refused.response.body)
    return JoinRefusedError(answer.reason or f"http_{status}", answer.detail or f"HTTP {status}")


def _close_reason(closed: ConnectionClosed) -> str:
    frame = closed.rcvd
    if frame is None:
        return "the connection broke"
    return frame.reason or f"closed with code {frame.code}"
