"""sfukit's rooms over WebSocket: one connection per bot."""

import asyncio
import ssl
from contextlib import suppress

import msgspec
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from sfukit.loadgen.seat import Seat
from sfukit.loadgen.targets import patience
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.member import Member
from sfukit.signaling import problem
from sfukit.targets import access, room_socket
from sfukit.targets.access import Access

_MOST_REPEATS = 64  # requests of one bot that wait for the rate limit at a time


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
        self._repeats: set[asyncio.Task[None]] = set()

    async def join(self) -> None:
        """Connect and enter; the first offers are followed by ``stay``."""
        self._connection = await patience.politely(self._seat, self._connect)
        connection = self._connection
        await patience.politely(self._seat, lambda: self._enter(connection))

    async def _enter(self, connection: ClientConnection) -> None:
        try:
            await connection.send(self._member.opening(), text=True)
            while self._member.phase == "ramp":
                await self._step(connection)
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
        for repeat in self._repeats:
            repeat.cancel()
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
                target.url,
                headers,
                target.tls,
                target.join_timeout_s,
                target.how.allow_hosts,
                clients=len(seat.plan.bots),
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
        for number, told_s in self._member.held_back()[: _MOST_REPEATS - len(self._repeats)]:
            repeat = asyncio.create_task(self._repeat(connection, number, told_s))
            self._repeats.add(repeat)
            repeat.add_done_callback(self._repeats.discard)

    async def _repeat(self, connection: ClientConnection, number: int, told_s: object) -> None:
        """Send a request that the target's rate limit refused once more, after its delay."""
        delay_s = patience.after_s(self._seat, told_s)
        self._seat.ledger.held_back(self._seat.bot, delay_s)
        await asyncio.sleep(delay_s)
        request = self._member.again(number)
        with suppress(ConnectionClosed):
            if request is not None:
                await connection.send(request, text=True)


def _refused(refused: InvalidStatus) -> JoinRefusedError:
    response = refused.response
    status, retry_after = response.status_code, response.headers.get("Retry-After")
    told = problem.read(response.body)
    return patience.refused_by_status(status, told, f"HTTP {status}", retry_after)


def _close_reason(closed: ConnectionClosed) -> str:
    frame = closed.rcvd
    if frame is None:
        return "the connection broke"
    return frame.reason or f"closed with code {frame.code}"
