"""A member of an sfukit room, as docs/protocol.md has it: frames in, frames out. No sockets."""

from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

import msgspec

from sfukit.loadgen.ledger import RATE_LIMITED
from sfukit.loadgen.scenario import Bot, Size
from sfukit.loadgen.seat import Incoming, Seat
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.signaling import descriptions, jsonrpc, rpc_client
from sfukit.signaling.descriptions import OfferParameters
from sfukit.signaling.room_messages import (
    Description,
    EncodingsNotification,
    JoinConfig,
    JoinParams,
    JoinResult,
    LayerSwitch,
    OfferNotification,
    SubscribeParams,
)
from sfukit.signaling.sdp import SdpError

Phase = Literal["ramp", "joined", "ended"]

_LOWEST = 0
_MOST_UNANSWERED = 256
_MOST_PUBLICATIONS = 16  # of each participant at a time
_TOO_MANY = "the target announces ever more publications; further ones are not subscribed to"
_REPEATED = frozenset(("answer", "subscribe"))


class _Publication(msgspec.Struct):
    """What ``publication-added`` tells, and what a participant of ``join`` has."""

    publication: int
    kind: str
    uid: str = ""


class _Removed(msgspec.Struct):
    publication: int


class _Bye(msgspec.Struct):
    reason: str = ""


class _AnswerParams(msgspec.Struct):
    desc: Description
    version: int


class _Asked(NamedTuple):
    """A request that was not answered yet."""

    method: str
    params: object


_join_result = msgspec.json.Decoder(JoinResult)
_offer = msgspec.json.Decoder(OfferNotification)
_added = msgspec.json.Decoder(_Publication)
_removed = msgspec.json.Decoder(_Removed)
_switch = msgspec.json.Decoder(LayerSwitch)
_encodings = msgspec.json.Decoder(EncodingsNotification)
_bye = msgspec.json.Decoder(_Bye)


