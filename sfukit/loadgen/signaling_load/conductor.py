"""The phases of a signaling load: connect, audience, warm-up, operations, end."""

import asyncio
import gc
import math
import os
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import msgspec

from sfukit.loadgen.host import processes
from sfukit.loadgen.host.processes import Reading
from sfukit.loadgen.host.server_process import PrivateServer
from sfukit.loadgen.metrics.ledger import RATE_LIMITED
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.ramp import Ramp
from sfukit.loadgen.result.series import Phase
from sfukit.loadgen.signaling_load.client import Client
from sfukit.loadgen.signaling_load.connection import Connection, endpoint
from sfukit.loadgen.signaling_load.recorder import Recorder
from sfukit.loadgen.signaling_load.schedule import Load, operations
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.timeline import Observer, Progress
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.targets import access, room_socket
from sfukit.targets.access import Access

_MS_PER_S = 1000
_LEAD_S = 0.05
_STEP_S = 0.25
_POLL_S = 0.05
_BATCH_S = 5.0  # of the ramp: far below the time within which a server expects the join
_DRAIN_S = 5.0
_ENOUGH_FAILURES = 20  # connections or joins that fail, with none that succeeds, end the run
_CLOSED_AT_ONCE = 100
_ROOM = "signaling-{}-{}"


@dataclass(frozen=True)
class Sample:
    """The use of both processes at one instant."""

    own: Reading
    server: Reading | None
    busy_s: float | None


@dataclass(frozen=True)
class Phased:
    """One phase: its name, kind and amount of work, the use of both sides before and after.

    The clients arrive in batches, so that the phases of their arrival are there several times.
    """

    name: str
    work: str
    count: int
    before: Sample
    after: Sample


@dataclass
class Measured:
    """The phases of a run and how it ended; ``window`` is the measured one."""

    phases: list[Phased] = field(default_factory=list)
    connected: int = 0
    audience_joined: int = 0
    audience_planned: int = 0
    unanswered: int = 0
    target_fault: TargetFault | None = None
    interrupted: bool = False

    @property
    def window(self) -> Phased | None:
        """The phase of the measured operations, None where the run ended before."""
        return next((phase for phase in self.phases if phase.name == "operations"), None)

    @property
    def last(self) -> Phased | None:
        """The measured phase, or the last one before it; None before the first."""
        return self.window or (self.phases[-1] if self.phases else None)


