"""A client of Galene's protocol: JSON frames in, JSON frames out. No sockets.

The sender of a stream offers it, one peer connection per stream in both directions
(README.PROTOCOL of Galene).
"""

import secrets
from typing import Literal, NamedTuple

import msgspec

from sfukit.loadgen.targets.base import (
    JoinRefusedError,
    Participant,
    PublishConnection,
    ReceiveConnection,
)
from sfukit.signaling import sdp
from sfukit.signaling.sdp import SdpError

Phase = Literal["joining", "joined", "ended"]

PROTOCOL = "2"

_RIDS = {2: ("l", "h"), 3: ("l", "m", "h")}  # by the number of encodings, the smallest first
_VIDEO = {"large": "video", "small": "video-low"}
_MAX_STREAMS = 4  # of one publisher at a time
_MAX_TEXT = 200
_TOO_MANY = "the target offers more streams than planned; further ones are aborted"
_REFUSALS = (  # parts of the texts of Galene, and the code
    ("authori", "not_authorised"),
    ("does not exist", "group_not_found"),
    ("too many", "group_full"),
    ("locked", "group_locked"),
    ("redirect", "redirected"),
)


class Login(NamedTuple):
    """The group, and the credentials of ``join``; a token is used in place of a password."""

    group: str
    username: str
    password: str = ""
    token: str | None = None


class _Candidate(msgspec.Struct):
    candidate: str = ""


class _Incoming(msgspec.Struct):
    """A message of the server, with the fields that are used."""

    type: str
    kind: str | None = None
    id: str | None = None
    source: str | None = None
    replace: str | None = None
    version: list[str] | None = None
    permissions: list[str] | None = None
    sdp: str | None = None
    candidate: _Candidate | None = None
    value: object = None


class _Stream(NamedTuple):
    publisher: str
    connection: ReceiveConnection


_incoming = msgspec.json.Decoder(_Incoming)


