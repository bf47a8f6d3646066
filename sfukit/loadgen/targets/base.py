"""The interface between a signaling protocol and the participants of a load test.

A target is one adapter per signaling protocol. It sends and receives messages of that protocol,
and passes session descriptions as SDP text to the connections of a ``Participant``, which has the
media.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from sfukit.loadgen.scenario import Encoding, Size
from sfukit.targets.access import Access


class JoinRefusedError(Exception):
    """The target refused a join: code, message and retry delay."""

    def __init__(self, code: str, message: str, retry_after_s: object = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


class PublishConnection(Protocol):
    """A peer connection that sends all tracks of a participant."""

    async def offer(self) -> str:
        """Return the offer: audio first, then video, by ``Participant.audio`` and ``video``."""

    async def answered(self, sdp: str) -> None:
        """Start ICE and media; raise ``JoinRefusedError`` for an answer that is not usable."""

    async def add_candidate(self, candidate: str) -> None:
        """Add a remote candidate (RFC 8838), as in ``a=candidate``; others than UDP are ignored."""

    def activate(self, mid: str, rids: Sequence[str]) -> None:
        """Send only these encodings of an m-line (dynacast); unknown m-lines are ignored."""


class ReceiveConnection(Protocol):
    """A peer connection that receives tracks.

    ``publishers`` are the names of the publishing participants by mid; m-lines of unknown
    publishers are received too.
    """

    async def offer(self) -> str:
        """Return an offer that receives one audio and one video track, as planned (WHEP)."""

    async def answered(self, sdp: str, publishers: Mapping[str, str]) -> None:
        """Start ICE and receive; raise ``JoinRefusedError`` for an answer that is not usable."""

    async def answer(self, sdp: str, publishers: Mapping[str, str]) -> str:
        """Receive exactly the tracks of an offer; return the answer.

        Raises ``SdpError``, and ``JoinRefusedError`` without candidates.

        Later offers of the same connection add and end tracks.
        """

    async def add_candidate(self, candidate: str) -> None:
        """Add a remote candidate (RFC 8838), as in ``a=candidate``; others than UDP are ignored."""

    async def close(self) -> None:
        """End the connection alone, where the target ends it; leaving closes all."""


class Participant(Protocol):
    """One participant: its plan, its connections, and the record of its signaling."""

    @property
    def name(self) -> str:
        """The name of the participant, unique in its room."""

    @property
    def room(self) -> str:
        """The name of the room."""

    @property
    def number(self) -> int:
        """The number of the participant in the run, from 1: ``{n}`` in URLs."""

    @property
    def clients(self) -> int:
        """The number of participants of the run."""

    @property
    def run_s(self) -> float:
        """The planned time of the run, which tokens have to outlive."""

    @property
    def audio(self) -> bool:
        """Whether an audio track is published."""

    @property
    def video(self) -> bool:
        """Whether a video track is published."""

    @property
    def encodings(self) -> Sequence[Encoding]:
        """The encodings of the published video, the smallest first."""

    @property
    def video_codec(self) -> str:
        """The codec of the published video: ``vp8``, ``h264``, ``vp9`` or ``av1``."""

    @property
    def subscriptions(self) -> Mapping[str, Size]:
        """The participants to subscribe to, by name, with the size of their video, as of now.

        ``large`` is the highest encoding, ``medium`` the second, ``small`` the lowest; where the
        video is ``hidden``, only the audio is received.
        """

    @property
    def dynacast(self) -> bool:
        """Whether encodings without subscribers are deactivated, if the server reports them."""

    def accepted(self) -> None:
        """Record that the target accepted the join."""

    def fault(self, code: str, message: str) -> None:
        """Count a fault of the target that does not end the session."""

    def switched(self, reason: str, wait_ms: float | None) -> None:
        """Record that the target switched the encoding of a track; None: without a wait."""

    def backed_off(self, delay_s: float) -> None:
        """Record a request refused by a rate limit, and the delay until its retry."""

    def retried(self) -> None:
        """Record the retry."""

    def publisher(
        self, *, trickle: bool = False, rids: Sequence[str] | None = None
    ) -> PublishConnection:
        """Open the connection that publishes.

        With ``trickle`` the remote candidates may follow the answer. ``rids`` are the names of
        several encodings, the smallest first, where the protocol of the target sets them.
        """

    def subscriber(self, *, trickle: bool = False) -> ReceiveConnection:
        """Open a connection that receives; a target may use several."""


class Session(Protocol):
    """The signaling of one participant."""

    async def join(self) -> None:
        """Join; return once the target accepted the participant; raise ``JoinRefusedError``."""

    async def run(self) -> str:
        """Process messages of the target until the session ends; return the reason."""

    async def leave(self) -> None:
        """End the session; never fails."""


@runtime_checkable
class RearrangingSession(Session, Protocol):
    """A session that can change what is received: optional, for ``--speaker-switch``."""

    async def rearrange(self, sizes: Mapping[str, Size]) -> None:
        """Receive the video of each participant in its size from now on; never fails."""


@runtime_checkable
class EstimatingSession(Session, Protocol):
    """A session whose target reports its bandwidth estimates: optional."""

    async def estimate_bps(self) -> float | None:
        """Return the estimate of what this participant can receive; None: unknown. Never fails."""


class Target(Protocol):
    """A server under load."""

    def session(self, participant: Participant) -> Session:
        """Return the signaling of one participant."""


@runtime_checkable
class FaultyTarget(Target, Protocol):
    """A target that can become unusable by its own code: a plug-in."""

    @property
    def fault(self) -> str | None:
        """Why the run has to end; None while it can continue."""


@dataclass(frozen=True)
class TargetOptions:
    """What a plug-in is created with: the URL as typed, the access, the limit of one join."""

    url: str
    access: Access
    join_timeout_s: float
