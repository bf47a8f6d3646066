"""The room protocol of one client of a signaling load: frames in, frames out. No sockets."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from sfukit.loadgen.signaling_load import offers
from sfukit.loadgen.signaling_load.recorder import Recorder
from sfukit.loadgen.signaling_load.schedule import Operation
from sfukit.signaling import rpc_client

State = Literal["out", "joining", "in", "leaving"]

_MAX_WAITING = 1_000  # operations of one client behind a join
_TEXT = "x" * 200  # a line of chat
_TOPIC = "chat"


class _Desc(msgspec.Struct):
    type: str
    sdp: str


class _Config(msgspec.Struct, frozen=True, omit_defaults=True):
    no_subscribe: bool = False


class _Join(msgspec.Struct, omit_defaults=True):
    sid: str
    uid: str
    offer: _Desc | None = None
    config: _Config = _Config()


class _Offer(msgspec.Struct):
    desc: _Desc


class _Answer(msgspec.Struct):
    desc: _Desc
    version: int


class _Layers(msgspec.Struct):
    publication: int
    layer: int


class _Chat(msgspec.Struct, frozen=True):
    number: int
    text: str = _TEXT


class _Message(msgspec.Struct):
    data: _Chat
    topic: str = _TOPIC


class _Published(msgspec.Struct):
    publication: int
    kind: str
    uid: str = ""


class _Participant(msgspec.Struct):
    publications: list[_Published]


class _Joined(msgspec.Struct):
    participants: list[_Participant]


class _Received(msgspec.Struct):
    data: _Chat


class _Offered(msgspec.Struct):
    sdp: str
    version: int


class _Removed(msgspec.Struct):
    publication: int


class _Delivered(msgspec.Struct):
    delivered: int


class _Bye(msgspec.Struct):
    reason: str


class _Pending(NamedTuple):
    """A request without response; ``operation`` is None for answers and the first join."""

    method: str
    operation: Operation | None
    planned_s: float


_joined = msgspec.json.Decoder(_Joined)
_published = msgspec.json.Decoder(_Published)
_removed = msgspec.json.Decoder(_Removed)
_received = msgspec.json.Decoder(_Received)
_offered = msgspec.json.Decoder(_Offered)
_delivered = msgspec.json.Decoder(_Delivered)
_bye = msgspec.json.Decoder(_Bye)


class Client:
    """One client; an operation that its state does not allow yet waits, and its time runs on."""

    __slots__ = (
        "_clock",
        "_identity",
        "_last_request",
        "_leaves",
        "_pending",
        "_recorder",
        "_version",
        "_video",
        "_waiting",
        "bye_reason",
        "ended",
        "index",
        "room",
        "send",
        "start_s",
        "state",
        "uid",
    )

    def __init__(
        self,
        index: int,
        room: str,
        recorder: Recorder,
        clock: Callable[[], float],
    ) -> None:
        self.index = index
        self.room = room
        self.uid = f"c{index}"
        self.state: State = "out"
        self.bye_reason = ""
        self.ended = ""
        self._leaves = False  # after its first join
        self.send: Callable[[bytes], None] = _unconnected
        self.start_s = 0.0  # the time from which operations are planned
        self._recorder = recorder
        self._clock = clock
        self._identity: offers.Identity | None = None
        self._video: int | None = None  # the video publication of the other caller
        self._version = 0
        self._last_request = 0
        self._pending: dict[int, _Pending] = {}
        self._waiting: deque[Operation] = deque()

    @property
    def busy(self) -> bool:
        """Whether a response is missing or an operation waits."""
        return bool(self._pending or self._waiting)

    @property
    def unanswered(self) -> int:
        """The operations without response so far."""
        return sum(one.operation is not None for one in self._pending.values()) + len(self._waiting)

    def join_audience(self, planned_s: float, *, stay: bool) -> None:
        """Join without an offer and without subscriptions; leave again unless to ``stay``."""
        self.state, self._leaves = "joining", not stay
        join = _Join(self.room, self.uid, None, _Config(no_subscribe=True))
        self._request("join", join, None, planned_s)

    def prepare(self) -> None:
        """Generate the identity of the offers, before the first one is due."""
        self._identity = offers.new_identity()

    def perform(self, operation: Operation) -> None:
        """Send the request of an operation now, or once the state of the client allows it."""
        if self.ended:
            self._fail(operation, "connection_lost", self.ended)
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._fail(operation, "overdue", f"{_MAX_WAITING} operations wait for a response")
            return
        self._waiting.append(operation)
        self._perform_waiting()

    def receive(self, frame: bytes) -> None:
        """Process one frame; raises ``msgspec.DecodeError``."""
        for message in rpc_client.messages(frame):
            if message.method is None:
                self._response(message)
            else:
                self._notification(message.method, message.params)
        if self._waiting:
            self._perform_waiting()

    def end(self, reason: str) -> None:
        """Fail what is outstanding: the WebSocket is closed."""
        self.ended = self.bye_reason or reason
        self.state = "out"
        for pending in self._pending.values():
            if pending.operation is not None:
                self._fail(pending.operation, "connection_lost", self.ended)
        for operation in self._waiting:
            self._fail(operation, "connection_lost", self.ended)
        self._pending.clear()
        self._waiting.clear()

    def _perform_waiting(self) -> None:
        while self._waiting:
            operation = self._waiting[0]
            if self.state == "out" and operation.kind != "join":
                self._fail(self._waiting.popleft(), "not_joined", "the client could not join")
            elif self._is_ready(operation):
                self._perform(self._waiting.popleft())
            else:
                break

    def _is_ready(self, operation: Operation) -> bool:
        if operation.kind == "join":
            return self.state == "out"
        if operation.kind == "layer" and self._video is None:
            return False
        return self.state == "in"

    def _perform(self, operation: Operation) -> None:
        planned_s = self.start_s + operation.due_s
        if operation.kind == "join":
            self.state, self._version = "joining", 1
            join = _Join(self.room, self.uid, self._description())
            self._request("join", join, operation, planned_s)
        elif operation.kind == "leave":
            self.state, self._video = "leaving", None
            self._request("leave", {}, operation, planned_s)
        elif operation.kind == "message":
            self._recorder.sent_message(operation, planned_s)
            self._request("message", _Message(_Chat(operation.number)), operation, planned_s)
        elif operation.kind == "layer":
            assert self._video is not None
            layers = _Layers(self._video, operation.layer)
            self._request("layers", layers, operation, planned_s)
        else:
            self._version += 1
            self._request("offer", _Offer(self._description()), operation, planned_s)

    def _description(self) -> _Desc:
        """Return the next offer: every second one stops the audio, the others send it again."""
        assert self._identity is not None
        audio = self._version % 2 == 1
        return _Desc("offer", offers.offer(self._identity, self._version, audio=audio))

    def _request(
        self, method: str, params: object, operation: Operation | None, planned_s: float
    ) -> None:
        self._last_request += 1
        self._pending[self._last_request] = _Pending(method, operation, planned_s)
        self.send(rpc_client.request(method, params, self._last_request))

    def _response(self, message: rpc_client.Incoming) -> None:
        pending = self._pending.pop(message.id or 0, None)
        if pending is None:
            return
        operation = pending.operation
        if message.error is not None:
            self._refused(pending, message.error)
            return
        latency_s = self._clock() - pending.planned_s
        if operation is not None:
            self._recorder.finished(operation, latency_s)
        if pending.method == "join":
            self.state = "in"
            participants = _joined.decode(message.result).participants
            self._note(one for other in participants for one in other.publications)
            if operation is None:
                self._recorder.latency("audience_join_ms", latency_s)
            if self._leaves:
                self.state, self._leaves = "leaving", False
                self._request("leave", {}, None, self._clock())
        elif pending.method == "leave":
            self.state = "out"
        elif pending.method == "message" and operation is not None:
            self._recorder.confirmed(operation, _delivered.decode(message.result).delivered)
        elif pending.method == "answer" and pending.planned_s >= self._recorder.window_begins_s:
            self._recorder.latency("answer_ms", latency_s)

    def _refused(self, pending: _Pending, failure: rpc_client.Failure) -> None:
        if pending.method == "join":
            self.state = "out"
        elif pending.method == "leave":
            self.state = "in"
        text = f"{pending.method}: {failure.message}"
        if pending.operation is None:
            self._recorder.refused(self.index, failure.reason, text, self.uid)
            return
        if pending.method == "message":
            self._recorder.undeliverable(pending.operation)
        self._fail(pending.operation, failure.reason, text)

    def _fail(self, operation: Operation, code: str, message: str) -> None:
        if self._recorder.is_counted(operation):
            self._recorder.refused(self.index, code, message, self.uid)

    def _notification(self, method: str, params: msgspec.Raw) -> None:
        if method == "message":
            self._recorder.delivered(_received.decode(params).data.number, self._clock())
        elif method == "publication-added":
            self._note((_published.decode(params),))
        elif method == "publication-removed":
            if _removed.decode(params).publication == self._video:
                self._video = None
        elif method == "offer":
            self._answer(_offered.decode(params))
        elif method == "bye":
            self.bye_reason = _bye.decode(params).reason

    def _note(self, publications: Iterable[_Published]) -> None:
        """Remember the video of the other caller, for the layer requests."""
        for one in publications:
            if one.kind == "video" and one.uid != self.uid:
                self._video = one.publication

    def _answer(self, offered: _Offered) -> None:
        if self._identity is None:  # a client of the audience has no subscriptions
            return
        answer = offers.answer(offered.sdp, self._identity)
        params = _Answer(_Desc("answer", answer), offered.version)
        self._request("answer", params, None, self._clock())


def _unconnected(_message: bytes) -> None:
    """Drop a message of a client without connection."""
