"""The JSON-RPC methods of the signaling channel, in the order of docs/protocol.md."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from sfukit.server.access import Access, Role
from sfukit.server.call_limits import CallLimits
from sfukit.server.core import Core
from sfukit.server.limiter import RequestLimiter
from sfukit.server.messages import send_message
from sfukit.server.native_messages import Preference
from sfukit.server.participant import Participant, SignalingChannel
from sfukit.server.publication import Publication
from sfukit.server.publish_connection import Change, parse_description
from sfukit.server.rooms import Rooms
from sfukit.server.stats import of_participant
from sfukit.server.subscribe_connection import SubscribeConnection
from sfukit.signaling import candidates, sdp
from sfukit.signaling.candidates import Address
from sfukit.signaling.jsonrpc import RpcError
from sfukit.signaling.names import room_name
from sfukit.signaling.publish_answer import PublishRules
from sfukit.signaling.refusal import Refusal, RpcCode
from sfukit.signaling.room_messages import (
    AnswerParams,
    Description,
    JoinParams,
    JoinResult,
    LastNParams,
    LayersParams,
    MessageParams,
    MuteParams,
    OfferParams,
    OfferResult,
    RemoveParams,
    SubscribeParams,
    TrickleParams,
    UnsubscribeParams,
)

Method = Callable[["Methods", msgspec.Raw], Awaitable[Any]]


class Methods:
    """The methods of one signaling channel, which has at most one participant at a time."""

    channel: SignalingChannel

    def __init__(
        self,
        core: Core,
        rooms: Rooms,
        access: Access,
        limiter: RequestLimiter,
        *,
        token: str | None,
        address: str,
        trace_id: str,
        local_address: Address | None = None,
    ) -> None:
        self.core = core
        self.participant: Participant | None = None
        self._rooms = rooms
        self._access = access
        self.limits = CallLimits(core.settings.limits)
        self._limiter = limiter
        self._token = token
        self._address = address
        self._trace_id = trace_id
        self._local_address = local_address
        self._sid = ""

    async def call(self, method: str, params: msgspec.Raw) -> Any:
        """Execute one request; raise ``RpcError`` or ``Refusal``."""
        handler = _METHODS.get(method)
        if handler is None:
            raise RpcError(RpcCode.METHOD_NOT_FOUND, f"unknown method {method[:64]!r}")
        self.limits.take_method(time.monotonic(), method)
        try:
            return await handler(self, params)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise RpcError(RpcCode.INVALID_PARAMS, f"{method}: {error}") from None

    def on_disconnect(self, reason: str) -> None:
        """Remove the participant after its WebSocket disconnected."""
        if self.participant is not None:
            self.participant.leave(reason)

    def record_refusal(self, method: str, refusal: Refusal) -> None:
        """Count and log a refusal."""
        self.core.metrics.refused.labels(refusal.reason).inc()
        self.core.refusals.log(
            refusal.reason, method=method, detail=refusal.detail, trace_id=self._trace_id
        )

    async def join(self, raw: msgspec.Raw) -> JoinResult:
        """Join a room; a repeated join of the same room returns the same result."""
        params = _join.decode(raw)
        if self.participant is not None and self.participant.leave_reason is None:
            return self._joined_already(params)
        claims = self._access.claims(self._token)
        self._limiter.admit(claims, self._address, time.monotonic())
        rights = self._access.rights(claims, room_name(params.sid))
        if params.offer is not None:
            rights.require_publish()
        if not rights.subscribe and not params.config.no_subscribe:
            params.config.no_subscribe = True
        role = Role(params.config.role) if params.config.role else None
        offer = _parse(params.offer, "offer") if params.offer is not None else None
        participant, replaced = self._rooms.join(
            params.sid,
            rights,
            protocol="websocket",
            uid=params.uid,
            display_name=params.name,
            role=role,
            channel=self.channel,
            trace_id=self._trace_id,
            local_address=self._local_address,
        )
        participant.dynacast = params.config.dynacast
        self.participant = participant
        self._sid = params.sid
        with participant.joining(replaced):
            return await self._open_connections(participant, params, offer)

    async def offer(self, raw: msgspec.Raw) -> OfferResult:
        """Apply an offer of the publish connection."""
        params = _offer.decode(raw)
        participant = self._member()
        offer = _parse(params.desc, "offer")
        change = await participant.publish(offer, params.version, params.sources, self._rules())
        return OfferResult("answer", change.answer, change.version, participant.own_publications())

    async def answer(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Apply the answer to an offer of the subscribe connection."""
        params = _answer.decode(raw)
        answer = _parse(params.desc, "answer")
        await self._subscribe_connection().answer(answer, params.version)
        return {}

    async def restart_ice(self, _raw: msgspec.Raw) -> dict[str, Any]:
        """Offer other ICE credentials on the subscribe connection."""
        self.core.require_engine()
        self._subscribe_connection().restart_ice()
        return {}

    async def trickle(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Validate a candidate; ICE lite does not use it (RFC 8445 section 2.5)."""
        params = _trickle.decode(raw)
        self._member()
        if params.candidate is not None and params.candidate.candidate:
            try:
                candidates.parse(params.candidate.candidate)
            except ValueError as error:
                raise Refusal("candidate_malformed", str(error)) from None
        return {}

    async def subscribe(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Subscribe to publications."""
        params = _subscribe.decode(raw)
        subscribe_connection = self._subscribe_connection()
        requested = [self._publication(number) for number in params.publications]
        if any(publication.owner is self.participant for publication in requested):
            raise Refusal("publication_unknown", "the publication is the participant's own")
        subscribed: list[int] = []
        for publication in requested:
            try:
                subscribe_connection.subscribe(publication, params.layer)
            except Refusal:
                if not subscribed:
                    raise
                break  # the result lists the publications before
            subscribed.append(publication.number)
        return {"publications": subscribed}

    async def unsubscribe(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Unsubscribe from publications."""
        params = _unsubscribe.decode(raw)
        subscribe_connection = self._subscribe_connection()
        published = self._member().room.publications
        entries = [published[number] for number in params.publications if number in published]
        ended = [entry.number for entry in entries if subscribe_connection.unsubscribe(entry)]
        return {"publications": ended}

    async def layers(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Select the encoding of a subscription, or the size at which it is shown."""
        params = _layers.decode(raw)
        self.core.require_engine()
        preference = Preference(
            params.width,
            params.height,
            params.fps,
            params.priority,
            params.pinned,
            params.spatial,
            params.temporal,
        )
        connection = self._subscribe_connection()
        connection.select_layer(params.publication, params.layer, preference)
        return {}

    async def last_n(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Bound the participants whose video is received: those that spoke last."""
        params = _last_n.decode(raw)
        self.core.require_engine()
        self._subscribe_connection().set_last_n(params.last_n)
        return {}

    async def mute(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Mute or unmute a publication."""
        params = _mute.decode(raw)
        self._member().mute(self._publication(params.publication), params.muted)
        return {}

    async def message(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Send data to one or all other participants, without interpretation."""
        params = _message.decode(raw)
        return {"delivered": send_message(self._member(), params, self.limits)}

    async def remove(self, raw: msgspec.Raw) -> dict[str, Any]:
        """Remove another participant; hosts only."""
        params = _remove.decode(raw)
        host = self._member()
        host.rights.require_host()
        member = host.room.participants.get(params.uid)
        if member is None or member is host:
            raise Refusal(
                "participant_unknown", f"the room has no other participant {params.uid!r}"
            )
        member.leave("removed")
        return {}

    async def close_room(self, _raw: msgspec.Raw) -> dict[str, Any]:
        """Close the room after the response; hosts only."""
        host = self._member()
        host.rights.require_host()
        self.core.loop.call_soon(self._rooms.close, host.room, "room_closed")
        return {}

    async def stats(self, _raw: msgspec.Raw) -> dict[str, Any]:
        """Return the server's statistics of the participant."""
        member = self._member()
        report = await member.room.stats.report()
        return of_participant(report, member.publish_connection, member.subscribe_connection)

    async def leave(self, _raw: msgspec.Raw) -> dict[str, Any]:
        """Leave the room; idempotent."""
        if self.participant is not None:
            self.participant.leave("left", close_channel=False)
        return {}

    async def _open_connections(
        self, participant: Participant, params: JoinParams, offer: sdp.Session | None
    ) -> JoinResult:
        """Open the subscribe connection and apply the offer of the join."""
        subscribe_connection = change = None
        if not params.config.no_subscribe:
            subscribe_connection = participant.open_subscribe_connection(
                automatic=not params.config.no_auto_subscribe
            )
            subscribe_connection.set_last_n(params.config.last_n)
        if offer is not None:
            change = await participant.publish(offer, None, params.sources, self._rules())
        if subscribe_connection is not None:
            subscribe_connection.start()
        return self._result(participant, change)

    def _joined_already(self, params: JoinParams) -> JoinResult:
        participant = self.participant
        assert participant is not None
        if params.sid != self._sid or params.uid not in (None, participant.uid):
            raise Refusal(
                "already_joined", f"the WebSocket has joined {self._sid} as {participant.uid}"
            )
        return self._result(participant, None)

    def _result(self, participant: Participant, change: Change | None) -> JoinResult:
        return JoinResult(
            sid=self._sid,
            uid=participant.uid,
            role=participant.role,
            participant_count=participant.room.participant_count,
            participants=[
                info for info in participant.room.list_participants() if info.uid != participant.uid
            ],
            publications=participant.own_publications(),
            active_speakers=participant.room.active_speakers,
            type="answer" if change else None,
            sdp=change.answer if change else None,
            version=change.version if change else None,
            ice_servers=participant.open_ice_servers(self._address),
        )

    def _rules(self) -> PublishRules:
        settings = self.core.settings
        most = settings.limits.max_publications_per_kind
        return PublishRules(most, most, max_bitrate_bps=settings.max_publish_bitrate_bps)

    def _member(self) -> Participant:
        if self.participant is None or self.participant.leave_reason is not None:
            raise Refusal("not_joined", "the WebSocket has not joined a room")
        return self.participant

    def _subscribe_connection(self) -> SubscribeConnection:
        subscribe_connection = self._member().subscribe_connection
        if subscribe_connection is None:
            raise Refusal("subscribe_denied", "the participant has no subscribe connection")
        return subscribe_connection

    def _publication(self, number: int) -> Publication:
        publication = self._member().room.publications.get(number)
        if publication is None:
            raise Refusal("publication_unknown", f"the room has no publication {number}")
        return publication


def _parse(description: Description, expected: str) -> sdp.Session:
    if description.type != expected:
        raise RpcError(
            RpcCode.INVALID_PARAMS, f"the type of the description has to be {expected!r}"
        )
    return parse_description(description.sdp)


_join = msgspec.json.Decoder(JoinParams)
_offer = msgspec.json.Decoder(OfferParams)
_answer = msgspec.json.Decoder(AnswerParams)
_trickle = msgspec.json.Decoder(TrickleParams)
_subscribe = msgspec.json.Decoder(SubscribeParams)
_unsubscribe = msgspec.json.Decoder(UnsubscribeParams)
_layers = msgspec.json.Decoder(LayersParams)
_last_n = msgspec.json.Decoder(LastNParams)
_mute = msgspec.json.Decoder(MuteParams)
_message = msgspec.json.Decoder(MessageParams)
_remove = msgspec.json.Decoder(RemoveParams)

_METHODS: dict[str, Method] = {
    "join": Methods.join,
    "offer": Methods.offer,
    "answer": Methods.answer,
    "restart-ice": Methods.restart_ice,
    "trickle": Methods.trickle,
    "subscribe": Methods.subscribe,
    "unsubscribe": Methods.unsubscribe,
    "layers": Methods.layers,
    "last-n": Methods.last_n,
    "mute": Methods.mute,
    "message": Methods.message,
    "remove": Methods.remove,
    "close-room": Methods.close_room,
    "stats": Methods.stats,
    "leave": Methods.leave,
}
