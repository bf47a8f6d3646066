"""The asyncio interface of the media engine: batches of commands, events read from an eventfd.

The event loop never blocks: with a full command queue ``submit`` raises ``Refusal`` (overloaded),
and ``send``, which closes objects and cannot fail, queues its commands here.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec
import structlog

from sfukit.server.counters import ServerCounters
from sfukit.server.native_messages import (
    Command,
    CommandError,
    Done,
    Event,
    ServerConfig,
    ServerInfo,
    WorkerEnded,
)
from sfukit.signaling.refusal import Refusal

log = structlog.get_logger()
EventHandler = Callable[[Event], None]
_RETRY_S = 0.01
_MOST_JOINED = 8  # batches that are queued at once: all of them have to fit
_COMMAND_DEADLINE_S = 10.0


class Outcome(NamedTuple):
    """The result or error of one command."""

    error: CommandError | None
    result: msgspec.Raw


class Engine(Protocol):
    """The data plane, or a mock of it."""

    @property
    def info(self) -> ServerInfo:
        """The ports, the fingerprint and the socket options of the running engine."""

    @property
    def workers(self) -> int:
        """The number of workers."""

    @property
    def ended_workers(self) -> Mapping[int, str]:
        """The workers that ended unexpectedly, with the reason."""

    @property
    def backlog(self) -> int:
        """The number of batches that wait for the command queue of a worker."""

    def set_event_handler(self, handler: EventHandler) -> None:
        """Set the callback that receives the events."""

    async def run(self, worker: int, commands: Sequence[Command]) -> list[Outcome]:
        """Execute commands in order; raise ``Refusal`` (overloaded) if none was accepted."""

    def submit(self, worker: int, commands: Sequence[Command]) -> "asyncio.Future[list[Outcome]]":
        """Queue commands now and return a future of the outcomes; refused as ``run`` is."""

    def send(self, worker: int, commands: Sequence[Command]) -> None:
        """Execute commands in order without outcomes; never refused."""

    def counters(self) -> ServerCounters:
        """Return a snapshot of all counters."""

    def close(self) -> None:
        """Stop the workers."""


class _Batch:
    """A batch of commands whose outcomes are awaited."""

    __slots__ = ("first", "future", "outcomes", "remaining", "worker")

    def __init__(
        self, worker: int, first: int, count: int, future: "asyncio.Future[list[Outcome]]"
    ) -> None:
        self.worker = worker
        self.first = first
        self.remaining = count
        self.outcomes = [Outcome(None, msgspec.Raw(b"null"))] * count
        self.future = future

    def complete(self, done: Done) -> None:
        self.outcomes[done.id - self.first] = Outcome(done.error, done.result)
        self.remaining -= 1
        if self.remaining == 0 and not self.future.done():
            self.future.set_result(self.outcomes)


class NativeEngine:
    """The Rust engine."""

    def __init__(self, config: ServerConfig) -> None:
        from sfukit import _native

        self._encoder = msgspec.json.Encoder()
        self._events = msgspec.json.Decoder(list[Event])
        self._raw_events = msgspec.json.Decoder(list[msgspec.Raw])
        self._event = msgspec.json.Decoder(Event)
        self._counters = msgspec.json.Decoder(ServerCounters)
        self._native_error = _native.NativeError
        self._native: _native.Server = _native.Server(self._encoder.encode(config))
        self.info = msgspec.json.decode(self._native.info(), type=ServerInfo)
        self.workers = len(self.info.udp_ports)
        self._loop = asyncio.get_running_loop()
        self._next_id = 1
        self._batches: dict[int, _Batch] = {}
        self.ended_workers: dict[int, str] = {}
        self._unsent: list[deque[bytes]] = [deque() for _ in range(self.workers)]
        self._retries: dict[int, asyncio.TimerHandle] = {}  # of workers with a full queue
        self._handler: EventHandler = _ignore_event
        self._loop.add_reader(self._native.event_fd(), self._read_events)

    @property
    def backlog(self) -> int:
        return max(len(unsent) for unsent in self._unsent)

    def set_event_handler(self, handler: EventHandler) -> None:
        self._handler = handler

    def submit(self, worker: int, commands: Sequence[Command]) -> "asyncio.Future[list[Outcome]]":
        if worker in self.ended_workers:
            raise Refusal("overloaded", f"media worker {worker} ended", retry_after_s=5)
        first = self._number(commands)
        unsent, encoded = self._unsent[worker], self._encoder.encode(commands)
        if worker in self._retries or not self._enqueue(worker, _joined([*unsent, encoded])):
            raise Refusal(
                "overloaded", "the command queue of the media engine is full", retry_after_s=1
            )
        unsent.clear()
        batch = _Batch(worker, first, len(commands), self._loop.create_future())
        for command in commands:
            self._batches[command.id] = batch
        return batch.future

    async def run(self, worker: int, commands: Sequence[Command]) -> list[Outcome]:
        future = self.submit(worker, commands)
        timer = self._loop.call_later(_COMMAND_DEADLINE_S, _expire, future)
        try:
            return await future
        finally:
            timer.cancel()

    def send(self, worker: int, commands: Sequence[Command]) -> None:
        if not commands or worker in self.ended_workers:
            return
        unsent = self._unsent[worker]
        unsent.append(self._encoder.encode(commands))
        if len(unsent) == 1:
            self._loop.call_soon(self._flush, worker)  # or earlier, with those of ``submit``
        elif len(unsent) == _MOST_JOINED and worker not in self._retries:
            self._flush(worker)

    def counters(self) -> ServerCounters:
        return self._counters.decode(self._native.counters())

    def close(self) -> None:
        self._loop.remove_reader(self._native.event_fd())
        for worker, unsent in enumerate(self._unsent):
            self._flush(worker)
            unsent.clear()
        for timer in self._retries.values():
            timer.cancel()
        self._native.close()
        for batch in set(self._batches.values()):
            batch.future.cancel()

    def _enqueue(self, worker: int, commands: bytes) -> bool:
        """Queue encoded commands; return False if the queue is full."""
        try:
            return self._native.submit(worker, commands)
        except self._native_error as error:
            log.error("commands_malformed", error=str(error), commands=commands[:500])
            raise Refusal("internal_error", "the media engine could not decode a command") from None

    def _number(self, commands: Sequence[Command]) -> int:
        first = self._next_id
        for command in commands:
            command.id = self._next_id
            self._next_id += 1
        return first

    def _flush(self, worker: int) -> None:
        """Queue the unsent commands, later if the queue is full."""
        if timer := self._retries.pop(worker, None):
            timer.cancel()
        unsent, most = self._unsent[worker], _MOST_JOINED
        while unsent:
            first = list(itertools.islice(unsent, most))
            try:
                accepted = self._enqueue(worker, _joined(first))
            except Refusal:
                if len(first) > 1:
                    most = 1  # only one of them is malformed
                    continue
                accepted = True  # logged; a retry would fail again
            if not accepted:
                self._retries[worker] = self._loop.call_later(_RETRY_S, self._flush, worker)
                return
            for _ in first:
                unsent.popleft()

    def _read_events(self) -> None:
        content = self._native.events()
        try:
            events = self._events.decode(content)
        except msgspec.ValidationError:
            events = self._known_events(content)
        for event in events:
            try:
                self._handle_event(event)
            except Exception:  # handle the other events of the batch
                log.exception("event_failed", content=repr(event)[:200])

    def _known_events(self, content: bytes) -> list[Event]:
        """Decode the events one by one, without unknown ones."""
        events = []
        for raw in self._raw_events.decode(content):
            try:
                events.append(self._event.decode(raw))
            except msgspec.ValidationError as error:
                log.warning("event_unknown", error=str(error), content=bytes(raw)[:200])
        return events

    def _handle_event(self, event: Event) -> None:
        if isinstance(event, Done):
            if batch := self._batches.pop(event.id, None):
                batch.complete(event)
            return
        if isinstance(event, WorkerEnded):
            self._fail_pending(event)
        self._handler(event)

    def _fail_pending(self, event: WorkerEnded) -> None:
        """Fail the pending commands of a worker that ended."""
        self.ended_workers[event.worker] = event.reason
        self._unsent[event.worker].clear()
        error = CommandError("worker_ended", event.reason)
        for number, batch in list(self._batches.items()):
            if batch.worker == event.worker:
                del self._batches[number]
                batch.complete(Done(number, error))


def _joined(batches: Sequence[bytes]) -> bytes:
    """Join JSON arrays, none of them empty, into one."""
    if len(batches) == 1:
        return batches[0]
    return b"[" + b",".join([batch[1:-1] for batch in batches]) + b"]"


def _expire(future: "asyncio.Future[list[Outcome]]") -> None:
    if not future.done():
        future.set_exception(
            Refusal(
                "overloaded",
                f"no response of the media engine within {_COMMAND_DEADLINE_S:g} s",
                retry_after_s=5,
            )
        )


def _ignore_event(_event: Event) -> None:
    """Drop an event that arrives before ``set_event_handler``."""


def first_error(outcomes: Sequence[Outcome]) -> CommandError | None:
    """Return the first error of a batch, None without errors."""
    return next((outcome.error for outcome in outcomes if outcome.error), None)


def refusal_of(error: CommandError) -> Refusal:
    """Convert an error of the engine to a refusal with a reason code of the protocols."""
    reasons = {"overloaded": "overloaded", "codec_unsupported": "codec_unsupported"}
    reason = reasons.get(error.code, "internal_error")
    retry = 1 if reason == "overloaded" else None
    return Refusal(
        reason, f"error of the media engine: {error.code} {error.message}", retry_after_s=retry
    )
