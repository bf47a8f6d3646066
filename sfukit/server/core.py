"""Shared state of a running server: engine, ids, settings; dispatch of engine events."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from sfukit.server import ids
from sfukit.server.access import Rights
from sfukit.server.addresses import local_address_first
from sfukit.server.engine import Engine
from sfukit.server.ice_servers import IceServers
from sfukit.server.metrics import Metrics
from sfukit.server.native_messages import (
    ActiveSpeakersChanged,
    DataChannelClosed,
    DataMessage,
    DataMessages,
    DataWanted,
    EncodingState,
    EncodingsWanted,
    Event,
    IceCredentials,
    LayerSwitched,
    PublicationStarted,
    QualityChanged,
    RoomClosed,
    SsrcUnbound,
    TransportState,
    WorkerEnded,
)
from sfukit.server.publication import Publication, Subscription
from sfukit.server.quality import on_quality
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
    """The owner of a transport, which receives its events.

    ``local_address`` is the local address of the peer's signaling connection, None if unknown.
    """

    local_address: Address | None

    def on_transport_state(self, event: TransportState) -> None:
        """Handle a change of the transport state."""

    def on_data_channel_closed(self, event: DataChannelClosed) -> None:
        """Handle a data channel that the server closed."""

    def on_data_messages(self, event: DataMessages) -> None:
        """Handle the channel ``sfukit``, which is open or closed now."""

    def on_data_message(self, event: DataMessage) -> None:
        """Handle a message of the channel ``sfukit``."""


class RoomOwner(Protocol):
    """The owner of the rooms, which receives their events."""

    def on_active_speakers(self, event: ActiveSpeakersChanged) -> None:
        """Handle a change of the active speakers of a room."""

    def on_data_wanted(self, event: DataWanted) -> None:
        """Handle the first data channel of a room."""

    def on_room_closed(self, event: RoomClosed) -> None:
        """Handle a room that the engine closed."""

    def on_worker_ended(self, event: WorkerEnded) -> None:
        """Handle the end of a worker and of all its rooms."""


class Expiry:
    """A timer that calls ``leave`` at a Unix time, also after the wall clock was set."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, expires_s: int | None, leave: Callable[[str], object]
    ) -> None:
        self._loop = loop
        self._expires_s = expires_s
        self._leave = leave
        self._timer: asyncio.TimerHandle | None = None
        if expires_s is not None:
            self._timer = loop.call_later(self._wait_s(expires_s), self._check_clock)

    def cancel(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check_clock(self) -> None:
        assert self._expires_s is not None
        wait_s = self._wait_s(self._expires_s)
        if wait_s > 0:
            self._timer = self._loop.call_later(wait_s, self._check_clock)
        else:
            self._timer = None
            self._leave("token_expired")

    @staticmethod
    def _wait_s(expires_s: int) -> float:
        return min(max(0.0, expires_s - time.time()), _LONGEST_WAIT_S)


class Core:
    """The shared state of one server; ``Rooms`` sets ``rooms``."""

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
        self.engine_ended: asyncio.Future[str] = (
            self.loop.create_future()
        )  # reason of the last worker
        self.ids = ids.Ids()
        self.addresses = list(addresses)
        self.ice_servers = IceServers(settings)
        self.transports: dict[int, TransportOwner] = {}
        self.publications: dict[int, Publication] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.ended = 0  # participants, viewers, requests and signaling channels: see memory.py
        self._candidates: dict[tuple[int, Address | None], str] = {}
        metrics.tasks.set_function(lambda: len(asyncio.all_tasks(self.loop)))
        engine.set_event_handler(self.handle_event)

    def local_transport(
        self, worker: int, local_address: Address | None, credentials: Credentials | None = None
    ) -> LocalTransport:
        """Return the local parameters of a transport on a worker, by default with new credentials.

        The candidate with ``local_address`` is first: some clients use the first one only.
        """
        ordered = local_address_first(self.addresses, local_address)
        first = ordered[0] if ordered else None
        if (worker, first) not in self._candidates:  # at most one per worker and address
            port = self.engine.info.udp_ports[worker]
            self._candidates[worker, first] = host_lines(ordered, port)
        return LocalTransport(
            credentials or ids.ice_credentials(),
            self.engine.info.fingerprint,
            self._candidates[worker, first],
        )

    def start_expiry(self, rights: Rights, leave: Callable[[str], object]) -> Expiry:
        """Return a timer that calls ``leave`` at the ``exp`` of the token (``end_at_exp``)."""
        return Expiry(self.loop, rights.expires_s if self.settings.end_at_exp else None, leave)

    def require_engine(self) -> None:
        """Raise ``Refusal`` (overloaded) while too many batches of commands are queued."""
        if self.engine.backlog > _MAX_BACKLOG:
            raise Refusal(
                "overloaded", "the command queue of the media engine is full", retry_after_s=1
            )

    def guard(self, callback: str, call: Callable[..., object], *arguments: object) -> None:
        """Call a callback; count and log its exception, so that further callbacks are called."""
        try:
            call(*arguments)
        except Exception:
            self.metrics.callback_failures.labels(callback).inc()
            log.exception("callback_failed", callback=callback)

    def handle_event(self, event: Event) -> None:
        """Dispatch an event of the engine; an exception does not affect other events."""
        self.guard("engine_event", self._dispatch, event)

    def _dispatch(self, event: Event) -> None:
        """Pass an event to the owner of its object; events of removed objects are dropped."""
        if isinstance(event, LayerSwitched):
            self._layer_switched(event)
        elif isinstance(event, TransportState):
            self.metrics.transport_state(event)
            if owner := self.transports.get(event.transport):
                owner.on_transport_state(event)
        elif isinstance(event, QualityChanged):
            on_quality(event, self.subscriptions, self._count_paused)
        elif isinstance(event, ActiveSpeakersChanged):
            self.metrics.speaker_changes.inc()
            self.rooms.on_active_speakers(event)
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
            log.warning("ssrc_unbound", **_ssrc_fields(event))
        elif isinstance(event, DataWanted):
            self.rooms.on_data_wanted(event)
        elif isinstance(event, DataMessage):
            if owner := self.transports.get(event.transport):
                owner.on_data_message(event)
        elif isinstance(event, DataMessages):
            if owner := self.transports.get(event.transport):
                owner.on_data_messages(event)
        elif isinstance(event, DataChannelClosed):
            self.metrics.data_channels_closed.labels(event.reason).inc()
            if owner := self.transports.get(event.transport):
                owner.on_data_channel_closed(event)
        elif isinstance(event, RoomClosed):
            self.rooms.on_room_closed(event)
        elif isinstance(event, WorkerEnded):
            self._worker_ended(event)

    def _count_paused(self, reason: str) -> None:
        self.metrics.videos_paused.labels(reason).inc()

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
    """Convert ICE credentials to the message of the engine."""
    return IceCredentials(credentials.ufrag, credentials.pwd)


def _ssrc_fields(event: SsrcUnbound) -> dict[str, int | str]:
    return {
        "transport": event.transport,
        "ssrc": event.ssrc,
        "payload_type": event.payload_type,
        "packets": event.packets,
        "reason": event.reason,
    }


def transport_summary(event: TransportState) -> TransportSummary:
    """Return the fields of a transport that ``/debug/rooms`` shows."""
    return {
        "state": event.state,
        "reason": event.reason,
        "srtp_profile": event.srtp_profile,
        "local": event.local,
        "remote": event.remote,
        "ice_ms": event.ice_ms,
        "dtls_ms": event.dtls_ms,
    }
