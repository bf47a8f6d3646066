"""A check by the adapters of the load generator: steps, causes, candidates that follow."""

import asyncio
import json

import httpx
import pytest
from google.protobuf.json_format import ParseDict
from livekit.protocol import models, rtc

from sfukit.cli.check_adapters import AdapterClient, CheckedParticipant, signaling_client
from sfukit.errors import UsageError
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.galene_client import GaleneClient, Login
from sfukit.loadgen.targets.livekit_client import LivekitClient
from sfukit.probe.check.options import CheckOptions
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.signaling import descriptions
from sfukit.signaling.descriptions import Encoding, OfferParameters
from sfukit.signaling.sdp import SdpError
from sfukit.signaling.transport import Credentials
from sfukit.targets.access import Access
from sfukit.targets.detect import DetectedTarget, Kind, TargetUrl
from tests.unit.loadgen.recordings import exchange

CANDIDATE = "candidate:1 1 udp 1 192.0.2.7 9 typ host"


class Session:
    """The signaling of a server that answers with an SDP text, and trickles."""

    def __init__(self, participant: CheckedParticipant, refusal: Exception | None = None) -> None:
        self.participant = participant
        self.refusal = refusal
        self.trickles: list[str] = []
        self.left = False

    async def join(self) -> None:
        if self.refusal is not None:
            raise self.refusal
        connection = self.participant.publisher(trickle=True)
        assert await connection.offer() == "the offer"
        self.participant.accepted()
        await connection.answered("v=0\r\n")

    async def run(self) -> str:
        for text in self.trickles:
            await self.participant.connection.add_candidate(text)
        await asyncio.Event().wait()
        return ""

    async def leave(self) -> None:
        self.left = True


def checked(
    refusal: Exception | None = None, limit_s: float = 5.0
) -> tuple[Session, AdapterClient]:
    participant = CheckedParticipant("room", "check-1")
    session = Session(participant, refusal)
    return session, AdapterClient(session, participant, limit_s, has_token=True)


async def test_the_steps_are_recorded_and_candidates_collected() -> None:
    session, client = checked()
    session.trickles = ["", "no candidate", f"{CANDIDATE}\r\na=x", CANDIDATE, f"a={CANDIDATE}"]
    session.participant.fault("odd", "a message")
    recorder = StepRecorder()
    answer = await client.exchange(recorder, "the offer")
    await client.leave()
    assert answer.sdp == f"v=0\r\na={CANDIDATE}\r\na={CANDIDATE}\r\n"
    assert answer.notes == ["odd: a message"]
    assert [(step.name, step.found) for step in recorder.steps] == [
        ("websocket", "joined"),
        ("token", "accepted"),
    ]
    assert session.left


async def test_an_answer_without_candidates_is_returned_after_the_limit() -> None:
    _, client = checked(limit_s=0.01)
    answer = await client.exchange(StepRecorder(), "the offer")
    await client.leave()
    assert answer.sdp == "v=0\r\n"


@pytest.mark.parametrize(
    ("refusal", "step", "cause"),
    [
        (JoinRefusedError("connect", "refused"), "websocket", "connect"),
        (JoinRefusedError("http_503", "busy"), "websocket", "http_503"),
        (JoinRefusedError("token_refused", "no"), "token", "token_refused"),
        (JoinRefusedError("not_authorised", "no"), "token", "not_authorised"),
        (JoinRefusedError("create_denied", "no: do this"), "token", "create_denied"),
        (JoinRefusedError("room_full", "full"), "sdp", "room_full"),
        (TimeoutError(), "sdp", "no_answer"),
    ],
)
async def test_refusals_end_a_step(refusal: Exception, step: str, cause: str) -> None:
    _, client = checked(refusal)
    recorder = StepRecorder()
    with pytest.raises(StepFailedError):
        await client.exchange(recorder, "the offer")
    [failed] = recorder.steps
    assert (failed.name, failed.state, failed.cause) == (step, "failed", cause)
    assert bool(failed.fix) is (cause != "create_denied")


def offering() -> tuple[CheckedParticipant, str]:
    """Return a participant with the offer of a check."""
    participant = CheckedParticipant("t", "p1")
    encoding = Encoding(None, 1, 2)
    offered = descriptions.publish_offer(
        OfferParameters(Credentials("u", "p"), "sha-256 AA:BB", 7, "vp8", [encoding])
    )
    participant.connection.offered = offered
    return participant, offered


async def test_a_recorded_livekit_server_accepts_the_check() -> None:
    participant, _ = offering()
    client = LivekitClient(participant)
    sent = []
    for message in exchange("livekit/publisher")[0]:
        frame = ParseDict(message, rtc.SignalResponse()).SerializeToString()
        sent += await client.receive(frame)
    requests = [rtc.SignalRequest.FromString(one) for one in sent]
    kinds = [one.WhichOneof("message") for one in requests]
    assert kinds == ["add_track", "add_track", "answer", "offer"]
    [video] = requests[1].add_track.layers
    assert (video.quality, video.width) == (models.VideoQuality.HIGH, 320)
    assert "a=fingerprint:sha-256 AA:BB" in requests[2].answer.sdp
    assert (client.phase, participant.notes) == ("joined", [])
    answer = descriptions.read_answer(await participant.connection.whole_answer(1.0))
    assert answer.peer.candidates == [("127.0.0.1", 17882)]


async def test_a_recorded_galene_server_accepts_the_check() -> None:
    participant, _ = offering()
    client = GaleneClient(participant, Login("t", "p1", "x"))
    stream = ""
    for message in exchange("galene/publisher")[0]:
        told = {**message, "id": stream} if message["type"] in ("answer", "ice") else message
        for frame in await client.receive(json.dumps(told).encode()):
            request = json.loads(frame)
            stream = request["id"] if request["type"] == "offer" else stream
            assert request["type"] in ("request", "offer", "pong")
    assert (client.phase, participant.notes) == ("joined", [])
    answer = descriptions.read_answer(await participant.connection.whole_answer(1.0))
    assert ("192.0.2.2", 18450) in answer.peer.candidates


async def test_no_connection_to_receive_is_made() -> None:
    participant, offered = offering()
    connection = participant.subscriber()
    for refused in (connection.offer(), connection.answered("v=0", {})):
        with pytest.raises(JoinRefusedError, match="a check publishes"):
            await refused
    with pytest.raises(SdpError):
        await connection.answer("v=1", {})
    await connection.add_candidate(CANDIDATE)
    await connection.close()
    assert participant.connection.answer == ""
    assert "sendonly" in offered


@pytest.mark.parametrize("kind", ["livekit", "galene", "janus"])
async def test_each_kind_has_its_adapter(kind: Kind) -> None:
    url = "http://h/group/t"
    options = CheckOptions(target=TargetUrl(kind, url), access=Access(insecure=True))
    async with httpx.AsyncClient() as client:
        made = signaling_client(DetectedTarget(kind, url, None), options, client)
        assert isinstance(made, AdapterClient)
        if kind != "livekit":
            keyed = CheckOptions(target=options.target, access=Access(api_key="k"))
            with pytest.raises(UsageError, match="--api-key"):
                signaling_client(DetectedTarget(kind, url, None), keyed, client)
