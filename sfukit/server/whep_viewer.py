"""One WHEP viewer: receives the publications of one participant on one transport."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import structlog

from sfukit.server.access import Rights
from sfukit.server.core import Core, Expiry, TransportSummary, to_ice_credentials, transport_summary
from sfukit.server.engine import Outcome, first_error
from sfukit.server.member import Member
from sfukit.server.native_messages import (
    CloseTransport,
    DataChannelClosed,
    DataMessage,
    DataMessages,
    DataParameters,
    LayerSwitched,
    OpenTransport,
    ReplaceSource,
    RestartIce,
    SetTarget,
    Subscribe,
    TransportState,
)
from sfukit.server.publication import Publication, Subscription
from sfukit.server.publish_connection import remote_of, run_commands
from sfukit.server.room import Room
from sfukit.server.whep_counter_offer import VALID_S, CounterOffer
from sfukit.server.whep_events import EventStreams
from sfukit.server.whep_layers import LayerSelection, described
from sfukit.signaling import sdp
from sfukit.signaling.candidates import Address
from sfukit.signaling.codecs import same_bitstream
from sfukit.signaling.play_answer import Played, Source, answer_viewer
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import Layer, QualityNotification
from sfukit.signaling.transport import Credentials, LocalTransport, RemoteParameters

log = structlog.get_logger()
_RETRY_NOT_LIVE_S = 3
_LAYERS_AGE_S = 2.0  # reports have all subscriptions of the room


class PlayedTrack(NamedTuple):
    """One m-line, by its index in the description, with its subscription."""

    played: Played
    subscription: Subscription
    number: int
    media_index: int


def choose_publisher(room: Room | None, uid: str | None) -> tuple[Room, Member]:
    """Return room and publisher: the named, else the first WHIP publisher, else the first."""
    publishers = _publishers(room, uid) if room is not None else []
    if room is None or not publishers:
        raise Refusal(
            "not_live", "the room has no matching publisher now", retry_after_s=_RETRY_NOT_LIVE_S
        )
    return room, publishers[0]


def _publishers(room: Room, uid: str | None) -> list[Member]:
    """Return the publishers, WHIP first, else in the order of their joins."""
    live = [
        member
        for member in room.participants.values()
        if member.publications and not member.rights.hidden and uid in (None, member.uid)
    ]
    return sorted(live, key=lambda member: (member.protocol != "whip", member.number))


class WhepViewer:
    """A WHEP viewer from its offer until it leaves."""

    def __init__(
        self,
        core: Core,
        room: Room,
        publisher: Member,
        uid: str | None,
        rights: Rights,
        *,
        trace_id: str,
        local_address: Address | None = None,
    ) -> None:
        self.core = core
        self.room = room
        self.publisher = publisher
        self.local_address = local_address
        self.leave_reason: str | None = None
        self.states: dict[str, TransportSummary] = {}
        self.quality: QualityNotification | None = None
        self.message_transport: int | None = None
        self._data: DataParameters | None = None
        self.log = log.bind(trace_id=trace_id, room=room.name, participant="viewer")
        self.on_end: Callable[[str], None] | None = None
        self._uid = uid
        self._tracks: list[PlayedTrack] = []
        self._transport = core.ids.transport()
        self._local: LocalTransport = core.local_transport(room.worker, local_address)
        self._remote: RemoteParameters | None = None
        self._requested_s = time.monotonic()
        self._deadline: asyncio.TimerHandle | None = None
        self._rights = rights
        self._expiry: Expiry | None = None
        self._counter_offer: CounterOffer | None = None
        self.events = EventStreams()

    @property
    def subscriptions(self) -> list[Subscription]:
        """The subscriptions."""
        return [track.subscription for track in self._tracks]

    def negotiate(self, offer: sdp.Session) -> str:
        """Return the answer to the offer, without effects in the engine."""
        answer = answer_viewer(
            offer,
            self._sources(),
            self._local,
            self.core.ids.ssrc,
            transport_wide=self.core.settings.bwe != "remb",
        )
        self._remote = answer.remote
        if answer.data_message_bytes is not None:
            self._data = DataParameters(
                member=0,
                send=False,
                receive=False,
                negotiated=True,
                max_message_bytes=answer.data_message_bytes,
            )
        self._tracks = [self._played_track(played, offer) for played in answer.played]
        return answer.sdp

    def counter_offer(self, refusal: Refusal) -> str:
        """Return an offer of the server's own in place of an answer; ``answer`` completes it."""
        publications: dict[str, Publication] = {}
        for publication in self.publisher.publications.values():
            publications.setdefault(publication.kind, publication)
        self._counter_offer = CounterOffer(self.core, publications.values(), self._local)
        self._deadline = self.core.loop.call_later(VALID_S, self.leave, "negotiation_timeout")
        self.log.info("counter_offered", reason=refusal.reason, detail=refusal.detail)
        return self._counter_offer.text(refusal)

    @property
    def awaits_answer(self) -> bool:
        """Whether the player has to answer a counter-offer."""
        return self._counter_offer is not None

    async def answer(self, answer: sdp.Session) -> None:
        """Apply the answer to the counter-offer; raise ``Refusal``."""
        if self._counter_offer is None:
            raise Refusal("answer_unexpected", "there is no offer of the server to answer")
        if self.leave_reason is not None:  # while the answer was read
            raise Refusal("session_unknown", f"the session has ended: {self.leave_reason}")
        try:
            agreed = self._counter_offer.answered(answer)
        except Refusal as refusal:
            if refusal.reason == "codec_unsupported":
                self.leave("refused")
            raise
        if any(played.publication not in self.room.publications for played in agreed.played):
            self.leave("publisher_left")
            raise Refusal("not_live", "the publisher left", retry_after_s=_RETRY_NOT_LIVE_S)
        if self._deadline is not None:
            self._deadline.cancel()
        self._counter_offer = None
        self._remote = agreed.remote
        self._tracks = [self._played_track(played, answer) for played in agreed.played]
        await self.start()

    async def start(self) -> None:
        """Add transport and subscriptions to the engine; raise ``Refusal``."""
        assert self._remote is not None
        opening = OpenTransport(
            room=self.room.number,
            transport=self._transport,
            local=to_ice_credentials(self._local.credentials),
            remote=remote_of(self._remote),
            data=self._data,
        )
        self._expiry = self.core.start_expiry(self._rights, self.leave)
        self.core.transports[self._transport] = self
        for track in self._tracks:
            self.core.subscriptions[track.number] = track.subscription
        try:
            commands = [opening, *[self._subscribe(track) for track in self._tracks]]
            await run_commands(self.core, self.room.worker, commands)
        except BaseException:  # also when cancelled
            self.leave("refused")
            raise
        if self.leave_reason is not None:
            raise Refusal("not_live", "the publisher left", retry_after_s=_RETRY_NOT_LIVE_S)
        wait_s = self.core.settings.timing.negotiation_s
        self._deadline = self.core.loop.call_later(wait_s, self.leave, "negotiation_timeout")

    async def restart(self, remote: Credentials) -> LocalTransport:
        """Restart ICE with new remote credentials; return the local parameters."""
        assert self._remote is not None
        local = self.core.local_transport(self.room.worker, self.local_address)
        renewed = self._remote.with_credentials(remote)
        command = RestartIce(
            transport=self._transport,
            local=to_ice_credentials(local.credentials),
            remote=remote_of(renewed),
        )
        await run_commands(self.core, self.room.worker, [command])
        self._local, self._remote = local, renewed
        return local

    def leave(self, reason: str) -> None:
        """End the session; idempotent."""
        if self.leave_reason is not None:
            return
        self.leave_reason = reason
        self.core.ended += 1
        if self._expiry is not None:
            self._expiry.cancel()
        if self._deadline is not None:
            self._deadline.cancel()
        self.core.transports.pop(self._transport, None)
        for track in self._tracks:
            self.core.subscriptions.pop(track.number, None)
        if reason in ("publisher_left", "publisher_changed"):
            self.events.put("inactive", {})
        if reason == "publisher_changed":
            self.events.put("reconnect", {})
        self.events.close()
        guard = self.core.guard
        guard("leave", self.room.remove_viewer, self)
        if self._remote is not None:
            closing = CloseTransport(transport=self._transport)
            guard("leave", self.core.engine.send, self.room.worker, [closing])
        self.core.metrics.participants_ended.labels(reason).inc()
        if self.on_end is not None:
            guard("leave", self.on_end, reason)
        self.log.info("viewer_left", reason=reason)

    def on_leaving(self, member: Member) -> None:
        """Switch to another publisher before the media of a leaving one stops."""
        if member is not self.publisher:
            return
        others = [entry for entry in _publishers(self.room, self._uid) if entry is not member]
        same = [entry for entry in others if entry.uid == member.uid]
        if not others or self._counter_offer is not None:
            self.leave("publisher_changed" if others else "publisher_left")
            return
        self._switch((same or others)[0])

    def on_unpublished(self, publication: Publication) -> None:
        """Remove the track of a removed publication; leave after the last."""
        ended = [track for track in self._tracks if track.subscription.publication is publication]
        for track in ended:
            self._tracks.remove(track)
            self.core.subscriptions.pop(track.number, None)
        if ended and not self._tracks:
            self.leave("publisher_left")

    @property
    def viewer_count(self) -> int:
        """The number of viewers of the same publisher."""
        return self.room.viewer_count(self.publisher)

    async def layers(self) -> dict[str, list[dict[str, Any]]]:
        """Return encodings and layers of each video by its m-line index, the highest first."""
        report = await self.room.stats.report(max_age_s=_LAYERS_AGE_S)
        rows = {row["publication"]: row["encodings"] for row in report.publications}
        return {
            str(track.media_index): described(rows.get(track.subscription.publication.number, []))
            for track in self._tracks
            if track.played.kind == "video"
        }

    def select_layer(self, selection: LayerSelection) -> None:
        """Select the encoding and the highest layers of a video; raise ``Refusal``."""
        videos = [track for track in self._tracks if track.played.kind == "video"]
        if selection.media_id is not None:
            videos = [track for track in videos if str(track.media_index) == selection.media_id]
        if not videos:
            raise Refusal("layer_unknown", "mediaId is the index of no m-line with video")
        self.core.require_engine()
        subscription = videos[0].subscription
        layer: Layer = "auto" if selection.rid is None else selection.rid
        target = subscription.publication.target(layer)
        subscription.target, subscription.preference = target, selection.preference
        request = SetTarget(
            subscription=videos[0].number, target=target, preference=selection.preference
        )
        self.core.engine.send(self.room.worker, [request])

    def on_drain(self) -> None:
        """Let the player start another session, which may be on another server."""
        self.events.put("reconnect", {})

    def on_transport_state(self, event: TransportState) -> None:
        """Record the connect time, or leave if the transport did not stay connected."""
        self.states["subscribe"] = transport_summary(event)
        self.log.info(
            "transport_state",
            state=event.state,
            reason=event.reason,
            srtp_profile=event.srtp_profile,
        )
        if event.state != "connected":
            self.leave("transport_lost")
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
            self.core.metrics.join_s.observe(time.monotonic() - self._requested_s)

    def on_data_messages(self, event: DataMessages) -> None:
        """Note that the channel ``sfukit`` is open or closed."""
        self.message_transport = event.transport if event.open else None

    def on_data_message(self, event: DataMessage) -> None:
        """Ignore a message: the engine passes none on, since viewers do not send."""

    def on_data_channel_closed(self, event: DataChannelClosed) -> None:
        """Log a data channel that the server closed."""
        self.log.info("data_channel_closed", label=event.label, reason=event.reason)

    def on_layer_switch(self, subscription: Subscription, event: LayerSwitched) -> None:
        """Log a switch of the encoding."""
        self.log.info(
            "layer_switch",
            publication=subscription.publication.number,
            before=event.before,
            after=event.after,
            reason=event.reason,
        )

    def on_quality(self, quality: QualityNotification) -> None:
        """Keep the estimate, and what is sent and paused within it, for ``/debug/rooms``."""
        self.quality = quality
        for entry in quality.video:
            self.log.info(
                "quality",
                estimate_bps=quality.estimate_bps,
                publication=entry.publication,
                rid=entry.rid,
                paused=entry.paused,
                reason=entry.reason,
            )

    def _sources(self) -> dict[str, Source]:
        """Return the publisher's first publication of each kind."""
        sources: dict[str, Source] = {}
        for publication in self.publisher.publications.values():
            track = publication.track
            source = Source(
                publication=publication.number,
                kind=track.kind,
                codec_name=track.codec_name,
                codec=track.codec,
                extensions=track.extensions,
                stream_id=publication.stream_id,
                cname=publication.owner.cname,
                red=track.red is not None,
            )
            sources.setdefault(track.kind, source)
        return sources

    def _played_track(self, played: Played, offer: sdp.Session) -> PlayedTrack:
        publication = self.room.publications[played.publication]
        subscription = Subscription(publication, self)
        number = subscription.number = self.core.ids.subscription()
        index = next(
            index
            for index, media in enumerate(offer.media)
            if media.kind == played.kind and media.mid == played.mid
        )
        return PlayedTrack(played, subscription, number, index)

    def _subscribe(self, track: PlayedTrack) -> Subscribe:
        played = track.played
        return Subscribe(
            transport=self._transport,
            subscription=track.number,
            publication=played.publication,
            mid=played.engine_mid,
            payload_type=played.numbers.payload_type,
            rtx_payload_type=played.numbers.rtx_payload_type,
            red_payload_type=played.numbers.red_payload_type,
            ssrc=played.ssrc,
            rtx_ssrc=played.rtx_ssrc,
            extensions=played.extensions,
            feedback=played.feedback,
            cname=played.cname,
        )

    def _switch(self, publisher: Member) -> None:
        """Forward another publisher on all tracks; its codecs have to be the negotiated ones."""
        replacements = [(track, _matching(track, publisher)) for track in self._tracks]
        if any(publication is None for _, publication in replacements):
            self.leave("publisher_changed")
            return
        commands = []
        for track, publication in replacements:
            assert publication is not None
            commands.append(
                ReplaceSource(subscription=track.number, publication=publication.number)
            )
            track.subscription.publication = publication
        self.publisher = publisher
        try:
            future = self.core.engine.submit(self.room.worker, commands)
        except Refusal:
            self.leave("publisher_changed")
            return
        future.add_done_callback(self._check_switch)
        self.log.info("publisher_changed", publisher=publisher.uid)

    def _check_switch(self, future: "asyncio.Future[list[Outcome]]") -> None:
        if not future.cancelled() and first_error(future.result()) is not None:
            self.leave("publisher_changed")


def _matching(track: PlayedTrack, publisher: Member) -> Publication | None:
    for publication in publisher.publications.values():
        if publication.kind == track.played.kind and same_bitstream(
            track.played.codec, publication.track.codec
        ):
            return publication
    return None
