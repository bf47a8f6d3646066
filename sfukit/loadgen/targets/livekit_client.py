"""A client of LiveKit's signaling with two peer connections: frames in, frames out. No sockets.

The client offers on PUBLISHER, the server on SUBSCRIBER (``livekit_rtc.proto``). Data channels are
accepted in the server's offers, since it offers them alone first, but no SCTP is spoken.
"""

from collections.abc import Sequence
from typing import Literal

import msgspec
from google.protobuf.message import DecodeError, EncodeError
from livekit.protocol import models, rtc

from sfukit.loadgen.targets import livekit_tracks
from sfukit.loadgen.targets.base import JoinRefusedError, Participant, PublishConnection
from sfukit.loadgen.targets.livekit_tracks import OwnTrack, RemoteTracks
from sfukit.signaling import sdp
from sfukit.signaling.sdp import SdpError

Phase = Literal["joining", "joined", "ended"]

PROTOCOL = 17

_OLDEST_PROTOCOL = 9
_PING_S = (1.0, 60.0)
_DEFAULT_PING_S = 5.0
_OFFER_ID = 1
_MAX_TEXT = 200
_TOO_MANY = "the target announces more tracks than planned; further ones are ignored"


class MalformedError(Exception):
    """A frame that is no message of the protocol."""


class _CandidateInit(msgspec.Struct):
    candidate: str = ""


