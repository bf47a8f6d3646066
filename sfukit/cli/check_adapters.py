"""The signaling of LiveKit, Galene and Janus for a check, by the adapters of the load generator.

``sfukit.probe`` does not import them: the command line passes ``signaling_client`` to a check.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress

import httpx

from sfukit.loadgen import other_targets
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.scenario import Encoding, Size
from sfukit.loadgen.scenario.media import LADDER
from sfukit.loadgen.targets.base import JoinRefusedError, Session
from sfukit.probe.check.options import CheckOptions
from sfukit.probe.check.signaling import Answer, accepted
from sfukit.probe.finding import Step, Stopwatch
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.signaling import descriptions
from sfukit.signaling import sdp as session_description
from sfukit.targets.detect import DetectedTarget

_RUN_S = 60.0
_MORE_CANDIDATES_S = 0.2  # servers send the candidates of several addresses one by one
_MAX_CANDIDATES = 16
_CONNECTING = ("connect", "tls", "connection_closed", "endpoint_elsewhere", "not_galene")
_DENIED = ("not_authorised", "create_denied")
_FIXES = {
    "websocket": "does a proxy on the path allow WebSocket upgrades?",
    "token": "give --token, or --api-key and --api-secret (Janus: --api-secret alone)",
    "sdp": "see the server's log",
}


def signaling_client(
    found: DetectedTarget, options: CheckOptions, client: httpx.AsyncClient
) -> "AdapterClient":
    """Return the signaling of a target; raise ``SfukitError`` where it cannot be used."""
    limit_s = options.limits.answer_s
    load = LoadOptions(clients=1)
    run = RunOptions(load=load, access=options.access, join_timeout_s=limit_s)
    other_targets.require_usable(found, run)
    room, identity = options.room_and_identity()
    participant = CheckedParticipant(room, identity, options.clients)
    target = other_targets.open_target(found, run, client)
    has_token = options.access.token is not None or options.access.api_secret is not None
    return AdapterClient(target.session(participant), participant, limit_s, has_token)


class CheckedParticipant:
    """A ``Participant`` that publishes audio and one encoding, and receives nothing."""

    number = 1
    run_s = _RUN_S
    audio = True
    video = True
    video_codec = "vp8"
    dynacast = False

    def __init__(self, room: str, name: str, clients: int = 1) -> None:
        self.room = room
        self.name = name
        self.clients = clients
        self.notes: list[str] = []
        self.connection = PublishedConnection()

    @property
    def encodings(self) -> Sequence[Encoding]:
        return LADDER[:1]

    @property
    def subscriptions(self) -> Mapping[str, Size]:
        return {}

    def accepted(self) -> None:
        """The step ``token`` is recorded with the answer."""

    def fault(self, code: str, message: str) -> None:
        self.notes.append(f"{code}: {message}")

    def switched(self, reason: str, wait_ms: float | None) -> None:
        """Nothing is received."""

    def backed_off(self, delay_s: float) -> None:
        self.notes.append(f"refused by a rate limit for {delay_s:.1f} s")

    def retried(self) -> None:
        """The delay is noted."""

    def publisher(
        self, *, trickle: bool = False, rids: Sequence[str] | None = None
    ) -> "PublishedConnection":
        return self.connection

    def subscriber(self, *, trickle: bool = False) -> "UnusedConnection":
        return UnusedConnection(self.connection)


class PublishedConnection:
    """The ``PublishConnection`` of a check: its offer is given, the answer is kept."""

    def __init__(self) -> None:
        self.offered = ""
        self.answer = ""
        self._candidates: list[str] = []
        self._trickled = asyncio.Event()

    @property
    def fingerprint(self) -> str:
        """The fingerprint of the certificate of the offer."""
        return session_description.parse(self.offered).media[0].fingerprints[0]

    async def offer(self) -> str:
        return self.offered

    async def answered(self, sdp: str) -> None:
        self.answer = sdp

    async def add_candidate(self, candidate: str) -> None:
        text = candidate.strip().removeprefix("a=")
        is_one = text.startswith("candidate:") and "\n" not in text and "\r" not in text
        if is_one and len(self._candidates) < _MAX_CANDIDATES:
            self._candidates.append(text)
            self._trickled.set()

    def activate(self, mid: str, rids: Sequence[str]) -> None:
        """The only encoding stays active."""

    async def whole_answer(self, limit_s: float) -> str:
        """Return the answer with the candidates that follow it, where it has none."""
        if "\na=candidate:" not in self.answer:
            with suppress(TimeoutError):
                async with asyncio.timeout(limit_s):
                    await self._trickled.wait()
                await asyncio.sleep(_MORE_CANDIDATES_S)
        lines = "".join(f"a={candidate}\r\n" for candidate in self._candidates)
        return self.answer + lines


class UnusedConnection:
    """A ``ReceiveConnection`` that answers offers, and never connects: a check publishes alone.

    LiveKit offers a second connection, and waits for an answer.
    """

    def __init__(self, published: PublishedConnection) -> None:
        self._published = published
        self._credentials = descriptions.new_credentials()

    async def offer(self) -> str:
        raise _unused()

    async def answered(self, sdp: str, publishers: Mapping[str, str]) -> None:
        raise _unused()

    async def answer(self, sdp: str, publishers: Mapping[str, str]) -> str:
        offered = descriptions.read_offer(sdp)
        return descriptions.play_answer(offered, self._credentials, self._published.fingerprint)

    async def add_candidate(self, candidate: str) -> None:
        """No connection is made."""

    async def close(self) -> None:
        """No connection was made."""


class AdapterClient:
    """A ``SignalingClient`` that joins by an adapter of the load generator."""

    def __init__(
        self, session: Session, participant: CheckedParticipant, limit_s: float, has_token: bool
    ) -> None:
        self._session = session
        self._participant = participant
        self._limit_s = limit_s
        self._has_token = has_token
        self._running: asyncio.Task[str] | None = None

    async def exchange(self, recorder: StepRecorder, offer: str) -> Answer:
        """Run the steps ``websocket`` and ``token``; return the answer."""
        connection, watch = self._participant.connection, Stopwatch()
        connection.offered = offer
        try:
            async with asyncio.timeout(self._limit_s):
                await self._session.join()
        except JoinRefusedError as refused:
            raise _failed(recorder, refused.code, refused.message) from refused
        except TimeoutError as late:
            raise _failed(recorder, "no_answer", "no answer to the join") from late
        recorder.add(Step(name="websocket", state="ok", found="joined"))
        accepted(recorder, "token" if self._has_token else None)
        joined_ms = watch.ms
        self._running = asyncio.create_task(self._session.run())
        answer = await connection.whole_answer(self._limit_s)
        return Answer(answer, joined_ms, self._participant.notes)

    async def leave(self) -> None:
        """End the session."""
        if self._running is not None:
            self._running.cancel()
        await self._session.leave()


def _failed(recorder: StepRecorder, code: str, message: str) -> StepFailedError:
    """Record the step that a refusal ends."""
    step = "sdp"
    if code in _CONNECTING or code.startswith("http_"):
        step = "websocket"
    elif code.startswith("token_") or code in _DENIED:
        step = "token"
    failed = StepFailedError(code, message, None if code == "create_denied" else _FIXES[step])
    recorder.failed(step, failed)
    return failed


def _unused() -> JoinRefusedError:
    return JoinRefusedError("not_received", "a check publishes, and receives nothing")
