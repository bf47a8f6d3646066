"""The subscribe connection of a participant: subscriptions, offers, answers."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import msgspec
import structlog

from sfukit.server.core import Core, to_ice_credentials
from sfukit.server.engine import Outcome
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    DataChannelClosed,
    DataMessage,
    DataMessages,
    DataParameters,
    LayerSwitched,
    OpenTransport,
    Preference,
    RestartIce,
    SetData,
    SetLastN,
    SetRemote,
    SetTarget,
    Subscribe,
    Target,
    TransportState,
    Unsubscribe,
)
from sfukit.server.publication import Publication, Subscription
from sfukit.server.publish_connection import remote_of
from sfukit.signaling import extensions, sdp
from sfukit.signaling.candidates import Address
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import Layer, OfferNotification, QualityNotification
from sfukit.signaling.subscribe_offer import Accepted, SubscribeOffers, Track

log = structlog.get_logger()


class Subscriber(Protocol):
    """The participant that owns the connection; see ``TransportOwner`` for ``local_address``."""

    local_address: Address | None

    def on_transport_state(self, event: TransportState) -> None:
        """Handle a change of the transport state."""

    def on_data_channel_closed(self, event: DataChannelClosed) -> None:
        """Handle a data channel that the server closed."""

    def on_data_messages(self, event: DataMessages) -> None:
        """Handle the channel ``sfukit``, which is open or closed now."""

    def on_data_message(self, event: DataMessage) -> None:
        """Handle a message of the channel ``sfukit``."""

    def on_quality(self, quality: QualityNotification) -> None:
        """Handle a change of what is sent within the estimate of the bandwidth."""

    def on_offer(self, offer: OfferNotification) -> None:
        """Send an offer to the client."""

    def on_subscription_ended(self, publication: int, reason: str) -> None:
        """Notify the client that a subscription ended."""

    def on_layer_switch(self, subscription: Subscription, event: LayerSwitched) -> None:
        """Handle a switch of the encoding."""

    def start_connect_timeout(self, transport: int) -> None:
        """Start the timeout within which the transport has to connect."""

    def on_negotiation_timeout(self) -> None:
        """Handle an offer that was not answered in time."""


def offered_track(core: Core, publication: Publication) -> Track:
    """Return a publication as a track of an offer, with new SSRCs."""
    return Track(
        publication=publication.number,
        kind=publication.kind,
        codec_name=publication.track.codec_name,
        codec=publication.track.codec,
        extensions=extensions.to_subscriber(
            publication.track.extensions,
            extensions.OFFERED_IDS,
            transport_wide=core.settings.bwe != "remb",
        ),
        stream_id=publication.stream_id,
        track_id=f"p{publication.number}",
        cname=publication.owner.cname,
        ssrc=core.ids.ssrc(),
        rtx_ssrc=core.ids.ssrc() if publication.kind == "video" else None,
        red=publication.track.red is not None,
    )


class SubscribeConnection:
    """One subscribe connection; changes are batched, with one outstanding offer at a time."""

    def __init__(
        self,
        core: Core,
        room: int,
        worker: int,
        owner: Subscriber,
        *,
        automatic: bool,
        data: DataParameters,
    ) -> None:
        self._core = core
        self._data = data
        self._worker = worker
        self._owner = owner
        self._automatic = automatic
        local = core.local_transport(worker, owner.local_address)
        self._offers = SubscribeOffers(local)
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._has_remote = False
        self._started = False
        self._unsubscribed: set[int] = set()  # publications unsubscribed by the client
        self._waiting: dict[int, Publication] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.last_n: int | None = None
        self.transport = core.ids.transport()
        core.transports[self.transport] = owner
        opening = OpenTransport(
            room=room,
            transport=self.transport,
            local=to_ice_credentials(local.credentials),
            data=data,
        )
        core.engine.send(worker, [opening])

    def auto_subscribe(self, publication: Publication) -> None:
        """Subscribe to a publication, within the limit ``auto_subscribe`` per kind.

        Without a free m-line or payload type the client is notified, and the publication waits.
        """
        number = publication.number
        if not self._automatic:
            return
        if number in self.subscriptions or number in self._unsubscribed:
            return
        same_kind = sum(
            entry.publication.kind == publication.kind for entry in self.subscriptions.values()
        )
        if same_kind >= self._core.settings.auto_subscribe:
            return
        track = offered_track(self._core, publication)
        if self._offers.has_capacity(track):
            self._add(publication, track)
        elif number not in self._waiting:
            self._waiting[number] = publication
            self._owner.on_subscription_ended(number, "too_many_subscriptions")

    def subscribe(self, publication: Publication, layer: Layer) -> None:
        """Subscribe to a publication; raise ``Refusal`` (layer_unknown, too_many_subscriptions)."""
        target = publication.target(layer)
        self._unsubscribed.discard(publication.number)
        if publication.number not in self.subscriptions:
            self._add(publication, offered_track(self._core, publication))
        subscription = self.subscriptions[publication.number]
        self._request(subscription, target, subscription.preference)

    def unsubscribe(self, publication: Publication) -> bool:
        """Unsubscribe; the publication is not subscribed to automatically again."""
        self._unsubscribed.add(publication.number)
        self._waiting.pop(publication.number, None)
        return self._remove(publication.number)

    def on_publication_removed(self, publication: int, others: Iterable[Publication]) -> None:
        """End the subscription of a removed publication; subscribe to one of ``others``."""
        self._unsubscribed.discard(publication)
        self._waiting.pop(publication, None)
        if self._remove(publication, in_engine=False) and self._automatic:
            for other in others:
                self.auto_subscribe(other)

    def select_layer(self, publication: int, layer: Layer, preference: Preference) -> None:
        """Select the encoding of a subscription and the size at which it is shown."""
        subscription = self.subscriptions.get(publication)
        if subscription is None:
            raise Refusal(
                "publication_unknown",
                f"the participant has no subscription to publication {publication}",
            )
        self._request(subscription, subscription.publication.target(layer), preference)

    def set_last_n(self, last_n: int | None) -> None:
        """Bound the participants whose video is sent; None: the server's bound alone."""
        if last_n != self.last_n:
            self.last_n = last_n
            command = SetLastN(transport=self.transport, last_n=last_n)
            self._core.engine.send(self._worker, [command])

    def offer_data(self) -> None:
        """Offer data channels, once."""
        self._offers.add_data()
        self._schedule_offer()

    def start(self) -> None:
        """Send the first offer, after the response to the join."""
        self._started = True
        self._schedule_offer(0)

    def restart_ice(self) -> None:
        """Offer other ICE credentials; media continues on the present path until the answer."""
        if not self._has_remote:
            raise Refusal(
                "not_negotiated", "answer the first offer of the subscribe connection before"
            )
        self._offers.restart_ice(
            self._core.local_transport(self._worker, self._owner.local_address)
        )
        self._schedule_offer(0)

    async def answer(self, answer: sdp.Session, version: int | None) -> None:
        """Apply an answer: add its accepted subscriptions to the engine."""
        answered = self._offers.answer(answer, version)
        if self._deadline is not None:
            self._deadline.cancel()
        for track in answered.refused:
            was_negotiated = self.subscriptions[track.publication].number is not None
            self._remove(track.publication)
            reason = "rejected" if was_negotiated else "codec_unsupported"
            self._owner.on_subscription_ended(track.publication, reason)
        commands: list[Command] = []
        if not self._has_remote and answered.remote is not None:
            self._has_remote = True
            self._owner.start_connect_timeout(self.transport)
            commands.append(SetRemote(transport=self.transport, remote=remote_of(answered.remote)))
        elif answered.restarted is not None and answered.remote is not None:
            credentials = to_ice_credentials(answered.restarted.credentials)
            remote = remote_of(answered.remote)
            commands.append(RestartIce(self.transport, credentials, remote))
        commands += self._data_commands(answered.data_message_bytes)
        started = [self._start(accepted) for accepted in answered.accepted]
        try:
            if commands or started:
                outcomes = await self._core.engine.run(self._worker, [*commands, *started])
                self._check_started(started, outcomes[len(commands) :])
        except Refusal as refusal:
            for command in started:
                self._end(command.publication, refusal.reason)
            raise
        finally:
            for publication in list(self._waiting.values()):
                self.auto_subscribe(publication)
            self._schedule_offer(0)

    def close(self) -> None:
        """Close the transport and its subscriptions."""
        for timer in (self._timer, self._deadline):
            if timer is not None:
                timer.cancel()
        for publication in list(self.subscriptions):
            self._drop(publication)
        self._started = self._automatic = False
        self._unsubscribed.clear()
        self._waiting.clear()
        self._core.transports.pop(self.transport, None)
        closing = CloseTransport(transport=self.transport)
        self._core.engine.send(self._worker, [closing])

    def _data_commands(self, message_bytes: int | None) -> list[Command]:
        negotiated = message_bytes is not None
        if not self._offers.has_data or self._data.negotiated == negotiated:
            return []
        self._data = msgspec.structs.replace(
            self._data, negotiated=negotiated, max_message_bytes=message_bytes or 0
        )
        return [SetData(transport=self.transport, data=self._data)]

    def _schedule_offer(self, delay_s: float | None = None) -> None:
        """Start the debounce time of the next offer, if there are changes."""
        if not self._started or not self._offers.changed:
            return
        if self._timer is not None or self._offers.outstanding:
            return
        wait_s = self._core.settings.timing.debounce_s if delay_s is None else delay_s
        self._timer = self._core.loop.call_later(wait_s, self._offer)

    def _add(self, publication: Publication, track: Track) -> None:
        self._offers.add(track)
        self._waiting.pop(publication.number, None)
        self.subscriptions[publication.number] = Subscription(publication, self._owner)
        self._schedule_offer()

    def _remove(self, publication: int, *, in_engine: bool = True) -> bool:
        """Remove a subscription here, and in the engine unless it has ended there."""
        subscription = self.subscriptions.get(publication)
        if subscription is None:
            return False
        self._offers.remove(publication)
        if in_engine and subscription.number is not None:
            ending = Unsubscribe(subscription=subscription.number)
            self._core.engine.send(self._worker, [ending])
        self._drop(publication)
        self._schedule_offer()
        return True

    def _drop(self, publication: int) -> None:
        subscription = self.subscriptions.pop(publication, None)
        if subscription is not None and subscription.number is not None:
            self._core.subscriptions.pop(subscription.number, None)

    def _request(self, subscription: Subscription, target: Target, preference: Preference) -> None:
        if (subscription.target, subscription.preference) == (target, preference):
            return
        subscription.target, subscription.preference = target, preference
        if subscription.number is not None:
            request = SetTarget(
                subscription=subscription.number, target=target, preference=preference
            )
            self._core.engine.send(self._worker, [request])

    def _offer(self) -> None:
        self._timer = None
        timing = self._core.settings.timing
        self._deadline = self._core.loop.call_later(
            timing.negotiation_s, self._owner.on_negotiation_timeout
        )
        text = self._offers.offer()
        tracks = [
            self.subscriptions[track.publication].publication.track_info(mid)
            for mid, track in self._offers.tracks
        ]
        self._owner.on_offer(OfferNotification("offer", text, self._offers.version, tracks))

    def _start(self, accepted: Accepted) -> Subscribe:
        track = accepted.track
        subscription = self.subscriptions[track.publication]
        number = subscription.number = self._core.ids.subscription()
        self._core.subscriptions[number] = subscription
        return Subscribe(
            transport=self.transport,
            subscription=number,
            publication=track.publication,
            mid=accepted.mid,
            payload_type=accepted.numbers.payload_type,
            rtx_payload_type=accepted.numbers.rtx_payload_type,
            red_payload_type=accepted.numbers.red_payload_type,
            ssrc=track.ssrc,
            rtx_ssrc=track.rtx_ssrc if accepted.numbers.rtx_payload_type is not None else None,
            extensions=accepted.extensions,
            feedback=accepted.feedback,
            cname=track.cname,
            target=subscription.target,
            preference=subscription.preference,
        )

    def _check_started(self, started: list[Subscribe], outcomes: list[Outcome]) -> None:
        """End the subscriptions that the engine refused, except those of removed publications."""
        for command, outcome in zip(started, outcomes, strict=True):
            if outcome.error is None or command.publication not in self.subscriptions:
                continue
            log.warning(
                "subscription_refused", code=outcome.error.code, publication=command.publication
            )
            self._end(command.publication, outcome.error.code)

    def _end(self, publication: int, reason: str) -> None:
        if self._remove(publication, in_engine=False):
            self._owner.on_subscription_ended(publication, reason)