class GaleneClient:
    """The protocol of one participant."""

    def __init__(self, participant: Participant, login: Login) -> None:
        self.phase: Phase = "joining"
        self.end_reason = ""
        self._participant = participant
        self._login = login
        # streams name their publisher by this id: usernames may be common to all participants
        self._id = f"{secrets.token_hex(12)}.{participant.name}"
        self._stream_id = secrets.token_hex(16)
        self._publisher: PublishConnection | None = None
        self._streams: dict[str, _Stream] = {}
        self._last_error = ""
        sizes = list(participant.subscriptions.values())
        self._default_size = max(("small", "large"), key=lambda size: sizes.count(size))  # type: ignore[arg-type]

    def join_requests(self) -> list[bytes]:
        """Return the handshake and the request to join, which may be sent at once."""
        login = self._login
        join = {"type": "join", "kind": "join", "group": login.group, "username": login.username}
        secret = {"password": login.password} if login.token is None else {"token": login.token}
        return [
            _frame(type="handshake", version=[PROTOCOL], id=self._id),
            msgspec.json.encode({**join, **secret, "data": {}}),
        ]

    def leave_requests(self) -> list[bytes]:
        """Return the end of the published stream, and the request to leave."""
        self.phase = "ended"
        closing = [_frame(type="close", id=self._stream_id)] if self._publisher else []
        return [*closing, _frame(type="join", kind="leave", group=self._login.group)]

    async def receive(self, frame: bytes) -> list[bytes]:
        """Process one frame; return the frames to send.

        Raises ``JoinRefusedError`` while joining, and ``msgspec.DecodeError``.
        """
        message = _incoming.decode(frame)
        match message.type:
            case "handshake":
                self._handshake(message)
            case "joined":
                return await self._joined(message)
            case "offer":
                return await self._offered(message)
            case "answer":
                await self._answered(message)
            case "ice":
                await self._candidate(message)
            case "close":
                await self._close(message.id or "")
            case "abort" | "renegotiate":
                self._stream_ended(message)
            case "usermessage":
                self._user_message(message)
            case "ping":
                return [_frame(type="pong")]
        return []

    def _handshake(self, message: _Incoming) -> None:
        versions = message.version or []
        if PROTOCOL not in versions:
            said = ", ".join(versions)[:_MAX_TEXT] or "no version"
            raise JoinRefusedError(
                "version_mismatch", f"the server speaks {said} of the protocol, not {PROTOCOL}"
            )

    async def _joined(self, message: _Incoming) -> list[bytes]:
        if message.kind == "fail":
            raise self._refusal(_text(message.value))
        if message.kind == "redirect":
            raise self._refusal(f"redirect to {_text(message.value)}: give this URL")
        if message.kind == "leave":
            self.phase, self.end_reason = "ended", self._last_error or "the server ended the join"
        if message.kind != "join" or self.phase != "joining" or self._publisher is not None:
            return []
        participant = self._participant
        publishes = participant.audio or participant.video
        if publishes and "present" not in (message.permissions or ()):
            raise JoinRefusedError(
                "not_authorised", f"{self._login.username} may not publish (permission 'present')"
            )
        participant.accepted()
        wanted = ["audio", _VIDEO[self._default_size]]
        requested = {"": wanted} if participant.subscriptions else {}
        frames = [_frame(type="request", request=requested)]
        if not publishes:
            self.phase = "joined"
            return frames
        rids = _RIDS.get(len(participant.encodings))
        self._publisher = participant.publisher(trickle=True, rids=rids)
        offer = _frame(
            type="offer",
            id=self._stream_id,
            label="camera",
            source=self._id,
            username=self._login.username,
            kind="",
            replace=None,
            sdp=await self._publisher.offer(),
        )
        return [*frames, offer]

    async def _answered(self, message: _Incoming) -> None:
        if self.phase == "joining" and self._publisher and message.id == self._stream_id:
            await self._publisher.answered(message.sdp or "")
            self.phase = "joined"

    async def _offered(self, message: _Incoming) -> list[bytes]:
        """Answer the offer of a planned publisher, new or again; abort others."""
        number, publisher = message.id or "", (message.source or "").rpartition(".")[2]
        if message.replace and message.replace != number:
            await self._close(message.replace)
        size = self._participant.subscriptions.get(publisher)
        if size is None:
            return [_frame(type="abort", id=number)]
        known = self._streams.get(number)
        if known is None:
            if len(self._streams) >= _MAX_STREAMS * len(self._participant.subscriptions):
                self._participant.fault("too_many_streams", _TOO_MANY)
                return [_frame(type="abort", id=number)]
            known = _Stream(publisher, self._participant.subscriber(trickle=True))
        try:
            mids = [section.mid for section in sdp.parse(message.sdp or "").media]
            answer = await known.connection.answer(
                message.sdp or "", dict.fromkeys(mids, known.publisher)
            )
        except (SdpError, JoinRefusedError) as error:
            self._participant.fault("offer_unusable", str(error))
            return [_frame(type="abort", id=number)]
        frames = [_frame(type="answer", id=number, sdp=answer)]
        if number not in self._streams and size != self._default_size:
            wanted = ["audio", _VIDEO[size]]
            frames.append(_frame(type="requestStream", id=number, request=wanted))
        self._streams[number] = known
        return frames

    async def _candidate(self, message: _Incoming) -> None:
        text = message.candidate.candidate if message.candidate else ""
        if message.id == self._stream_id and self._publisher:
            await self._publisher.add_candidate(text)
        elif message.id in self._streams:
            await self._streams[message.id].connection.add_candidate(text)

    async def _close(self, number: str) -> None:
        stream = self._streams.pop(number, None)
        if stream is not None:
            await stream.connection.close()

    def _stream_ended(self, message: _Incoming) -> None:
        """Record that the server rejects the published stream, or requests an ICE restart."""
        if message.id != self._stream_id or self._publisher is None:
            return
        if message.type == "renegotiate":
            self._participant.fault("renegotiate", "the target requests an ICE restart; ignored")
            return
        text = f"the target aborted the published stream {self._last_error}".rstrip()
        if self.phase == "joining":
            raise JoinRefusedError("stream_aborted", text)
        self._participant.fault("stream_aborted", text)

    def _user_message(self, message: _Incoming) -> None:
        """Record errors, and the removal from the group."""
        if message.kind not in ("error", "kicked"):
            return
        text = self._last_error = _text(message.value) or message.kind
        if message.kind == "kicked":
            self.end_reason = f"kicked: {text}"
        elif self.phase == "joined":
            self._participant.fault("target_error", text)

    def _refusal(self, text: str) -> JoinRefusedError:
        codes = (code for part, code in _REFUSALS if part in text.lower())
        return JoinRefusedError(next(codes, "join_refused"), text or "the join was refused")


def _frame(**fields: object) -> bytes:
    return msgspec.json.encode(fields)


def _text(value: object) -> str:
    return value[:_MAX_TEXT] if isinstance(value, str) else ""
