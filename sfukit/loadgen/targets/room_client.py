"""A client of the room protocol (docs/protocol.md): frames in, frames out. No sockets."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from sfukit.loadgen.metrics.ledger import RATE_LIMITED
from sfukit.loadgen.scenario import Size
from sfukit.loadgen.targets.base import (
    JoinRefusedError,
    Participant,
    PublishConnection,
    ReceiveConnection,
)
from sfukit.loadgen.targets.room_subscriptions import (
    Publication,
    RoomSubscriptions,
    TooManyPublicationsError,
)
from sfukit.signaling import jsonrpc, rpc_client
from sfukit.signaling.room_messages import (
    Description,
    EncodingsNotification,
    JoinConfig,
    JoinParams,
    JoinResult,
    LayerSwitch,
    OfferNotification,
)
from sfukit.signaling.sdp import SdpError

Phase = Literal["joining", "joined", "ended"]

_MAX_PENDING = 256
_TOO_MANY = "the target announces more publications than planned; further ones are ignored"
_REPEATED = frozenset(("answer", "layers", "subscribe", "unsubscribe"))


class _Removed(msgspec.Struct):
    publication: int


class _Bye(msgspec.Struct):
    reason: str = ""


class _AnswerParams(msgspec.Struct):
    desc: Description
    version: int


class _TransportStats(msgspec.Struct):
    """The row of one transport; 1 is the connection that receives."""

    target: int
    estimate_bps: float | None = None
    budget_bps: float | None = None


class _Stats(msgspec.Struct):
    transports: list[_TransportStats] = []


class _PendingRequest(NamedTuple):
    """A request without response so far."""

    method: str
    params: object


_join_result = msgspec.json.Decoder(JoinResult)
_offer = msgspec.json.Decoder(OfferNotification)
_added = msgspec.json.Decoder(Publication)
_removed = msgspec.json.Decoder(_Removed)
_switch = msgspec.json.Decoder(LayerSwitch)
_encodings = msgspec.json.Decoder(EncodingsNotification)
_bye = msgspec.json.Decoder(_Bye)
_stats = msgspec.json.Decoder(_Stats)


class RoomClient:
    """The room protocol of one bot."""

    def __init__(self, participant: Participant) -> None:
        self.phase: Phase = "joining"
        self.bye_reason = ""
        self.estimate_bps: float | None = None
        self.stats_received = 0
        self._participant = participant
        self._publisher: PublishConnection | None = (
            participant.publisher() if participant.audio or participant.video else None
        )
        self._subscriber: ReceiveConnection = participant.subscriber()
        self._subscriptions = RoomSubscriptions(len(participant.encodings))
        self._own_mids: dict[int, str] = {}
        self._pending: dict[int, _PendingRequest] = {}
        self._rate_limited: list[tuple[int, object]] = []
        self._offer_version = 0
        self._last_request = 0

    async def join_request(self) -> bytes:
        """Return the request to join; subscriptions and layers are requested afterwards."""
        offer = None
        if self._publisher is not None:
            offer = Description("offer", await self._publisher.offer())
        params = JoinParams(
            sid=self._participant.room,
            uid=self._participant.name,
            offer=offer,
            config=JoinConfig(no_auto_subscribe=True, dynacast=self._participant.dynacast),
        )
        return self._request("join", params)

    def leave_request(self) -> bytes:
        """Return the request to leave."""
        self.phase = "ended"
        return self._request("leave", {})

    async def receive(self, frame: str | bytes) -> bytes | None:
        """Process one frame; return the frame to send in response, if any.

        Raises ``JoinRefusedError`` when the server refuses the join.
        """
        replies: list[bytes] = []
        added: list[Publication] = []
        for message in rpc_client.messages(frame):
            if message.method is None:
                replies += await self._response(message)
            elif message.method == "publication-added":
                added.append(_added.decode(message.params))
            elif message.method == "publication-removed":
                self._subscriptions.removed(_removed.decode(message.params).publication)
            else:
                replies += await self._notification(message.method, message.params)
        replies += self._subscribe(added)
        return jsonrpc.joined(replies) if replies else None

    def rearrange(self, sizes: Mapping[str, Size]) -> bytes | None:
        """Return the frame that changes the sizes of the subscribed videos, if any changes."""
        requests = self._requests(sizes) if self.phase == "joined" else []
        return jsonrpc.joined(requests) if requests else None

    def stats_request(self) -> bytes | None:
        """Return the request for the server's statistics; None where the client has not joined."""
        return self._request("stats", {}) if self.phase == "joined" else None

    def take_rate_limited(self) -> list[tuple[int, object]]:
        """Return and clear the rate limited requests: id, and the delay requested by the target."""
        refused, self._rate_limited = self._rate_limited, []
        return refused

    def retry(self, number: int) -> bytes | None:
        """Return a rate limited request again; None where it is obsolete."""
        pending = self._pending.pop(number, None)
        if pending is None or self.phase == "ended":
            return None
        if (
            isinstance(pending.params, _AnswerParams)
            and pending.params.version < self._offer_version
        ):
            return None
        return self._request(pending.method, pending.params)

    async def _response(self, message: rpc_client.Incoming) -> list[bytes]:
        number, error = message.id or 0, message.error
        pending = self._pending.pop(number, _PendingRequest("request", {}))
        if error is None:
            if pending.method == "join":
                return await self._joined(_join_result.decode(message.result))
            if pending.method == "stats":
                self._measured(message.result)
            return []
        if pending.method == "stats":
            return []  # one reading less
        if self.phase == "joining":
            raise JoinRefusedError(error.reason, error.message, error.retry_after_s)
        if error.reason == RATE_LIMITED and pending.method in _REPEATED:
            self._pending[number] = pending
            self._rate_limited.append((number, error.retry_after_s))
        elif pending.method != "leave":
            code = f"{pending.method}_refused"
            self._participant.fault(code, f"{error.reason}: {error.message}")
        return []

    def _measured(self, result: msgspec.Raw) -> None:
        """Take the estimate of the connection that receives, else what is spent of it."""
        self.stats_received += 1
        try:
            rows = _stats.decode(result).transports
        except msgspec.DecodeError:
            rows = []  # statistics of another version
        row = next((one for one in rows if one.target == 1), _TransportStats(1))
        known = row.estimate_bps if row.estimate_bps is not None else row.budget_bps
        self.estimate_bps = known

    async def _joined(self, result: JoinResult) -> list[bytes]:
        self.phase = "joined"
        self._own_mids = {own.publication: own.mid for own in result.publications}
        self._participant.accepted()
        if self._publisher is not None:
            await self._publisher.answered(result.sdp or "")
        return self._subscribe(
            Publication(one.publication, one.kind, participant.uid)
            for participant in result.participants
            for one in participant.publications
        )

    async def _notification(self, method: str, params: msgspec.Raw) -> list[bytes]:
        if method == "offer":
            return await self._answer(_offer.decode(params))
        if method == "layer-switch":
            switch = _switch.decode(params)
            self._participant.switched(switch.reason, switch.wait_ms)
        elif method == "encodings":
            notified = _encodings.decode(params)
            if self._publisher is not None:
                mid = self._own_mids.get(notified.publication, "")
                self._publisher.activate(mid, notified.rids)
        elif method == "bye":
            self.phase, self.bye_reason = "ended", _bye.decode(params).reason
        return []

    async def _answer(self, offer: OfferNotification) -> list[bytes]:
        self._offer_version = offer.version
        publishers = {track.mid: track.uid for track in offer.tracks}
        try:
            answer = await self._subscriber.answer(offer.sdp, publishers)
        except (SdpError, JoinRefusedError) as error:
            self._participant.fault("offer_unusable", str(error))
            return []
        params = _AnswerParams(Description("answer", answer), offer.version)
        return [self._request("answer", params)]

    def _subscribe(self, publications: Iterable[Publication]) -> list[bytes]:
        """Subscribe to publications as planned."""
        sizes = self._participant.subscriptions
        try:
            self._subscriptions.added(publications, sizes)
        except TooManyPublicationsError:
            self._participant.fault("too_many_publications", _TOO_MANY)
        return self._requests(sizes)

    def _requests(self, sizes: Mapping[str, Size]) -> list[bytes]:
        return [self._request(*one) for one in self._subscriptions.requests(sizes)]

    def _request(self, method: str, params: object) -> bytes:
        self._last_request += 1
        self._pending[self._last_request] = _PendingRequest(method, params)
        if len(self._pending) > _MAX_PENDING:
            del self._pending[next(iter(self._pending))]
        return rpc_client.request(method, params, self._last_request)
