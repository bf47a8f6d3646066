"""The subscribe connection of a participant: what it receives, offers and answers."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

import structlog

from sfukit.server.core import Core, ice
from sfukit.server.engine import Outcome
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    LayerSwitched,
    OpenTransport,
    SetRemote,
    SetTarget,
    Subscribe,
    Target,
    TransportState,
    Unsubscribe,
)
from sfukit.server.publication import Publication, Subscription
from sfukit.server.publishing import remote_of
from sfukit.signaling import extensions, sdp
from sfukit.signaling.candidates import Address
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import Layer, OfferNotification
from sfukit.signaling.subscribe_offer import Accepted, SubscribeOffers, Track

log = structlog.get_logger()


class Subscriber(Protocol):
    """The participant whose connection this is, and by which address of ours it came."""

    reached: Address | None

    def on_transport_state(self, event: TransportState) -> None:
        """Hear that the transport came up or went down."""

    def on_offer(self, offer: OfferNotification) -> None:
        """Send an offer to the peer."""

    def on_subscription_ended(self, publication: int, reason: str) -> None:
        """Tell the peer that it cannot receive something."""

    def on_layer_switch(self, subscription: Subscription, event: LayerSwitched) -> None:
        """Hear of a change of encoding."""

    def expect(self, transport: int) -> None:
        """Give the transport a bounded time to connect."""

    def on_negotiation_timeout(self) -> None:
        """Hear that an offer was never answered."""


class Subscribing:
    """One subscribe connection. Changes are collected and offered one offer at a time."""

    def __init__(
        self, core: Core, room: int, worker: int, owner: Subscriber, *, automatic: bool
    ) -> None:
        self._core = core
        self._worker = worker
        self._owner = owner
        self._automatic = automatic
        self._local = core.local_transport(worker, owner.reached)
        self._offers = SubscribeOffers(self._local)
        self._timer: asyncio.TimerHandle | None = None
        self._deadline: asyncio.TimerHandle | None = None
        self._remote_known = False
        self._started = False
        self._unwanted: set[int] = set()  # of the room's publications, as the next
        self._waiting: dict[int, Publication] = {}
        self.subscriptions: dict[int, Subscription] = {}
        self.transport = core.ids.transport()
        core.transports[self.transport] = owner
        opening = OpenTransport(
            room=room,
            transport=self.transport,
            local=ice(self._local.credentials),
        )
        core.engine.send(worker, [opening])

    def consider(self, publication: Publication) -> None:
        """Subscribe by itself to what another published, within the bound per kind.

        Without an m-line or payload type for it the peer is told, and it waits for one.
        """
        number = publication.number
        if not self._automatic:
            return
        if number in self.subscriptions or number in self._unwanted:
            return
        same_kind = sum(
            entry.publication.kind == publication.kind for entry in self.subscriptions.values()
        )
        if same_kind >= self._core.settings.auto_subscribe:
            return
        track = self._track(publication)
        if self._offers.has_capacity(track):
            self._add(publication, track)
        elif number not in self._waiting:
            self._waiting[number] = publication
            self._owner.on_subscription_ended(number, "too_many_subscriptions")

    def subscribe(self, publication: Publication, layer: Layer) -> None:
        """Receive a publication; raise ``Refusal`` where there is no such layer or no room left."""
        target = publication.target(layer)
        self._unwanted.discard(publication.number)
        if publication.number not in self.subscriptions:
            self._add(publication, self._track(publication))
        self._set_target(self.subscriptions[publication.number], target)

    def unsubscribe(self, publication: Publication) -> bool:
        """Receive a publication no longer, and not by itself again."""
        self._unwanted.add(publication.number)
        self._waiting.pop(publication.number, None)
        return self._remove(publication.number)

    def ended(self, publication: int, others: Iterable[Publication]) -> None:
        """Drop a publication that is gone, and let another take its place."""
        self._unwanted.discard(publication)
        self._waiting.pop(publication, None)
        if self._remove(publication, in_engine=False) and self._automatic:
            for other in others:
                self.consider(other)

    def choose_layer(self, publication: int, layer: Layer) -> None:
        """Choose the encoding of a subscription."""
        subscription = self.subscriptions.get(publication)
        if subscription is None:
            raise Refusal("publication_unknown", f"publication {publication} is not received")
        self._set_target(subscription, subscription.publication.target(layer))

    def start(self) -> None:
        """Make the first offer: the participant knows by now that it has joined."""
        self._started = True
        self._offer_soon(0)

    async def answer(self, answer: sdp.Session, version: int | None) -> None:
        """Take the answer: what it accepts starts to flow once the engine has it."""
        answered = self._offers.answer(answer, version)
        if self._deadline is not None:
            self._deadline.cancel()
        for track in answered.refused:
            flowed = self.subscriptions[track.publication].number is not None
            self._remove(track.publication)
            reason = "rejected" if flowed else "codec_unsupported"
            self._owner.on_subscription_ended(track.publication, reason)
        commands: list[Command] = []
        if not self._remote_known and answered.remote is not None:
            self._remote_known = True
            self._owner.expect(self.transport)
            commands.append(SetRemote(transport=self.transport, remote=remote_of(answered.remote)))
        started = [self._start(accepted) for accepted in answered.accepted]
        try:
            if commands or started:
                outcomes = await self._core.engine.run(self._worker, [*commands, *started])
                self._check(started, outcomes[len(commands) :])
        except Refusal as refusal:
            for command in started:
                self._give_up(command.publication, refusal.reason)
            raise
        finally:
            for publication in list(self._waiting.values()):
                self.consider(publication)
            self._offer_soon(0)

    def close(self) -> None:
        """End the transport and everything on it."""
        for timer in (self._timer, self._deadline):
            if timer is not None:
                timer.cancel()
        for publication in list(self.subscriptions):
            self._forget(publication)
        self._started = self._automatic = False
        self._unwanted.clear()
        self._waiting.clear()
        self._core.transports.pop(self.transport, None)
        closing = CloseTransport(transport=self.transport)
        self._core.engine.send(self._worker, [closing])

    def _offer_soon(self, delay_s: float | None = None) -> None:
        """Offer what changed, together with what changes until then."""
        if not self._started or not self._offers.changed:
            return
        if self._timer is not None or self._offers.outstanding:
            return
        wait_s = self._core.settings.timing.debounce_s if delay_s is None else delay_s
        self._timer = self._core.loop.call_later(wait_s, self._offer)

    def _track(self, publication: Publication) -> Track:
        return Track(
            publication=publication.number,
            kind=publication.kind,
            codec_name=publication.track.codec_name,
            codec=publication.track.codec,
            extensions=extensions.to_subscriber(
                publication.track.extensions, extensions.OFFERED_IDS
            ),
            stream_id=publication.stream_id,
            track_id=f"p{publication.number}",
            cname=publication.owner.cname,
            ssrc=self._core.ids.ssrc(),
            rtx_ssrc=self._core.ids.ssrc() if publication.kind == "video" else None,
        )

    def _add(self, publication: Publication, track: Track) -> None:
        self._offers.add(track)
        self._waiting.pop(publication.number, None)
        self.subscriptions[publication.number] = Subscription(publication, self._owner)
        self._offer_soon()

    def _remove(self, publication: int, *, in_engine: bool = True) -> bool:
        """Drop a subscription here, and in the engine where that has not ended it already."""
        subscription = self.subscriptions.get(publication)
        if subscription is None:
            return False
        self._offers.remove(publication)
        if in_engine and subscription.number is not None:
            ending = Unsubscribe(subscription=subscription.number)
            self._core.engine.send(self._worker, [ending])
        self._forget(publication)
        self._offer_soon()
        return True

    def _forget(self, publication: int) -> None:
        subscription = self.subscriptions.pop(publication, None)
        if subscription is not None and subscription.number is not None:
            self._core.subscriptions.pop(subscription.number, None)

    def _set_target(self, subscription: Subscription, target: Target) -> None:
        if subscription.target == target:
            return
        subscription.target = target
        if subscription.number is not None:
            choosing = SetTarget(subscription=subscription.number, target=target)
            self._core.engine.send(self._worker, [choosing])

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
            ssrc=track.ssrc,
            rtx_ssrc=track.rtx_ssrc if accepted.numbers.rtx_payload_type is not None else None,
            extensions=track.extensions,
            cname=track.cname,
            target=subscription.target,
        )

    def _check(self, started: list[Subscribe], outcomes: list[Outcome]) -> None:
        """Give up what the engine would not start; a publication that just ended is no news."""
        for command, outcome in zip(started, outcomes, strict=True):
            if outcome.error is None or command.publication not in self.subscriptions:
                continue
            log.warning(
                "subscription_refused", code=outcome.error.code, publication=command.publication
            )
            self._give_up(command.publication, outcome.error.code)

    def _give_up(self, publication: int, reason: str) -> None:
        if self._remove(publication, in_engine=False):
            self._owner.on_subscription_ended(publication, reason)