class Member:
    """One bot's side of the conversation."""

    def __init__(self, seat: Seat) -> None:
        self.phase: Phase = "ramp"
        self.farewell = ""
        self._seat = seat
        self._wanted: Mapping[str, tuple[Bot, Size]] = {
            view.publisher.name: (view.publisher, view.size) for view in seat.plan.views(seat.bot)
        }
        self._offered: OfferParameters | None = seat.offer() if seat.bot.sends else None
        self._credentials = descriptions.new_credentials()
        self._known: set[int] = set()
        self._own_mids: dict[int, str] = {}
        self._asked: dict[int, _Asked] = {}
        self._held_back: list[tuple[int, object]] = []
        self._offer_version = 0
        self._last_request = 0

    def opening(self) -> bytes:
        """Write the request to join; whom to see, and how large, is asked for afterwards."""
        offer = None
        if self._offered is not None:
            offer = Description("offer", descriptions.publish_offer(self._offered))
        params = JoinParams(
            sid=self._seat.room.name,
            uid=self._seat.bot.name,
            offer=offer,
            config=JoinConfig(no_auto_subscribe=True, dynacast=self._seat.dynacast),
        )
        return self._request("join", params)

    def leaving(self) -> bytes:
        """Write the request to leave."""
        self.phase = "ended"
        return self._request("leave", {})

    def receive(self, frame: str | bytes) -> bytes | None:
        """Take in one frame; return the frame to send for it, if any.

        Raises ``JoinRefusedError`` when the server does not let the bot in.
        """
        replies: list[bytes] = []
        added: list[_Publication] = []
        for message in rpc_client.messages(frame):
            if message.method is None:
                replies += self._response(message)
            elif message.method == "publication-added":
                added.append(_added.decode(message.params))
            elif message.method == "publication-removed":
                self._known.discard(_removed.decode(message.params).publication)
            else:
                replies += self._notification(message.method, message.params)
        replies += self._subscribe(added)
        return jsonrpc.joined(replies) if replies else None

    def held_back(self) -> list[tuple[int, object]]:
        """Take the requests that the rate limit refused since: number, and when to ask again."""
        taken, self._held_back = self._held_back, []
        return taken

    def again(self, number: int) -> bytes | None:
        """Write such a request once more; None where it has become pointless."""
        asked = self._asked.pop(number, None)
        if asked is None or self.phase == "ended":
            return None
        if isinstance(asked.params, _AnswerParams) and asked.params.version < self._offer_version:
            return None
        return self._request(asked.method, asked.params)

    def _response(self, message: rpc_client.Incoming) -> list[bytes]:
        number, error = message.id or 0, message.error
        asked = self._asked.pop(number, _Asked("request", {}))
        if error is None:
            if asked.method == "join":
                return self._joined(_join_result.decode(message.result))
            return []
        if self.phase == "ramp":
            raise JoinRefusedError(error.reason, error.message, error.retry_after_s)
        if error.reason == RATE_LIMITED and asked.method in _REPEATED:
            self._asked[number] = asked
            self._held_back.append((number, error.retry_after_s))
        elif asked.method != "leave":
            code = f"{asked.method}_refused"
            self._seat.ledger.fault(code, f"{error.reason}: {error.message}", self._seat.bot)
        return []

    def _joined(self, result: JoinResult) -> list[bytes]:
        self.phase = "joined"
        self._own_mids = {own.publication: own.mid for own in result.publications}
        self._seat.accepted()
        if self._offered is not None:
            try:
                answer = descriptions.read_answer(result.sdp or "")
            except SdpError as error:
                raise JoinRefusedError("answer_unusable", str(error)) from error
            self._seat.publish(self._offered, answer)
        return self._subscribe(
            _Publication(one.publication, one.kind, participant.uid)
            for participant in result.participants
            for one in participant.publications
        )

    def _notification(self, method: str, params: msgspec.Raw) -> list[bytes]:
        if method == "offer":
            return self._answer(_offer.decode(params))
        if method == "layer-switch":
            self._seat.ledger.switched(_switch.decode(params))
        elif method == "encodings":
            told = _encodings.decode(params)
            self._seat.send_only(self._own_mids.get(told.publication, ""), told.rids)
        elif method == "bye":
            self.phase, self.farewell = "ended", _bye.decode(params).reason
        return []

    def _answer(self, offer: OfferNotification) -> list[bytes]:
        seat = self._seat
        self._offer_version = offer.version
        try:
            described = descriptions.read_offer(offer.sdp)
        except SdpError as error:
            seat.ledger.fault("offer_unusable", str(error), seat.bot)
            return []
        publishers = {track.mid: self._wanted.get(track.uid) for track in offer.tracks}
        incoming = [
            Incoming(line, known[0] if (known := publishers.get(line.mid)) else None)
            for line in described.lines
        ]
        answer = descriptions.play_answer(described, self._credentials, seat.swarm.info.fingerprint)
        seat.play(self._credentials, described.peer, incoming)
        params = _AnswerParams(Description("answer", answer), offer.version)
        return [self._request("answer", params)]

    def _subscribe(self, publications: Iterable[_Publication]) -> list[bytes]:
        """Ask for what the plan shows this bot: one large, the rest by their lowest encoding."""
        best: list[int] = []
        small: list[int] = []
        for one in publications:
            wanted = self._wanted.get(one.uid)
            if wanted is None or one.publication in self._known:
                continue
            if len(self._known) >= _MOST_PUBLICATIONS * len(self._wanted):
                self._seat.ledger.fault("too_many_publications", _TOO_MANY, self._seat.bot)
                break
            self._known.add(one.publication)
            shown_small = one.kind == "video" and wanted[1] == "small"
            (small if shown_small else best).append(one.publication)
        requests = []
        if best:
            requests.append(self._request("subscribe", SubscribeParams(best, "auto")))
        if small:
            requests.append(self._request("subscribe", SubscribeParams(small, _LOWEST)))
        return requests

    def _request(self, method: str, params: object) -> bytes:
        self._last_request += 1
        self._asked[self._last_request] = _Asked(method, params)
        if len(self._asked) > _MOST_UNANSWERED:
            del self._asked[next(iter(self._asked))]
        return rpc_client.request(method, params, self._last_request)