class Conductor:
    """One run against a server that is ready."""

    def __init__(
        self,
        load: Load,
        options: RunOptions,
        url: str,
        how: Access,
        server: PrivateServer | None,
        observer: Observer,
        stop: asyncio.Event,
        *,
        profile: bool = False,
    ) -> None:
        self.recorder = Recorder(load.warmup_s)
        self._load = load
        self._options = options
        self._how = how
        self._server = server
        self._observer = observer
        self._stop = stop
        self._profile = profile
        socket_url = room_socket.address(url)
        self._endpoint = endpoint(socket_url, access.tls(how, socket_url))
        ramp_per_s = options.load.ramp_per_s
        self._batch = max(1, round(ramp_per_s * _BATCH_S))
        self._run_s = 2 * load.clients / ramp_per_s + load.total_s
        self._clients: list[Client] = []
        self._connections: list[Connection] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._measured = Measured()
        self._phase: Phase = "ramp"
        self._failed = 0
        self._last: Sample | None = None
        self._closing = False
        self._began_s = 0.0

    async def run(self) -> Measured:
        """Connect, join the audience, perform the operations, close."""
        self._create_clients()
        measured = self._measured
        self._began_s = time.monotonic()
        progress = asyncio.create_task(self._report_progress())
        try:
            self._last = self._sample()
            for first in range(0, self._load.clients, self._batch):
                if self._goes_on():
                    await self._arrive(self._clients[first : first + self._batch])
            if self._goes_on():
                gc.collect()
                gc.freeze()  # the clients: later collections need not visit them
                await self._operate()
            self._note_end()
        finally:
            gc.unfreeze()
            progress.cancel()
            await self._close()
        return measured

    def _create_clients(self) -> None:
        url = self._endpoint.url
        for index in range(self._load.clients):
            room = _ROOM.format(self._load.seed, self._load.room(index))
            client = Client(index, room, self.recorder, time.monotonic)
            if not self._load.is_audience(index):
                client.prepare()
            connection = Connection(
                url, partial(self._on_frame, client), partial(self._on_close, client)
            )
            client.send = connection.send
            self._clients.append(client)
            self._connections.append(connection)

    async def _arrive(self, batch: Sequence[Client]) -> None:
        """Connect some clients, then join them: the server closes a WebSocket without join."""
        ramp, measured = Ramp(self._options.load.ramp_per_s, len(batch)), self._measured
        connected, joined = measured.connected, measured.audience_joined
        async for place, due_s in self._paced(ramp):
            self._spawn(self._connect(batch[place], due_s))
        await self._finish_tasks()
        self._end_phase("connect", "WebSockets", measured.connected - connected)
        async for place, due_s in self._paced(ramp):
            client = batch[place]
            measured.audience_planned += 1
            if not client.ended:
                client.join_audience(due_s, stay=self._load.is_audience(client.index))
        await self._until_idle(batch, self._options.join_timeout_s)
        measured.audience_joined = len(self.recorder.latencies_ms["audience_join_ms"])
        self._end_phase("audience", "joins without offer", measured.audience_joined - joined)

    async def _connect(self, client: Client, due_s: float) -> None:
        headers = access.headers(self._how, client.room, client.uid, self._run_s)
        started_s = time.monotonic()
        try:
            async with asyncio.timeout(self._options.join_timeout_s):
                opening = await self._connections[client.index].open(
                    self._endpoint, headers, time.monotonic
                )
        except JoinRefusedError as refused:
            self._fail_client(client, refused.code, refused.message)
            return
        except TimeoutError:
            within = f"within {self._options.join_timeout_s:.3g} s"
            self._fail_client(client, "connect_timeout", f"no WebSocket {within}")
            return
        self._measured.connected += 1
        self.recorder.latency("connect_ms", started_s - due_s + opening.connect_s)
        self.recorder.latency("upgrade_ms", opening.upgrade_s)
        if opening.tls_s is not None:
            self.recorder.latency("tls_ms", opening.tls_s)

    def _fail_client(self, client: Client, code: str, message: str) -> None:
        self._failed += 1
        client.end(message)
        self.recorder.refused(client.index, code, message, client.uid)

    async def _operate(self) -> None:
        """Send each request when it is due, whatever became of the ones before (open loop)."""
        load, recorder = self._load, self.recorder
        start_s = time.monotonic() + _LEAD_S
        recorder.window_begins_s = start_s + load.warmup_s
        for client in self._clients:
            client.start_s = start_s
        self._phase = "warm-up"
        in_window = False
        for operation in operations(load):
            due_s = start_s + operation.due_s
            if not in_window and recorder.is_counted(operation):
                await self._until(recorder.window_begins_s)
                self._begin_window()
                in_window = True
            await self._until(due_s)
            if not self._goes_on():
                break
            recorder.started(operation, time.monotonic() - due_s)
            self._clients[operation.client].perform(operation)
        if self._goes_on():
            await self._until(start_s + load.total_s)
        if in_window:
            self._end_phase("operations", "operations", recorder.planned)
            if self._profile and self._server is not None:
                self._server.toggle_profile()
        await self._drain()

    def _begin_window(self) -> None:
        self._end_phase("warm-up", "operations", self.recorder.warmup_operations)
        self._phase = "measuring"
        if self._profile and self._server is not None:
            self._server.toggle_profile()

    async def _drain(self) -> None:
        """Wait for the responses and deliveries that are outstanding."""
        if await self._until_idle(self._clients, _DRAIN_S):
            return
        for client in self._clients:
            self._measured.unanswered += client.unanswered
        if self._measured.unanswered and self._goes_on():
            text = f"no response within {_DRAIN_S:g} s of the end of the operations"
            self.recorder.fault("unanswered", text, "", self._measured.unanswered)

    async def _until_idle(self, clients: Sequence[Client], limit_s: float) -> bool:
        """Wait until no response and no delivery is missing; return whether none is."""
        end_s = time.monotonic() + limit_s
        while self._goes_on() and time.monotonic() < end_s:
            busy = any(client.busy for client in clients)
            if not busy and not self.recorder.outstanding_deliveries:
                return True
            await asyncio.sleep(_POLL_S)
        return False

    def _note_end(self) -> None:
        """Record why the run ended, where the target or the user ended it."""
        measured, recorder = self._measured, self.recorder
        measured.interrupted = self._stop.is_set()
        if self._server is not None and self._server.ended is not None:
            measured.target_fault = TargetFault(self._server.ended, stated_by_target=True)
        elif not measured.audience_joined and recorder.faults and not measured.interrupted:
            worst = recorder.faults[0]
            text = f"no client could join: {worst.message} ({worst.code})"
            if worst.code.startswith("token_"):
                text += "; give --token, or --api-key and --api-secret"
            elif worst.code == RATE_LIMITED:
                text += "; policy of the target: give a slower --ramp, or raise its limits"
            measured.target_fault = TargetFault(text, stated_by_target=True)

    def _goes_on(self) -> bool:
        """Return whether the run continues: not stopped, and not all clients failed."""
        if self._stop.is_set() or (self._server is not None and self._server.ended is not None):
            return False
        successes = self._measured.connected - self.recorder.connections_lost
        if successes <= 0 and self._failed >= min(_ENOUGH_FAILURES, self._load.clients):
            return False
        refused = not self._measured.audience_joined and self.recorder.refusals
        return refused < min(_ENOUGH_FAILURES, self._load.clients)

    async def _paced(self, ramp: Ramp) -> AsyncIterator[tuple[int, float]]:
        """Yield each index with its due time when it is due; late ones keep their times."""
        start_s = time.monotonic() + _LEAD_S
        for index in range(ramp.total):
            due_s = start_s + ramp.due_s(index)
            await self._until(due_s)
            if not self._goes_on():
                return
            yield index, due_s

    async def _until(self, at_s: float) -> None:
        """Sleep until a time, or until a stop where that is longer than a step."""
        wait_s = at_s - time.monotonic()
        if wait_s > _STEP_S:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._stop.wait()
        elif wait_s > 0:
            # the timers of uvloop are rounded to ms: up, so that no request is early
            await asyncio.sleep(math.ceil(wait_s * _MS_PER_S) / _MS_PER_S)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _finish_tasks(self) -> None:
        """Wait for the connections in progress; each has its time limit."""
        while self._tasks and self._goes_on():
            await asyncio.wait(self._tasks, timeout=_STEP_S)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _on_frame(self, client: Client, frame: bytes) -> None:
        try:
            client.receive(frame)
        except msgspec.DecodeError as error:
            self.recorder.fault("message_malformed", str(error), client.uid)

    def _on_close(self, client: Client, reason: str) -> None:
        if self._closing or client.ended:
            return
        client.end(reason)
        self.recorder.lost(client.ended, client.uid)

    async def _close(self) -> None:
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        for place, connection in enumerate(self._connections, 1):
            connection.close()
            if place % _CLOSED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def _end_phase(self, name: str, work: str, count: int) -> None:
        assert self._last is not None
        sample = self._sample()
        self._measured.phases.append(Phased(name, work, count, self._last, sample))
        self._last = sample

    def _sample(self) -> Sample:
        own = processes.read(os.getpid(), time.monotonic())
        assert own is not None
        server = None if self._server is None else self._server.read(own.at_s)
        return Sample(own, server, processes.busy_cores_s())

    async def _report_progress(self) -> None:
        while True:
            measured = self._measured
            self._observer.progress(
                Progress(
                    self._phase,
                    time.monotonic() - self._began_s,
                    self._run_s,
                    self._load.clients,
                    measured.connected,
                    self._failed + self.recorder.connections_lost,
                    0,
                    0,
                )
            )
            await asyncio.sleep(_STEP_S)
