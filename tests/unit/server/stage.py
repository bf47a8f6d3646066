"""A server with a mock engine, and WebSocket clients."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType
from aiohttp.test_utils import TestServer

from sfukit.server.mock_engine import MockEngine
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Limits, MethodLimits, Rate, Timing

FIXTURES = Path(__file__).parents[2] / "fixtures"
_MANY = Rate(1e9, 1e9)
UNLIMITED = Limits(
    identity=_MANY,
    api_key=_MANY,
    session=_MANY,
    address=_MANY,
    refusals=_MANY,
    requests=_MANY,
    methods=MethodLimits(**dict.fromkeys(MethodLimits.__struct_fields__, _MANY)),
    message_bytes=_MANY,
    errors=_MANY,
    excess=_MANY,
)
QUICK = Timing(room_idle_s=0.2, debounce_s=0.01)


def offer_text(name: str = "chromium-simulcast-offer") -> str:
    """A browser's offer."""
    return (FIXTURES / f"{name}.sdp").read_bytes().decode()


async def until(condition: Callable[[], object]) -> None:
    """Wait until a condition is true."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - conditions have no common event
            await asyncio.sleep(0.005)


class RpcError(Exception):
    """An error response."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.code = error["code"]
        self.reason = error.get("data", {}).get("reason")
        self.data = error.get("data", {})


class Member:
    """The client of one WebSocket."""

    def __init__(self, socket: ClientWebSocketResponse) -> None:
        self.socket = socket
        self.notifications: list[tuple[str, Any]] = []
        self.close_code: int | None = None
        self._ids = itertools.count(1)
        self._waiting: dict[Any, asyncio.Future[Any]] = {}
        self._arrived = asyncio.Event()
        self._reader = asyncio.get_running_loop().create_task(self._read())

    async def call(self, method: str, **params: Any) -> Any:
        """Send a request and return its result."""
        number = next(self._ids)
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        request = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        await self.socket.send_bytes(msgspec.json.encode(request))
        async with asyncio.timeout(5):
            return await future

    async def note(self, method: str) -> Any:
        """Wait for the next notification of a method and return its parameters."""
        async with asyncio.timeout(5):
            while True:
                for entry in self.notifications:
                    if entry[0] == method:
                        self.notifications.remove(entry)
                        return entry[1]
                self._arrived.clear()
                await self._arrived.wait()

    async def closed(self) -> int:
        """Wait until the server closes the WebSocket; return the close code."""
        async with asyncio.timeout(5):
            await self._reader
        assert self.socket.close_code is not None
        return self.socket.close_code

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                break
            content = msgspec.json.decode(message.data)
            for entry in content if isinstance(content, list) else [content]:
                self._take(entry)

    def _take(self, entry: dict[str, Any]) -> None:
        if "method" in entry:
            self.notifications.append((entry["method"], entry["params"]))
            self._arrived.set()
        elif "error" in entry:
            self._waiting.pop(entry["id"]).set_exception(RpcError(entry["error"]))
        else:
            self._waiting.pop(entry["id"]).set_result(entry["result"])


class Stage:
    """A server over a mock engine, on a free port."""

    def __init__(self, context: ServerContext, engine: MockEngine, server: TestServer) -> None:
        self.context = context
        self.engine = engine
        self.server = server
        self.session = ClientSession()

    def ended(self) -> dict[str, int]:
        """Count the participants and viewers that left, by reason."""
        [metric] = self.context.metrics.participants_ended.collect()
        counts = [sample for sample in metric.samples if sample.name.endswith("_total")]
        return {sample.labels["reason"]: int(sample.value) for sample in counts if sample.value}

    def url(self, path: str) -> str:
        """Return the URL of a path."""
        return str(self.server.make_url(path))

    async def member(self, **options: Any) -> Member:
        """Open a WebSocket."""
        return Member(await self.session.ws_connect(self.url("/ws"), **options))

    async def joined(self, uid: str, sid: str = "demo", **params: Any) -> Member:
        """Open a WebSocket and join with a browser's offer."""
        member = await self.member()
        offer = {"type": "offer", "sdp": offer_text()}
        await member.call("join", **{"sid": sid, "uid": uid, "offer": offer, **params})
        return member


StageMaker = Callable[..., Awaitable[Stage]]
