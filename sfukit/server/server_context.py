"""The components of one server: engine, rooms, access, limits; used by every HTTP handler."""

import asyncio
import contextlib
import time

import structlog

from sfukit.server import memory
from sfukit.server.access import Access
from sfukit.server.addresses import advertised_addresses, local_interfaces
from sfukit.server.connections import Connections
from sfukit.server.core import Core
from sfukit.server.engine import Engine
from sfukit.server.http_sessions import HttpSessions
from sfukit.server.limiter import RequestLimiter
from sfukit.server.metrics import Metrics
from sfukit.server.origins import Origins
from sfukit.server.participant import SignalingChannel
from sfukit.server.proxies import TrustedProxies
from sfukit.server.rooms import Rooms
from sfukit.server.settings import Settings
from sfukit.signaling import jsonrpc

log = structlog.get_logger()
_MEASURE_INTERVAL_S = 0.5
_IDLE_INTERVALS = 2  # without rooms, then memory is freed; the engine frees its rooms later


class ServerContext:
    """One server, without its HTTP listeners."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.metrics = Metrics()
        self.metrics.register_engine(engine)
        addresses = advertised_addresses(
            local_interfaces(),
            interface_names=settings.interfaces,
            override=settings.advertise,
            ipv6=engine.info.ipv6,
        )
        self.core = Core(settings, engine, self.metrics, addresses)
        self.rooms = Rooms(self.core)
        self.access = Access(settings.api_keys)
        self.origins = Origins(settings.allowed_origins, is_open=self.access.is_open)
        self.limiter = RequestLimiter(settings.limits, is_open=self.access.is_open)
        self.proxies = TrustedProxies(settings.trusted_proxies)
        self.connections = Connections(settings, self.metrics, self)
        self.sessions = HttpSessions()
        self.channels: set[SignalingChannel] = set()
        self.collections = memory.ShortCollections()
        self._measuring: asyncio.Task[None] | None = None
        self._drained: asyncio.Event = asyncio.Event()

    def is_exempt(self, address: str) -> bool:
        """Return whether the connections of an address are unlimited: trusted proxy, loopback."""
        return self.proxies.trusts(address) or self.limiter.is_exempt(address)

    def start(self) -> None:
        """Start to measure the lag of the event loop and the egress, and to free memory."""
        self._measuring = asyncio.get_running_loop().create_task(self._measure())

    async def stop(self, reason: str) -> None:
        """Close rooms, signaling channels and the engine."""
        self.metrics.node_state("stopped")
        try:
            self.rooms.close_all(reason)
            for channel in list(self.channels):
                self.core.guard("server_stopped", channel.close, reason)
            self.core.refusals.flush()
            if self._measuring is not None:
                self._measuring.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._measuring
        finally:
            self.engine.close()

    async def drain(self) -> str:
        """Refuse new rooms and wait until all participants left.

        Returns the outcome: drained, cancelled or drain_deadline.
        """
        deadline_s = self.settings.timing.drain_s
        self.rooms.draining = True
        self._drained.clear()
        self.metrics.node_state("draining")
        log.info("drain_started", deadline_s=deadline_s, participants=self.rooms.population)
        self._announce_drain(deadline_s)
        end_s = time.monotonic() + deadline_s
        while self.rooms.draining and self.rooms.population and time.monotonic() < end_s:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await self._drained.wait()
        if not self.rooms.draining:
            return "cancelled"
        return "drain_deadline" if self.rooms.population else "drained"

    def cancel_drain(self) -> None:
        """Accept new rooms again."""
        if self.rooms.draining:
            self.rooms.draining = False
            self._drained.set()
            self.metrics.node_state("serving")
            log.info("drain_cancelled")

    def _announce_drain(self, deadline_s: float) -> None:
        message = jsonrpc.notification("drain", {"deadline_s": deadline_s})
        for room in self.rooms:
            for participant in list(room.participants.values()):
                self.core.guard("drain", participant.send, message)
            for viewer in list(room.viewers):
                self.core.guard("drain", viewer.on_drain)

    async def _measure(self) -> None:
        """Measure event loop lag and egress; free memory after the last room."""
        sent_before, then_s = self.engine.counters().bytes_sent, time.monotonic()
        idle_intervals = _IDLE_INTERVALS
        while True:
            slept_s = time.monotonic()
            await asyncio.sleep(_MEASURE_INTERVAL_S)
            now_s = time.monotonic()
            self.metrics.lag_s.observe(max(0.0, now_s - slept_s - _MEASURE_INTERVAL_S))
            sent = self.engine.counters().bytes_sent
            self.rooms.egress_bps = (sent - sent_before) * 8 / (now_s - then_s)
            sent_before, then_s = sent, now_s
            self.collections.check(self.core.ended, self.rooms.population + len(self.channels))
            idle_intervals = 0 if self.rooms.any else idle_intervals + 1
            if idle_intervals == _IDLE_INTERVALS:
                memory.collect_garbage()
                await asyncio.to_thread(memory.trim_allocator)
