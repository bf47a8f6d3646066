"""The native swarm as asyncio sees it: commands in, results and events out, without blocking."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import msgspec

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
Answer = TypeVar("Answer")

_RETRY_S = 0.01
_ANSWER_S = 30.0


class Swarm(Protocol):
    """The synthetic participants, or a stand-in for them."""

    @property
    def info(self) -> SwarmInfo:
        """What the swarm got."""

    def listen(self, on_event: EventHandler, on_refusal: RefusalHandler) -> None:
        """Name those who get the events and the refused commands."""

    def now_ns(self) -> int:
        """Tell the time of the swarm's clock."""

    def new_id(self) -> int:
        """Name something new; no name is used twice."""

    def send(self, commands: Sequence[Command]) -> None:
        """Carry out commands in order; only refusals are told."""

    async def ask(self, command: Command, answer: type[Answer]) -> Answer:
        """Carry out one command and read its result."""

    def close(self) -> None:
        """Stop all bots."""


class NativeSwarm:
    """The swarm of the Rust engine."""

    def __init__(self, config: SwarmConfig) -> None:
        from sfukit import _native

        self._encoder = msgspec.json.Encoder()
        self._events = msgspec.json.Decoder(list[Event])
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
        self._asked: dict[int, asyncio.Future[Done]] = {}
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
            self._number(command)
        self._unsent.append(self._encoder.encode(commands))
        if len(self._unsent) == 1:
            self._flush()

    async def ask(self, command: Command, answer: type[Answer]) -> Answer:
        future: asyncio.Future[Done] = self._loop.create_future()
        self._asked[self._last_command + 1] = future
        self.send([command])
        try:
            async with asyncio.timeout(_ANSWER_S):
                done = await future
        except TimeoutError as late:
            raise MachineError(
                f"the swarm did not carry out {type(command).__name__} within {_ANSWER_S:.0f} s",
                hint="this machine is overloaded: run fewer clients, or other programs elsewhere",
            ) from late
        if done.error is not None:
            raise MachineError(f"the swarm refused {type(command).__name__}: {done.error.message}")
        return msgspec.json.decode(done.result, type=answer)

    def close(self) -> None:
        self._loop.remove_reader(self._native.event_fd())
        self._native.close()

    def _number(self, command: Command) -> None:
        self._last_command += 1
        command.id = self._last_command
        self._sent[command.id] = command

    def _flush(self) -> None:
        while self._unsent:
            if not self._native.submit(0, self._unsent[0]):
                self._loop.call_later(_RETRY_S, self._flush)
                return
            self._unsent.popleft()

    def _read_events(self) -> None:
        for event in self._events.decode(self._native.events()):
            if isinstance(event, Done):
                self._settle(event)
            else:
                self._on_event(event)

    def _settle(self, done: Done) -> None:
        command = self._sent.pop(done.id, None)
        future = self._asked.pop(done.id, None)
        if future is not None and not future.done():
            future.set_result(done)
        elif done.error is not None and command is not None:
            self._on_refusal(command, done.error)


def _ignore(_event: Event) -> None:
    """Stand in until ``listen`` names somebody."""


def _ignore_refusal(_command: Command, _error: CommandError) -> None:
    """Stand in until ``listen`` names somebody."""
