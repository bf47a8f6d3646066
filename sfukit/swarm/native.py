"""The asyncio client of the native swarm: sends commands, receives results and events."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

from sfukit import extension
from sfukit.errors import MachineError
from sfukit.swarm.messages import (
    Command,
    CommandError,
    Done,
    Event,
    SwarmConfig,
    SwarmInfo,
)

EventHandler = Callable[[Event], None]
RefusalHandler = Callable[[Command, CommandError], None]
Result = TypeVar("Result")

_RETRY_S = 0.01
_REQUEST_TIMEOUT_S = 30.0


class Swarm(Protocol):
    """The synthetic participants: ``NativeSwarm``, or ``FakeSwarm`` in tests."""

    @property
    def info(self) -> SwarmInfo:
        """The DTLS fingerprint of the bots and the number of workers."""

    def listen(self, on_event: EventHandler, on_refusal: RefusalHandler) -> None:
        """Register the handlers of events and of refused commands."""

    def now_ns(self) -> int:
        """Return the time of the swarm's clock in nanoseconds."""

    def new_id(self) -> int:
        """Allocate an identifier; none is allocated twice."""

    def send(self, commands: Sequence[Command]) -> None:
        """Send commands, executed in order; only refusals are reported."""

    async def request(self, command: Command, result: type[Result]) -> Result:
        """Send one command and return its result; raise ``MachineError`` after 30 s."""

    def close(self) -> None:
        """Stop all bots."""


class NativeSwarm:
    """The swarm of ``sfukit._native``."""

    def __init__(self, config: SwarmConfig) -> None:
        extension.check()
        from sfukit import _native

        self._encoder = msgspec.json.Encoder()
        self._events = msgspec.json.Decoder(list[Event])
        self._native_error = _native.NativeError
        try:
            self._native = _native.Swarm(self._encoder.encode(config))
        except _native.NativeError as error:
            raise MachineError(f"the swarm cannot start: {error}", hint="sfukit doctor") from error
        self.info = msgspec.json.decode(self._native.info(), type=SwarmInfo)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._native.event_fd(), self._read_events)
        self._last_id = 0
        self._last_command = 0
        self._unsent: deque[bytes] = deque()
        self._requests: dict[int, asyncio.Future[Done]] = {}
        self._sent: dict[int, Command] = {}
        self._on_event: EventHandler = _ignore
        self._on_refusal: RefusalHandler = _ignore_refusal

    def listen(self, on_event: EventHandler, on_refusal: RefusalHandler) -> None:
        self._on_event, self._on_refusal = on_event, on_refusal

    def now_ns(self) -> int:
        return self._native.now_ns()

    def new_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def send(self, commands: Sequence[Command]) -> None:
        if not commands:
            return
        for command in commands:
            self._assign_id(command)
        self._unsent.append(self._encoder.encode(commands))
        if len(self._unsent) == 1:
            self._flush()

    async def request(self, command: Command, result: type[Result]) -> Result:
        future: asyncio.Future[Done] = self._loop.create_future()
        self._requests[self._last_command + 1] = future
        self.send([command])
        try:
            async with asyncio.timeout(_REQUEST_TIMEOUT_S):
                done = await future
        except TimeoutError as timeout:
            name, limit = type(command).__name__, f"{_REQUEST_TIMEOUT_S:.0f} s"
            raise MachineError(
                f"the swarm did not carry out {name} within {limit}",
                hint="this machine is overloaded: run fewer clients, or other programs elsewhere",
            ) from timeout
        if done.error is not None:
            raise MachineError(f"the swarm refused {type(command).__name__}: {done.error.message}")
        return msgspec.json.decode(done.result, type=result)

    def close(self) -> None:
        self._loop.remove_reader(self._native.event_fd())
        self._native.close()

    def _assign_id(self, command: Command) -> None:
        self._last_command += 1
        command.id = self._last_command
        self._sent[command.id] = command

    def _flush(self) -> None:
        while self._unsent:
            if not self._submit(self._unsent[0]):
                self._loop.call_later(_RETRY_S, self._flush)
                return
            self._unsent.popleft()

    def _submit(self, commands: bytes) -> bool:
        """Submit commands; return False while the queue is full."""
        try:
            return self._native.submit(0, commands)
        except self._native_error as error:
            self._unsent.popleft()
            if self._unsent:  # those behind it are still sent
                self._loop.call_soon(self._flush)
            raise MachineError(f"the swarm could not read a command: {error}") from error

    def _read_events(self) -> None:
        for event in self._events.decode(self._native.events()):
            if isinstance(event, Done):
                self._complete(event)
            else:
                self._on_event(event)

    def _complete(self, done: Done) -> None:
        command = self._sent.pop(done.id, None)
        future = self._requests.pop(done.id, None)
        if future is not None and not future.done():
            future.set_result(done)
        elif done.error is not None and command is not None:
            self._on_refusal(command, done.error)


def _ignore(_event: Event) -> None:
    """Drop events until ``listen`` registers a handler."""


def _ignore_refusal(_command: Command, _error: CommandError) -> None:
    """Drop refusals until ``listen`` registers a handler."""
