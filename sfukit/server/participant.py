"""One participant of a room: its rights, its two connections, and what it is told."""

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

import structlog

from sfukit.server.access import Rights, Role
from sfukit.server.core import Core, TransportSummary, transport_summary
from sfukit.server.member import Member
from sfukit.server.native_messages import (
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
    LayerSwitch,
    OfferNotification,
    OwnPublication,
    ParticipantInfo,
)

log = structlog.get_logger()


class SignalingChannel(Protocol):
    """The way to tell a participant something; WHIP has none."""

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""

    def send(
        self, message: bytes, *, state_key: StateKey | None = None, lossy: bool = False
    ) -> None:
        """Send a finished message; see ``Outbox`` for what else is said of it."""

    def close(self, reason: str) -> None:
        """Say good-bye and hang up."""


class Participant:
    """A member of a room, by whichever door it came."""

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
        self.rests = False
        self.leave_reason: str | None = None
        self.local_address = local_address
        self.publish_connection = PublishConnection(core, room.number, room.worker, self)
        self.subscribe_connection: SubscribeConnection | None = None
        self.log = log.bind(trace_id=trace_id, room=room.name, participant=uid)
        self.states: dict[str, TransportSummary] = {}
        self._channel = channel
        self._streams: dict[str, int] = {}
        self._stream_numbers = itertools.count()
        self.on_end: Callable[[str], None] | None = None
        self._connect_timeouts: dict[int, asyncio.TimerHandle] = {}
        self._requested_s = time.monotonic()
        self._connected = False
        self._expiry = core.start_expiry(rights, self.leave)

    @property
    def publications(self) -> Mapping[int, Publication]:
        """What it publishes, by number."""
        return self.publish_connection.publications

    @property
    def subscriptions(self) -> Iterable[Subscription]:
        """What it receives."""
        return (
            self.subscribe_connection.subscriptions.values()
            if self.subscribe_connection is not None
            else ()
        )

    def stream_id(self, published: str) -> str:
        """Name a media stream of this participant, the same for tracks that belong together."""
        if published not in self._streams:
            self._streams[published] = next(self._stream_numbers)
        return f"s{self.number}-{self._streams[published]}"

    @contextmanager
    def joining(self, before: Member | None) -> Iterator[None]:
        """Take the place of an earlier participant once the block is through, or give it back."""
        try:
            yield
        except BaseException as error:
            reason = error.reason if isinstance(error, Refusal) else "internal_error"
            self.leave(reason, close_channel=False)
            if before is not None:
                self.room.restore(before)
            raise
        if before is not None:
            before.leave("replaced")

    def start_connect_timeout(self, transport: int) -> None:
        """Give a transport a bounded time to connect."""
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
        """Take an offer: what is new is announced, what is gone is withdrawn."""

        def source_of(track: Published, known: Publication | None) -> str:
            unsaid = known.source if known and known.kind == track.kind else None
            given = sources.get(track.mid, unsaid or DEFAULT_SOURCE[track.kind])
            source = source_name(given)
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
            raise Refusal("already_joined", f"this participant left meanwhile: {self.leave_reason}")
        if self.publish_connection.transport not in (None, transport):
            self._cancel_connect_timeout(transport)
            self.start_connect_timeout(self.publish_connection.transport)
        for publication in change.removed:
            self.room.remove_publication(publication, "unpublished")
        for publication in change.added:
            self.room.add_publication(publication)
        return change

    def open_subscribe_connection(self, *, automatic: bool) -> SubscribeConnection:
        """Open the subscribe connection with all that is there to receive."""
        self.subscribe_connection = SubscribeConnection(
            self.core, self.room.number, self.room.worker, self, automatic=automatic
        )
        for publication in self.room.publications.values():
            self.auto_subscribe(publication)
        return self.subscribe_connection

    def auto_subscribe(self, publication: Publication) -> None:
        """Receive what came up, if it wants to; one's own is not for oneself."""
        if self.subscribe_connection is not None and publication.owner is not self:
            self.subscribe_connection.auto_subscribe(publication)

    def on_publication_removed(
        self, publication: Publication, others: Iterable[Publication]
    ) -> None:
        """Receive no longer what is gone; another may take its place."""
        if self.subscribe_connection is not None:
            not_own = [other for other in others if other.owner is not self]
            self.subscribe_connection.on_publication_removed(publication.number, not_own)

    def mute(self, publication: Publication, muted: bool) -> None:
        """Stop a publication from being forwarded or let it go on; a host may, with anyone's.

        Only a host takes back the mute of a host.
        """
        own = publication.owner is self
        if not own and not self.rights.admin:
            raise Refusal("not_yours", "only a host mutes what others publish")
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
        """Leave the room with everything; a second time does nothing."""
        if self.leave_reason is not None:
            return
        self.room.leaving(self)
        self.leave_reason = reason
        self._expiry.cancel()
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
        """Send a finished message, if there is a way."""
        if self._channel is not None:
            self._channel.send(message, state_key=state_key, lossy=lossy)

    def info(self) -> ParticipantInfo:
        """Describe it to other participants."""
        publications = [entry.info() for entry in self.publications.values()]
        return ParticipantInfo(self.uid, self.name, self.role, publications)

    def own_publications(self) -> list[OwnPublication]:
        """Describe to the participant what it publishes."""
        return [entry.own_info() for entry in self.publications.values()]

    def on_transport_state(self, event: TransportState) -> None:
        """Tell the participant; a transport that went down ends its membership."""
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

    def on_encoding_state(self, publication: Publication, event: EncodingState) -> None:
        """Tell the publisher that an encoding of its own fell silent or came back."""
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
        """Tell the publisher which encodings to send, since nobody watches the others."""
        self.log.info("encodings_wanted", publication=publication.number, rids=event.rids)
        self._notify("encodings", EncodingsNotification(publication.number, event.rids))

    def on_offer(self, offer: OfferNotification) -> None:
        """Send an offer of the subscribe connection."""
        self._notify("offer", offer)

    def on_subscription_ended(self, publication: int, reason: str) -> None:
        """Tell that something cannot be received."""
        self.log.info("subscription_ended", publication=publication, reason=reason)
        self._notify("subscription-ended", {"publication": publication, "reason": reason})

    def on_layer_switch(self, subscription: Subscription, event: LayerSwitched) -> None:
        """Tell that another encoding is received now."""
        number = subscription.publication.number
        self.log.info(
            "layer_switch",
            publication=number,
            before=event.before,
            after=event.after,
            reason=event.reason,
        )
        switch = LayerSwitch(number, event.before, event.after, event.reason, event.wait_ms)
        self._notify("layer-switch", switch)

    def on_negotiation_timeout(self) -> None:
        """Give up on a peer that does not answer offers."""
        self.leave("negotiation_timeout")

    def _forget_streams(self) -> None:
        """Drop the names of streams that no publication has any more."""
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

    def _note_connected(self) -> None:
        if not self._connected:
            self._connected = True
            self.core.metrics.join_s.observe(time.monotonic() - self._requested_s)
