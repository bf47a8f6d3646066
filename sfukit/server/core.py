"""What all parts of a running server share: engine, ids, settings, and who hears of which event."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from sfukit.server import ids
from sfukit.server.access import Rights
from sfukit.server.addresses import local_address_first
from sfukit.server.engine import Engine
from sfukit.server.metrics import Metrics
from sfukit.server.native_messages import (
    EncodingState,
    EncodingsWanted,
    Event,
    IceCredentials,
    LayerSwitched,
    PublicationStarted,
    RoomClosed,
    SsrcUnbound,
    TransportState,
    WorkerEnded,
)
from sfukit.server.publication import Publication, Subscription
from sfukit.server.refusal_log import RefusalLog
from sfukit.server.settings import Settings
from sfukit.signaling.candidates import Address, host_lines
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.transport import Credentials, LocalTransport

log = structlog.get_logger()
_LONGEST_WAIT_S = 3600.0
_MAX_BACKLOG = 1_000  # batches of commands


TransportSummary = dict[str, str | float | None]


class TransportOwner(Protocol):
    """Who wants to know what becomes of a transport.

    ``local_address`` is the address of ours by which the peer's request came, where that is known.
    """

    local_address: Address | None

    def on_transport_state(self, event: TransportState) -> None:
        """Hear that it came up or went down."""


class RoomOwner(Protocol):
    """Who knows the rooms."""

    def on_room_closed(self, event: RoomClosed) -> None:
        """Hear that the engine dropped a room."""

    def on_worker_ended(self, event: WorkerEnded) -> None:
        """Hear that a worker is gone with all its rooms."""


class Expiry:
    """Calls ``leave`` at a Unix time, wherever the clock is set meanwhile."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, expires_s: int | None, leave: Callable[[str], object]
    ) -> None:
        self._loop = loop
        self._expires_s = expires_s
        self._leave = leave
        self._timer: asyncio.TimerHandle | None = None
        if expires_s is not None:
            self._timer = loop.call_later(self._wait_s(expires_s), self._look)

    def cancel(self) -> None:
        """End the watch."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        assert self._expires_s is not None
        wait_s = self._wait_s(self._expires_s)
        if wait_s > 0:
            self._timer = self._loop.call_later(wait_s, self._look)
        else:
            self._timer = None
            self._leave("token_expired")

    @staticmethod
    def _wait_s(expires_s: int) -> float:
        return min(max(0.0, expires_s - time.time()), _LONGEST_WAIT_S)


class Core:
    """The shared part of one server; ``rooms`` enters itself."""

    rooms: RoomOwner

    def __init__(
        self, settings: Settings, engine: Engine, metrics: Metrics, addresses: Sequence[Address]
    ) -> None:
        self.settings = settings
        self.engine = engine
        self.metrics = metrics
        self.refusals = RefusalLog(
            settings.limits.logged_refusals, settings.limits.logged_refusals_interval_s
        )
        self.loop = asyncio.get_running_loop()
        self.engine_ended: asyncio.Future[str] = self.loop.create_future()  # the last worker's
        self.ids = ids.Ids()
        self.addresses = list(addresses)
        self.transports: dict[int, TransportOwner] = {}
        self.publications: dict[int, Publication] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self._candidates: dict[tuple[int, Address | None], str] = {}
        metrics.tasks.set_function(lambda: len(asyncio.all_tasks(self.loop)))
        engine.set_event_handler(self.handle)

    def local_transport(
        self, worker: int, local_address: Address | None, kept: Credentials | None = None
    ) -> LocalTransport:
        """Describe our end of a transport on a worker, with new ICE credentials unless given.

        The candidate whose address the peer has reached stands first: some take no other.
        """
        ordered = local_address_first(self.addresses, local_address)
        first = ordered[0] if ordered else None
        if (worker, first) not in self._candidates:  # as many as there are addresses, at most
            port = self.engine.info.udp_ports[worker]
            self._candidates[worker, first] = host_lines(ordered, port)
        return LocalTransport(
            kept or ids.ice_credentials(),
            self.engine.info.fingerprint,
            self._candidates[worker, first],
        )

    def start_expiry(self, rights: Rights, leave: Callable[[str], object]) -> Expiry:
        """Watch the token behind rights, where a membership ends with it (``end_at_exp``)."""
        return Expiry(self.loop, rights.expires_s if self.settings.end_at_exp else None, leave)

    def require_engine(self) -> None:
        """Refuse what the engine has no time for; what has to end waits for it, and is not lost."""
        if self.engine.backlog > _MAX_BACKLOG:
            raise Refusal("overloaded", "the media engine has too much to do", retry_after_s=1)

    def guard(self, callback: str, call: Callable[..., object], *arguments: object) -> None:
        """Call one of many: its failure is counted and logged, and the others have their turn."""
        try:
            call(*arguments)
        except Exception:
            self.metrics.callback_failures.labels(callback).inc()
            log.exception("callback_failed", callback=callback)

    def handle(self, event: Event) -> None:
        """Pass an event of the engine on; its failure concerns no other event."""
        self.guard("engine_event", self._dispatch, event)

    def _dispatch(self, event: Event) -> None:
        """Find the object that an event is about; those of objects gone are dropped."""
        if isinstance(event, LayerSwitched):
            self._layer_switched(event)
        elif isinstance(event, TransportState):
            self.metrics.transport_state(event)
            if owner := self.transports.get(event.transport):
                owner.on_transport_state(event)
        elif isinstance(event, EncodingState):
            if publication := self.publications.get(event.publication):
                publication.owner.on_encoding_state(publication, event)
        elif isinstance(event, EncodingsWanted):
            if publication := self.publications.get(event.publication):
                publication.owner.on_encodings_wanted(publication, event)
        elif isinstance(event, PublicationStarted):
            log.debug(
                "encoding_started",
                publication=event.publication,
                rid=event.rid,
                ssrc=event.ssrc,
            )
        elif isinstance(event, SsrcUnbound):
            log.warning("ssrc_unbound", **_unbound(event))
        elif isinstance(event, RoomClosed):
            self.rooms.on_room_closed(event)
        elif isinstance(event, WorkerEnded):
            self._worker_ended(event)

    def _worker_ended(self, event: WorkerEnded) -> None:
        log.error("worker_ended", worker=event.worker, reason=event.reason)
        self.rooms.on_worker_ended(event)
        if len(self.engine.ended_workers) == self.engine.workers and not self.engine_ended.done():
            self.engine_ended.set_result(f"media worker {event.worker} ended: {event.reason}")

    def _layer_switched(self, event: LayerSwitched) -> None:
        if event.wait_ms is not None:
            self.metrics.layer_switches.labels(event.reason).inc()
        subscription = self.subscriptions.get(event.subscription)
        if subscription is None:
            return
        subscription.rid = event.after
        subscription.last_reason = event.reason
        subscription.owner.on_layer_switch(subscription, event)


def to_ice_credentials(credentials: Credentials) -> IceCredentials:
    """Write credentials as the engine takes them."""
    return IceCredentials(credentials.ufrag, credentials.pwd)


def _unbound(event: SsrcUnbound) -> dict[str, int | str]:
    return {
        "transport": event.transport,
        "ssrc": event.ssrc,
        "payload_type": event.payload_type,
        "packets": event.packets,
        "reason": event.reason,
    }


def transport_summary(event: TransportState) -> TransportSummary:
    """Keep what an operator may ask about a transport."""
    return {
        "state": event.state,
        "reason": event.reason,
        "srtp_profile": event.srtp_profile,
        "local": event.local,
        "remote": event.remote,
        "ice_ms": event.ice_ms,
        "dtls_ms": event.dtls_ms,
    }
