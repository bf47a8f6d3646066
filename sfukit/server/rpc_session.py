"""One signaling channel: JSON-RPC frames in, a bounded send queue out, close codes."""

import asyncio
import time
from typing import Any

import structlog
from aiohttp import WSCloseCode, WSMessage, WSMsgType, web

from sfukit.server.outbox import Outbox, StateKey, state_key_of
from sfukit.server.rpc_methods import Methods
from sfukit.server.text_frames import text_frames
from sfukit.signaling import jsonrpc
from sfukit.signaling.jsonrpc import RpcError
from sfukit.signaling.refusal import Refusal, RpcCode

log = structlog.get_logger()

_CLOSE_TIMEOUT_S = 5.0
_MAX_WRITE_BYTES = 64 * 1024  # unsent bytes of the transport, above which messages stay queued
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
    """The JSON-RPC session of one WebSocket; implements ``SignalingChannel``.

    The messages of one iteration of the event loop are written together. While the client reads
    slowly they stay in the bounded queue, and a task writes them one by one.
    """

    def __init__(
        self, socket: web.WebSocketResponse, methods: Methods, transport: asyncio.Transport
    ) -> None:
        self._socket = socket
        self._transport = transport
        self._methods = methods
        self._outbox = Outbox()
        self._has_output = asyncio.Event()  # for the task
        self._flushing = False
        self._close_reason: str | None = None
        self._loop = asyncio.get_running_loop()
        methods.channel = self

    async def run(self) -> None:
        """Serve requests until the client or the server closes the WebSocket."""
        writer = self._loop.create_task(self._write())
        timing = self._methods.core.settings.timing
        join_timeout = self._loop.call_later(timing.negotiation_s, self._check_joined)
        try:
            async for message in self._socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._handle(message.data)
                elif message.type in (WSMsgType.PING, WSMsgType.PONG):
                    await self._handle_control(message)
                else:
                    break
                if self._close_reason is not None:
                    break
        finally:
            join_timeout.cancel()
            self._methods.on_disconnect(self._close_reason or "connection_lost")
            self.close("left")
            await self._finish(writer)

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self.send(jsonrpc.notification(method, params), state_key=state_key_of(method, params))

    def send(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> None:
        """Queue an encoded message; close with ``slow_reader`` when the queue is full."""
        if self._close_reason is not None:
            return
        dropped = self._outbox.dropped
        if not self._outbox.put(message, state_key=state_key, lossy=lossy):
            self._outbox.clear()
            self._loop.call_soon(self._methods.on_disconnect, "slow_reader")
            self.close("slow_reader")
        if self._outbox.dropped > dropped:
            self._methods.core.metrics.queue_dropped.inc(self._outbox.dropped - dropped)
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def close(self, reason: str) -> None:
        """Queue ``bye`` with the reason, then close the WebSocket behind the queued messages."""
        if self._close_reason is not None:
            return
        if reason not in ("left", "slow_reader", "connection_lost"):
            self.send(jsonrpc.notification("bye", {"reason": reason}))
        self._close_reason = reason
        self._has_output.set()

    def _check_joined(self) -> None:
        if self._methods.participant is None:
            self.close("negotiation_timeout")

    def _flush(self) -> None:
        """Write the queued messages at once, or leave them to the task if the client is slow."""
        self._flushing = False
        space = _MAX_WRITE_BYTES - self._transport.get_write_buffer_size()
        if space > 0 and self._outbox and not self._socket.closed:
            self._transport.write(text_frames(self._outbox.take(space)))
        if self._outbox:
            self._has_output.set()

    async def _write(self) -> None:
        while True:
            while self._outbox:
                try:
                    await self._socket.send_frame(self._outbox.pop(), WSMsgType.TEXT)
                except (ConnectionError, RuntimeError):
                    return
            if self._close_reason is not None:
                break
            self._has_output.clear()
            await self._has_output.wait()
        code = CLOSE_CODES.get(self._close_reason, WSCloseCode.OK)
        await self._socket.close(code=code, message=self._close_reason.encode())

    async def _finish(self, writer: "asyncio.Task[None]") -> None:
        """Wait a bounded time for the queued messages, then cancel the writer."""
        done, _ = await asyncio.wait([writer], timeout=_CLOSE_TIMEOUT_S)
        if not done:
            writer.cancel()
            await asyncio.wait([writer])

    async def _handle(self, text: str | bytes) -> None:
        try:
            frame = jsonrpc.parse_frame(text)
        except RpcError as error:
            self._count_refusal("")
            self.send(jsonrpc.error(None, error))
            await asyncio.sleep(0)
            return
        share_bytes = len(text) / len(frame.entries)
        answers = []
        for entry in frame.entries:
            answer = await self._answer(entry, share_bytes)
            if answer is not None:
                answers.append(answer)
            await asyncio.sleep(0)  # yield to other connections between requests
            if self._close_reason is not None:
                break
        if not answers:
            return
        if frame.batch:
            self.send(b"[" + b",".join(answers) + b"]")
        else:
            self.send(answers[0])

    async def _handle_control(self, message: WSMessage) -> None:
        """Answer a ping (RFC 6455 section 5.5.2); control frames count as requests."""
        try:
            self._methods.limits.take_request(time.monotonic(), len(message.data))
        except Refusal as refusal:
            self._count_refusal(refusal.reason)
        else:
            if message.type is WSMsgType.PING:
                await self._socket.pong(message.data)
        await asyncio.sleep(0)

    async def _answer(
        self, request: jsonrpc.Request | RpcError, frame_bytes: float
    ) -> bytes | None:
        if isinstance(request, RpcError):
            self._count_refusal("")
            return jsonrpc.error(None, request)
        try:
            self._methods.limits.take_request(time.monotonic(), frame_bytes)
            value = await self._methods.call(request.method, request.params)
        except RpcError as error:
            self._count_refusal("")
            return None if request.is_notification else jsonrpc.error(request.identifier, error)
        except Refusal as refusal:
            self._methods.record_refusal(request.method, refusal)
            self._count_refusal(refusal.reason)
            return None if request.is_notification else jsonrpc.error(request.identifier, refusal)
        except Exception:
            self._count_refusal("internal_error")
            if self._methods.core.refusals.is_due("internal_error"):
                log.exception("method_failed", method=request.method)
            internal = RpcError(RpcCode.INTERNAL, "internal server error")
            return None if request.is_notification else jsonrpc.error(request.identifier, internal)
        return None if request.is_notification else jsonrpc.result(request.identifier, value)

    def _count_refusal(self, reason: str) -> None:
        if not self._methods.limits.allow_refusal(time.monotonic(), reason):
            self.close("too_many_errors")