class LivekitClient:
    """The signaling of one participant."""

    def __init__(self, participant: Participant) -> None:
        self.phase: Phase = "joining"
        self.end_reason = ""
        self.ping_interval_s = _DEFAULT_PING_S
        self._participant = participant
        self._sid: str | None = None
        self._publisher: PublishConnection | None = None
        self._offer = ""
        self._own: dict[str, OwnTrack] = {}  # by cid
        self._published: dict[str, OwnTrack] = {}  # by sid
        self._subscriber = participant.subscriber(trickle=True)
        self._remote = RemoteTracks(participant.subscriptions)

    def leave_request(self) -> bytes:
        """Return the request to leave."""
        self.phase = "ended"
        reason = models.DisconnectReason.CLIENT_INITIATED
        return _frame(rtc.SignalRequest(leave=rtc.LeaveRequest(reason=reason)))

    def ping(self, now_ms: int) -> bytes:
        """Return a ping."""
        return _frame(rtc.SignalRequest(ping_req=rtc.Ping(timestamp=now_ms)))

    async def receive(self, frame: bytes) -> list[bytes]:
        """Process one frame; return the frames to send.

        Raises ``JoinRefusedError`` while joining, and ``MalformedError``.
        """
        try:
            message = rtc.SignalResponse.FromString(frame)
        except DecodeError as error:
            raise MalformedError(str(error)) from error
        kind = message.WhichOneof("message")
        if self._sid is None and kind not in ("join", "leave"):
            raise JoinRefusedError(
                "answer_unusable", f"the first message is {kind or 'empty'}, not join"
            )
        try:
            return [_frame(request) for request in await self._process(kind, message)]
        except EncodeError as error:  # text of the server that cannot be repeated
            raise MalformedError(str(error)) from error

    async def _process(
        self, kind: str | None, message: rtc.SignalResponse
    ) -> Sequence[rtc.SignalRequest]:
        match kind:
            case "join":
                return await self._joined(message.join)
            case "track_published":
                return self._track_published(message.track_published)
            case "answer":
                await self._answered(message.answer)
            case "offer":
                return await self._offered(message.offer)
            case "trickle":
                await self._trickle(message.trickle)
            case "update":
                return self._update(message.update.participants)
            case "subscribed_quality_update":
                self._qualities(message.subscribed_quality_update)
            case "subscription_response":
                error = _name(models.SubscriptionError, message.subscription_response.err)
                self._participant.fault("subscribe_refused", error)
            case "request_response":
                self._request_refused(message.request_response)
            case "track_unpublished":
                self._participant.fault("track_unpublished", "the target ended a published track")
            case "leave":
                self._leave(message.leave)
        return []

    async def _joined(self, join: rtc.JoinResponse) -> list[rtc.SignalRequest]:
        if self._sid is not None:
            return []
        protocol = join.server_info.protocol
        if 0 < protocol < _OLDEST_PROTOCOL:
            raise JoinRefusedError(
                "version_mismatch", f"the server speaks protocol {protocol}, not {PROTOCOL}"
            )
        participant = self._participant
        self._sid = join.participant.sid
        self.ping_interval_s = min(
            max(float(join.ping_interval or _DEFAULT_PING_S), _PING_S[0]), _PING_S[1]
        )
        participant.accepted()
        requests = []
        if participant.audio or participant.video:
            if join.participant.HasField("permission") and not (
                join.participant.permission.can_publish
            ):
                raise JoinRefusedError("not_permitted", "the token does not permit to publish")
            self._publisher = participant.publisher(trickle=True)
            self._offer = await self._publisher.offer()
            for track in livekit_tracks.own_tracks(sdp.parse(self._offer)):
                self._own[track.cid] = track
                added = livekit_tracks.add_track(track, participant)
                requests.append(rtc.SignalRequest(add_track=added))
        else:
            self.phase = "joined"
        return [*requests, *self._update(join.other_participants)]

    def _track_published(
        self, published: rtc.TrackPublishedResponse
    ) -> Sequence[rtc.SignalRequest]:
        """Send the offer once all tracks are announced."""
        track = self._own.pop(published.cid, None)
        if track is None:
            return []
        self._published[published.track.sid] = track
        if self._own:
            return []
        offer = rtc.SessionDescription(type="offer", sdp=self._offer, id=_OFFER_ID)
        return [rtc.SignalRequest(offer=offer)]

    async def _answered(self, answer: rtc.SessionDescription) -> None:
        if self._publisher is None or self._own or self.phase != "joining":
            return
        if answer.id in (0, _OFFER_ID):
            await self._publisher.answered(answer.sdp)
            self.phase = "joined"

    async def _offered(self, offer: rtc.SessionDescription) -> Sequence[rtc.SignalRequest]:
        try:
            publishers = self._remote.publishers(sdp.parse(offer.sdp), offer.mid_to_track_id)
            text = await self._subscriber.answer(offer.sdp, publishers)
        except (SdpError, JoinRefusedError) as error:
            self._participant.fault("offer_unusable", str(error))
            return []
        answer = rtc.SessionDescription(type="answer", sdp=text, id=offer.id)
        return [rtc.SignalRequest(answer=answer)]

    async def _trickle(self, trickle: rtc.TrickleRequest) -> None:
        try:
            init = msgspec.json.decode(trickle.candidateInit, type=_CandidateInit)
        except msgspec.DecodeError as error:
            self._participant.fault("candidate_unusable", str(error))
            return
        if trickle.target == rtc.SignalTarget.SUBSCRIBER:
            await self._subscriber.add_candidate(init.candidate)
        elif self._publisher is not None:
            await self._publisher.add_candidate(init.candidate)

    def _update(self, participants: Sequence[models.ParticipantInfo]) -> list[rtc.SignalRequest]:
        requests: list[rtc.SignalRequest] = []
        for info in participants:
            if info.sid == self._sid:
                if info.state == models.ParticipantInfo.State.DISCONNECTED:
                    self.end_reason = _name(models.DisconnectReason, info.disconnect_reason)
                continue
            more, too_many = self._remote.update(info)
            requests += more
            if too_many:
                self._participant.fault("too_many_tracks", _TOO_MANY)
        return requests

    def _qualities(self, update: rtc.SubscribedQualityUpdate) -> None:
        """Deactivate encodings without subscribers; a single encoding has no rid."""
        participant = self._participant
        track = self._published.get(update.track_sid)
        if track is None or self._publisher is None or not participant.dynacast:
            return
        if len(participant.encodings) > 1:
            codec, encodings = participant.video_codec, participant.encodings
            rids = livekit_tracks.active_rids(update, codec, encodings)
            self._publisher.activate(track.mid, rids)

    def _request_refused(self, response: rtc.RequestResponse) -> None:
        if response.reason == rtc.RequestResponse.Reason.OK:
            return
        reason = _name(rtc.RequestResponse.Reason, response.reason)
        text = f"{reason}: {response.message[:_MAX_TEXT]}"
        if response.WhichOneof("request") == "add_track" and self.phase == "joining":
            raise JoinRefusedError("not_permitted", text)
        self._participant.fault("request_refused", text)

    def _leave(self, leave: rtc.LeaveRequest) -> None:
        reason = _name(models.DisconnectReason, leave.reason)
        if self.phase == "joining":
            raise JoinRefusedError(f"leave_{reason}", f"the target ended the session: {reason}")
        self.phase, self.end_reason = "ended", f"leave: {reason}"
        if leave.action != rtc.LeaveRequest.Action.DISCONNECT:
            self.end_reason += f" ({_name(rtc.LeaveRequest.Action, leave.action)})"


def _frame(request: rtc.SignalRequest) -> bytes:
    return request.SerializeToString()


def _name(enum: object, number: int) -> str:
    """Return the name of a value in lower case; unknown values are those of newer servers."""
    try:
        return str(enum.Name(number)).lower()  # type: ignore[attr-defined]
    except ValueError:
        return f"reason_{number}"
