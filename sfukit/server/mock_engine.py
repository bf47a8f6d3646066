"""A stand-in for the engine: it takes every command, remembers it, and does what it is told to say.

Tests and profiles of the control plane use it; media it has none.
"""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from sfukit.server.counters import ServerCounters
from sfukit.server.engine import EventHandler, Outcome
from sfukit.server.native_messages import (
    Command,
    CommandError,
    Event,
    ServerInfo,
    WorkerEnded,
)

ErrorOf = Callable[[Command], CommandError | None]

_FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)


class MockEngine:
    """Take everything, unless ``error_of`` finds fault with it."""

    def __init__(self, workers: int = 1, error_of: ErrorOf | None = None) -> None:
        self.info = ServerInfo(list(range(7081, 7081 + workers)), _FINGERPRINT, ipv6=True)
        self.workers = workers
        self.commands: list[Command] = []
        self.backlog = 0
        self.ended_workers: dict[int, str] = {}
        self.closed = False
        self.snapshot = ServerCounters()
        self.results: dict[type[Command], bytes] = {}
        self._error_of = error_of
        self._handler: EventHandler | None = None

    def set_event_handler(self, handler: EventHandler) -> None:
        """Name the one who gets the events."""
        self._handler = handler

    def end_worker(self, worker: int, reason: str) -> None:
        """Have a worker end by itself."""
        self.ended_workers[worker] = reason
        self.emit(WorkerEnded(worker, reason))

    def emit(self, event: Event) -> None:
        """Say that something happened."""
        assert self._handler is not None
        self._handler(event)

    def submit(self, worker: int, commands: Sequence[Command]) -> "asyncio.Future[list[Outcome]]":
        """Take commands; the outcome is known at once."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        future.set_result([self._execute(command) for command in commands])
        return future

    async def run(self, worker: int, commands: Sequence[Command]) -> list[Outcome]:
        """Take commands; each is judged as it comes."""
        outcomes = self.submit(worker, commands)
        await asyncio.sleep(0)
        return await outcomes

    def send(self, worker: int, commands: Sequence[Command]) -> None:
        """Take commands that nobody waits for."""
        for command in commands:
            self._execute(command)

    def commands_of(self, kind: type[Command]) -> list[Command]:
        """List the commands of one kind, in order."""
        return [command for command in self.commands if type(command) is kind]

    def counters(self) -> ServerCounters:
        """Return what the test put there."""
        return self.snapshot

    def close(self) -> None:
        """Stop."""
        self.closed = True

    def _execute(self, command: Command) -> Outcome:
        self.commands.append(command)
        error = self._error_of(command) if self._error_of else None
        return Outcome(error, msgspec.Raw(self.results.get(type(command), b"null")))
