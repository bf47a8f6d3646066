"""One WebSocket: frames in, bounded queue out, and the rules for hanging up."""

import asyncio
from collections import deque
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from sfukit.server.rpc_methods import Methods
from sfukit.signaling import jsonrpc
from sfukit.signaling.jsonrpc import RpcError
from sfukit.signaling.refusal import Refusal, RpcCode

log = structlog.get_logger()

MAX_QUEUED_MESSAGES = 1_000
MAX_QUEUED_BYTES = 1024 * 1024
MAX_INVALID = 50
_HANGUP_S = 5.0
CLOSE_CODES = {
    "left": 1000,
    "server_stopped": 1001,
    "drain_deadline": 1001,
    "internal_error": 1011,
    "replaced": 4000,
    "slow_reader": 4001,
    "negotiation_timeout": 4003,
    "transport_lost": 4005,
    "removed": 4006,
    "room_closed": 4007,
    "too_many_errors": 4008,
    "token_expired": 4009,
}


class RpcSession:
    """Speak JSON-RPC with one participant. It is that participant's ``Line``."""

    def __init__(self, socket: web.WebSocketResponse, methods: Methods) -> None:
        self._socket = socket
        self._methods = methods
        self._queue: deque[bytes] = deque()
        self._queued_bytes = 0
        self._wake = asyncio.Event()
        self._ended: str | None = None
        self._invalid = 0
        self._loop = asyncio.get_running_loop()
        methods.line = self

    async def run(self) -> None:
        """Serve until either side hangs up."""
        writer = self._loop.create_task(self._write())
        timing = self._methods.core.settings.timing
        patience = self._loop.call_later(timing.negotiation_s, self._expect_join)
        try:
            async for message in self._socket:
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    break
                await self._handle(message.data)
                if self._ended is not None:
                    break
        finally:
            patience.cancel()
            self._methods.lost(self._ended or "connection_lost")
            self.end("left")
            await self._finish(writer)

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self.send(jsonrpc.notification(method, params))

    def send(self, message: bytes) -> None:
        """Queue a finished message; who does not read is dropped."""
        if self._ended is not None:
            return
        self._queue.append(message)
        self._queued_bytes += len(message)
        if len(self._queue) > MAX_QUEUED_MESSAGES or self._queued_bytes > MAX_QUEUED_BYTES:
            self._methods.core.metrics.queue_dropped.inc(len(self._queue))
            self._queue.clear()
            self._queued_bytes = 0
            self._loop.call_soon(self._methods.lost, "slow_reader")
            self.end("slow_reader")
        self._wake.set()

    def end(self, reason: str) -> None:
        """Say good-bye behind what is queued, then hang up."""
        if self._ended is not None:
            return
        if reason not in ("left", "slow_reader", "connection_lost"):
            self.send(jsonrpc.notification("bye", {"reason": reason}))
        self._ended = reason
        self._wake.set()

    def _expect_join(self) -> None:
        if self._methods.participant is None:
            self.end("negotiation_timeout")

    async def _write(self) -> None:
        while True:
            while self._queue:
                message = self._queue.popleft()
                self._queued_bytes -= len(message)
                try:
                    await self._socket.send_frame(message, WSMsgType.TEXT)
                except (ConnectionError, RuntimeError):
                    return
            if self._ended is not None:
                break
            self._wake.clear()
            await self._wake.wait()
        code = CLOSE_CODES.get(self._ended, WSCloseCode.OK)
        await self._socket.close(code=code, message=self._ended.encode())

    async def _finish(self, writer: "asyncio.Task[None]") -> None:
        """Give the last words a bounded time, then cut the line."""
        done, _ = await asyncio.wait([writer], timeout=_HANGUP_S)
        if not done:
            writer.cancel()
            await asyncio.wait([writer])

    async def _handle(self, text: str | bytes) -> None:
        try:
            frame = jsonrpc.parse_frame(text)
        except RpcError as error:
            self._note_invalid()
            self.send(jsonrpc.error(None, error))
            return
        answers = []
        for entry in frame.entries:
            answer = await self._answer(entry)
            if answer is not None:
                answers.append(answer)
        if not answers:
            return
        if frame.batch:
            self.send(b"[" + b",".join(answers) + b"]")
        else:
            self.send(answers[0])

    async def _answer(self, request: jsonrpc.Request | RpcError) -> bytes | None:
        if isinstance(request, RpcError):
            self._note_invalid()
            return jsonrpc.error(None, request)
        try:
            value = await self._methods.call(request.method, request.params)
        except RpcError as error:
            self._note_invalid()
            return None if request.is_notification else jsonrpc.error(request.identifier, error)
        except Refusal as refusal:
            self._methods.note_refusal(request.method, refusal)
            return None if request.is_notification else jsonrpc.error(request.identifier, refusal)
        except Exception:
            log.exception("method_failed", method=request.method)
            fault = RpcError(RpcCode.INTERNAL, "an error of the server's own")
            return None if request.is_notification else jsonrpc.error(request.identifier, fault)
        return None if request.is_notification else jsonrpc.result(request.identifier, value)

    def _note_invalid(self) -> None:
        self._invalid += 1
        if self._invalid >= MAX_INVALID:
            self.end("too_many_errors")
