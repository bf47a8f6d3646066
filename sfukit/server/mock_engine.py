"""A mock of the media engine: records the commands, returns the configured results and events.

For tests and profiles of the control plane; forwards no media.
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
    """Accept every command for which ``error_of`` returns None."""

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
        """Set the callback that receives the events."""
        self._handler = handler

    def end_worker(self, worker: int, reason: str) -> None:
        """Emit the unexpected end of a worker."""
        self.ended_workers[worker] = reason
        self.emit(WorkerEnded(worker, reason))

    def emit(self, event: Event) -> None:
        """Pass an event to the handler."""
        assert self._handler is not None
        self._handler(event)

    def submit(self, worker: int, commands: Sequence[Command]) -> "asyncio.Future[list[Outcome]]":
        """Execute commands; return a completed future of the outcomes."""
        future: asyncio.Future[list[Outcome]] = asyncio.get_running_loop().create_future()
        future.set_result([self._execute(command) for command in commands])
        return future

    async def run(self, worker: int, commands: Sequence[Command]) -> list[Outcome]:
        """Execute commands; return the outcomes in the next turn of the event loop."""
        outcomes = self.submit(worker, commands)
        await asyncio.sleep(0)
        return await outcomes

    def send(self, worker: int, commands: Sequence[Command]) -> None:
        """Execute commands without outcomes."""
        for command in commands:
            self._execute(command)

    def commands_of(self, kind: type[Command]) -> list[Command]:
        """Return the recorded commands of one type, in order."""
        return [command for command in self.commands if type(command) is kind]

    def counters(self) -> ServerCounters:
        """Return the counters that the test has set."""
        return self.snapshot

    def close(self) -> None:
        """Record the close."""
        self.closed = True

    def _execute(self, command: Command) -> Outcome:
        self.commands.append(command)
        error = self._error_of(command) if self._error_of else None
        return Outcome(error, msgspec.Raw(self.results.get(type(command), b"null")))
