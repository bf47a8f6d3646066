"""One participant of a room: grants, publish and subscribe connection, notifications."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import msgspec
import structlog

from sfukit.server.access import Rights, Role
from sfukit.server.call_limits import CallLimits
from sfukit.server.core import Core, TransportSummary, transport_summary
from sfukit.server.ice_servers import MemberIceServers
from sfukit.server.member import Member
from sfukit.server.messages import on_data_message
from sfukit.server.native_messages import (
    DataChannelClosed,
    DataMessage,
    DataMessages,
    DataParameters,
    EncodingState,
    EncodingsWanted,
    LayerSwitched,
    SetMuted,
    TransportState,
)
from sfukit.server.outbox import StateKey
from sfukit.server.publication import Publication, Subscription
from sfukit.server.publish_connection import Change, PublishConnection
from sfukit.server.room import Room
from sfukit.server.subscribe_connection import SubscribeConnection
from sfukit.signaling import sdp
from sfukit.signaling.candidates import Address
from sfukit.signaling.names import DEFAULT_SOURCE, source_name
from sfukit.signaling.publish_answer import Published, PublishRules
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import (
    EncodingsNotification,
    IceServerInfo,
    IceServersNotification,
    LayerSwitch,
    OfferNotification,
    OwnPublication,
    ParticipantInfo,
    QualityNotification,
)

log = structlog.get_logger()


class SignalingChannel(Protocol):
    """The WebSocket of a participant; WHIP publishers have none."""

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""

    def send(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> None:
        """Send an encoded message; see ``Outbox`` for ``state_key`` and ``lossy``."""

    def close(self, reason: str) -> None:
        """Send ``bye`` with the reason, then close the WebSocket."""


class Participant:
    """A member of a room, joined by WebSocket or WHIP."""

    def __init__(
        self,
        core: Core,
        room: Room,
        uid: str,
        rights: Rights,
        *,
        number: int,
        protocol: str,
        name: str = "",
        role: Role | None = None,
        channel: SignalingChannel | None = None,
        trace_id: str = "",
        local_address: Address | None = None,
    ) -> None:
        self.core = core
        self.room = room
        self.uid = uid
        self.rights = rights
        self.name = rights.name or name or uid
        self.role = role or rights.role
        self.protocol = protocol
        self.number = number
        self.cname = f"c{number}"
        self.dynacast = False
        self.leave_reason: str | None = None
        self.local_address = local_address
        self._data = DataParameters(
            member=number,
            name="" if rights.hidden else uid,
            send=rights.data,
            receive=False,
            negotiated=False,
        )
        self.publish_connection = PublishConnection(
            core, room.number, room.worker, self, self._data
        )
        self.subscribe_connection: SubscribeConnection | None = None
        self.log = log.bind(trace_id=trace_id, room=room.name, participant=uid)
        self.states: dict[str, TransportSummary] = {}
        self.quality: QualityNotification | None = None
        self.ice_servers: MemberIceServers | None = None
        self._channel = channel
        self._streams: dict[str, int] = {}
        self._stream_numbers = itertools.count()
        self.on_end: Callable[[str], None] | None = None
        self._connect_timeouts: dict[int, asyncio.TimerHandle] = {}
        self._requested_s = time.monotonic()
        self._connected = False
        self._expiry = core.start_expiry(rights, self.leave)
        self._message_transports: set[int] = set()
        self._message_limits: CallLimits | None = None

    @property
    def publications(self) -> Mapping[int, Publication]:
        """The publications by id."""
        return self.publish_connection.publications

    @property
    def last_n(self) -> int | None:
        """The bound that the participant has set for last-N."""
        return self.subscribe_connection.last_n if self.subscribe_connection else None

    @property
    def message_transport(self) -> int | None:
        """The transport with its channel ``sfukit``, if that is open."""
        return next(iter(self._message_transports & set(self._own_transports())), None)

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """The subscriptions."""
        return (
            self.subscribe_connection.subscriptions.values()
            if self.subscribe_connection is not None
            else ()
        )

    def stream_id(self, published: str) -> str:
        """Return the msid for subscribers; tracks with the same published msid share it."""
        if published not in self._streams:
            self._streams[published] = next(self._stream_numbers)
        return f"s{self.number}-{self._streams[published]}"

    @contextmanager
    def joining(self, replaced: Member | None) -> Iterator[None]:
        """Replace an earlier participant of the same uid after the block; restore it on failure."""
        try:
            yield
        except BaseException as error:
            reason = error.reason if isinstance(error, Refusal) else "internal_error"
            self.leave(reason, close_channel=False)
            if replaced is not None:
                self.room.restore(replaced)
            raise
        if replaced is not None:
            replaced.leave("replaced")

    def start_connect_timeout(self, transport: int) -> None:
        """Start the timeout within which a transport has to connect."""
        wait_s = self.core.settings.timing.negotiation_s
        self._connect_timeouts[transport] = self.core.loop.call_later(
            wait_s, self.on_negotiation_timeout
        )

    async def publish(
        self,
        offer: sdp.Session,
        version: int | None,
        sources: Mapping[str, str],
        rules: PublishRules,
    ) -> Change:
        """Apply an offer: announce its new publications and the removal of absent ones."""

        def source_of(track: Published, current: Publication | None) -> str:
            unchanged = current.source if current and current.kind == track.kind else None
            requested = sources.get(track.mid, unchanged or DEFAULT_SOURCE[track.kind])
            source = source_name(requested)
            self.rights.require_source(source, track.kind)
            return source

        def new(track: Published, source: str) -> Publication:
            publication = Publication(self.core.ids.publication(), self, track, source)
            publication.muted = publication.muted_by_host = self.room.muted_by_host(
                self.uid, publication.kind
            )
            return publication

        transport = self.publish_connection.transport
        try:
            change = await self.publish_connection.offer(offer, version, rules, source_of, new)
        finally:
            self._forget_streams()
        if self.leave_reason is not None:
            self.publish_connection.close()
            raise Refusal(
                "already_joined", f"the participant left during the request: {self.leave_reason}"
            )
        if self.publish_connection.transport not in (None, transport):
            self._cancel_connect_timeout(transport)
            self.start_connect_timeout(self.publish_connection.transport)
        for publication in change.removed:
            self.room.remove_publication(publication, "unpublished")
        for publication in change.added:
            self.room.add_publication(publication)
        return change

    def open_subscribe_connection(self, *, automatic: bool) -> SubscribeConnection:
        """Open the subscribe connection; ``automatic``: subscribe to all publications."""
        self.subscribe_connection = SubscribeConnection(
            self.core,
            self.room.number,
            self.room.worker,
            self,
            automatic=automatic,
            data=msgspec.structs.replace(self._data, receive=True),
        )
        if self.room.has_data:
            self.subscribe_connection.offer_data()
        for publication in self.room.publications.values():
            self.auto_subscribe(publication)
        return self.subscribe_connection

    def auto_subscribe(self, publication: Publication) -> None:
        """Subscribe to another participant's publication, if automatic."""
        if self.subscribe_connection is not None and publication.owner is not self:
            self.subscribe_connection.auto_subscribe(publication)

    def on_data_wanted(self) -> None:
        """Offer data channels, since the room has some."""
        if self.subscribe_connection is not None:
            self.subscribe_connection.offer_data()

    def on_data_messages(self, event: DataMessages) -> None:
        """Note that the channel ``sfukit`` is open or closed."""
        self._message_transports.discard(event.transport)
        self._message_transports.intersection_update(self._own_transports())
        if event.open:
            self._message_transports.add(event.transport)

    def on_data_message(self, event: DataMessage) -> None:
        """Send a message of the channel ``sfukit`` on."""
        if self._message_limits is None:
            self._message_limits = CallLimits(self.core.settings.limits)
        on_data_message(self, event.transport, event.text, self._message_limits)

    def on_data_channel_closed(self, event: DataChannelClosed) -> None:
        """Notify the participant that the server closed a data channel."""
        self.log.info("data_channel_closed", label=event.label, reason=event.reason)
        target = 0 if event.transport == self.publish_connection.transport else 1
        params = {"target": target, "label": event.label, "reason": event.reason}
        self._notify("data-channel-closed", params)

    def on_publication_removed(
        self, publication: Publication, others: Iterable[Publication]
    ) -> None:
        """End the subscription of a removed publication; subscribe to one of ``others``."""
        if self.subscribe_connection is not None:
            not_own = [other for other in others if other.owner is not self]
            self.subscribe_connection.on_publication_removed(publication.number, not_own)

    def mute(self, publication: Publication, muted: bool) -> None:
        """Mute or unmute an own publication; a host may mute every publication of the room.

        Only a host may unmute a publication that a host has muted.
        """
        own = publication.owner is self
        if not own and not self.rights.admin:
            raise Refusal("not_yours", "only a host may mute publications of other participants")
        if publication.muted_by_host and not muted and not self.rights.admin:
            raise Refusal("muted_by_host", "a host muted this publication")
        if self.rights.admin and not (own and muted):
            publication.muted_by_host = muted
            self.room.note_mute_by_host(publication.owner.uid, publication.kind)
        if publication.muted == muted:
            return
        self.core.require_engine()
        publication.muted = muted
        command = SetMuted(publication=publication.number, muted=muted)
        self.core.engine.send(self.room.worker, [command])
        params = {
            "uid": publication.owner.uid,
            "publication": publication.number,
            "muted": muted,
        }
        self.room.announce("publication-muted", params)

    def leave(self, reason: str, *, close_channel: bool = True) -> None:
        """Leave the room and close both connections; idempotent."""
        if self.leave_reason is not None:
            return
        self.room.leaving(self)
        self.leave_reason = reason
        self.core.ended += 1
        self._expiry.cancel()
        if self.ice_servers is not None:
            self.ice_servers.cancel()
        for transport in list(self._connect_timeouts):
            self._cancel_connect_timeout(transport)
        ended = list(self.publications.values())
        guard = self.core.guard
        guard("leave", self.room.remove, self, ended, reason)
        if self.subscribe_connection is not None:
            guard("leave", self.subscribe_connection.close)
        guard("leave", self.publish_connection.close)
        self.core.metrics.participants_ended.labels(reason).inc()
        if close_channel and self._channel is not None:
            guard("leave", self._channel.close, reason)
        if self.on_end is not None:
            guard("leave", self.on_end, reason)
        self.log.info("participant_left", reason=reason, protocol=self.protocol)

    def send(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> None:
        """Send an encoded message, if the participant has a signaling channel."""
        if self._channel is not None:
            self._channel.send(message, state_key=state_key, lossy=lossy)

    def info(self) -> ParticipantInfo:
        """Return the description for other participants."""
        publications = [entry.info() for entry in self.publications.values()]
        return ParticipantInfo(self.uid, self.name, self.role, publications)

    def own_publications(self) -> list[OwnPublication]:
        """Return the descriptions of the publications for their publisher."""
        return [entry.own_info() for entry in self.publications.values()]

    def on_transport_state(self, event: TransportState) -> None:
        """Notify the participant; a transport that disconnected or failed ends its membership."""
        target = 0 if event.transport == self.publish_connection.transport else 1
        self.states["publish" if target == 0 else "subscribe"] = transport_summary(event)
        self.log.info(
            "transport_state",
            target=target,
            state=event.state,
            reason=event.reason,
            srtp_profile=event.srtp_profile,
        )
        if event.state == "connected":
            self._note_connected()
            self._cancel_connect_timeout(event.transport)
        self._notify(
            "transport-state",
            {
                "target": target,
                "state": event.state,
                "reason": event.reason,
                "srtp_profile": event.srtp_profile,
            },
        )
        if event.state != "connected":
            self.leave("transport_lost")

    def open_ice_servers(self, address: str) -> list[IceServerInfo]:
        """Return ICE servers for a client address; notify of new credentials until the leave."""
        if self.ice_servers is None:
            self.ice_servers = MemberIceServers(
                self.core.ice_servers,
                self.rights,
                address,
                self.core.loop,
                self._notify_ice_servers,
            )
        servers = self.ice_servers.listed()
        if self.leave_reason is not None:
            self.ice_servers.cancel()
        return servers

    def on_encoding_state(self, publication: Publication, event: EncodingState) -> None:
        """Notify the publisher that an encoding became inactive or active."""
        if event.active:
            publication.inactive.discard(event.rid)
        else:
            publication.inactive.add(event.rid)
        self._notify(
            "encoding-state",
            {
                "publication": publication.number,
                "rid": event.rid,
                "active": event.active,
                "reason": event.reason,
            },
        )

    def on_encodings_wanted(self, publication: Publication, event: EncodingsWanted) -> None:
        """Notify the publisher of the encodings with subscribers (dynacast)."""
        self.log.info("active_encodings", publication=publication.number, rids=event.rids)
        self._notify("encodings", EncodingsNotification(publication.number, event.rids))

    def on_offer(self, offer: OfferNotification) -> None:
        """Send an offer of the subscribe connection."""
        self._notify("offer", offer)

    def on_subscription_ended(self, publication: int, reason: str) -> None:
        """Notify the participant that a subscription ended."""
        self.log.info("subscription_ended", publication=publication, reason=reason)
        self._notify("subscription-ended", {"publication": publication, "reason": reason})

    def on_layer_switch(self, subscription: Subscription, event: LayerSwitched) -> None:
        """Notify the participant that a subscription switched its encoding or layers."""
        number = subscription.publication.number
        self.log.info(
            "layer_switch",
            publication=number,
            before=event.before,
            after=event.after,
            reason=event.reason,
        )
        switch = LayerSwitch(
            number, event.before, event.after, event.reason, event.wait_ms, event.layers
        )
        self._notify("layer-switch", switch)

    def on_quality(self, quality: QualityNotification) -> None:
        """Notify the participant of the estimate, and of what is sent and paused within it."""
        self.quality = quality
        self._notify("quality", quality)

    def on_negotiation_timeout(self) -> None:
        """Leave: the client did not answer an offer, or a transport did not connect, in time."""
        self.leave("negotiation_timeout")

    def _own_transports(self) -> Iterator[int]:
        if self.publish_connection.transport is not None:
            yield self.publish_connection.transport
        if self.subscribe_connection is not None:
            yield self.subscribe_connection.transport

    def _forget_streams(self) -> None:
        """Remove the msids that no publication uses."""
        used = {entry.track.stream_id for entry in self.publications.values()}
        self._streams = {name: self._streams[name] for name in self._streams if name in used}

    def _cancel_connect_timeout(self, transport: int | None) -> None:
        if (
            transport is not None
            and (timer := self._connect_timeouts.pop(transport, None)) is not None
        ):
            timer.cancel()

    def _notify(self, method: str, params: Any) -> None:
        if self._channel is not None:
            self._channel.notify(method, params)

    def _notify_ice_servers(self, servers: list[IceServerInfo]) -> None:
        self._notify("ice-servers", IceServersNotification(servers))

    def _note_connected(self) -> None:
        if not self._connected:
            self._connected = True
            self.core.metrics.join_s.observe(time.monotonic() - self._requested_s)
