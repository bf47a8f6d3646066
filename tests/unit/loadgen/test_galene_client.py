"""Galene's protocol, frame by frame: recorded exchanges of a real server, refusals, bounds."""

import json
from typing import Any

import pytest

from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.galene_client import GaleneClient, Login
from sfukit.signaling import sdp
from sfukit.swarm.messages import (
    AddCandidate,
    Candidate,
    CloseTransport,
    OpenTransport,
    Publish,
    Receive,
)

from .recordings import ONE_PAIR, Bot, exchange

MEETING = LoadOptions(clients=3)
JOINED = {"type": "joined", "kind": "join", "permissions": ["present"], "group": "t"}
LOGIN = Login("t", "p1", "x")


class Client:
    """A client and its bot."""

    def __init__(self, name: str, options: LoadOptions = ONE_PAIR, login: Login = LOGIN) -> None:
        self.bot = Bot(name, options)
        self.client = GaleneClient(self.bot.session, login)
        self.sent: list[dict[str, Any]] = []

    def begin(self) -> None:
        self.sent += map(json.loads, self.client.join_requests())

    async def tell(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        replies = [
            json.loads(one) for one in await self.client.receive(json.dumps(message).encode())
        ]
        self.sent += replies
        return replies

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message for message in self.sent if message["type"] == kind]


def offers() -> list[dict[str, Any]]:
    """Return the offers of the recorded server: a stream, and its smallest encoding."""
    return [one for one in exchange("galene/subscriber")[0] if one["type"] == "offer"]


async def joined(name: str, options: LoadOptions = ONE_PAIR) -> Client:
    client = Client(name, options)
    client.begin()
    await client.tell({"type": "handshake", "version": ["2"]})
    await client.tell(JOINED)
    return client


async def test_a_publisher_says_what_the_recorded_one_said() -> None:
    client = Client("p1")
    client.begin()
    server, recorded = exchange("galene/publisher")
    for message in server:
        stream = client.of("offer")[0]["id"] if client.of("offer") else ""
        await client.tell(
            {**message, "id": stream} if message["type"] in ("answer", "ice") else message
        )
    client.sent += map(json.loads, client.client.leave_requests())
    kinds = [message["type"] for message in recorded]
    assert [message["type"] for message in client.sent][: len(kinds)] == kinds
    for own, theirs in zip(client.sent, recorded, strict=False):
        assert set(theirs) <= set(own)
        for key in ("kind", "version", "group", "label", "request", "data", "replace"):
            assert own.get(key) == theirs.get(key)
    assert client.of("join")[0]["password"] == "x"
    [opened] = client.bot.swarm.of(OpenTransport)
    assert opened.remote.candidates == [Candidate("192.0.2.2", 18450)]
    [added] = client.bot.swarm.of(AddCandidate)
    assert added.candidate == Candidate("2001:db8::2", 18450)
    assert len(client.bot.swarm.of(Publish)) == 2
    assert client.bot.faults == []


async def test_encodings_have_the_names_of_the_protocol() -> None:
    client = await joined("p1")
    [offer] = client.of("offer")
    _, video = sdp.parse(offer["sdp"]).media
    assert video.simulcast["send"] == ["l", "m", "h"]
    answer = next(one for one in exchange("galene/publisher")[0] if one["type"] == "answer")
    await client.tell({**answer, "id": offer["id"]})
    assert client.client.phase == "joined"
    candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.2 9 typ host"}
    await client.tell({"type": "ice", "id": offer["id"], "candidate": candidate})
    video_track = client.bot.swarm.of(Publish)[1]
    assert [(one.rid, one.clip) for one in video_track.encodings] == [("l", 1), ("m", 2), ("h", 3)]


async def test_a_subscriber_answers_as_the_recorded_one() -> None:
    client = Client("s1")
    client.begin()
    server, recorded = exchange("galene/subscriber")
    for message in server:
        await client.tell(message)
    # requestStream is for a stream of another size; the last message is that of leaving
    theirs = [one["type"] for one in recorded[:-1] if one["type"] != "requestStream"]
    assert [one["type"] for one in client.sent] == theirs
    assert client.of("request")[0]["request"] == {"": ["audio", "video"]}
    [opened] = client.bot.swarm.of(OpenTransport)
    assert opened.dtls_role == "client"
    received = client.bot.swarm.of(Receive)
    assert [(one.source, one.mid, one.ssrc) for one in received] == [
        ("p1", "0", 3500740806),
        ("p1", "1", 2510214122),
        ("p1", "2", 27020900),
    ]
    assert [one.transport for one in client.bot.swarm.of(CloseTransport)] == [opened.transport]
    assert (client.client.phase, client.bot.faults) == ("ended", [])


async def test_streams_of_another_size_are_requested_after_the_answer() -> None:
    client = await joined("p1", LoadOptions(clients=4))
    assert client.of("request")[0]["request"] == {"": ["audio", "video-low"]}
    first, second = offers()
    large = await client.tell({**first, "id": "a", "source": "x.p2"})
    assert [one["type"] for one in large] == ["answer", "requestStream"]
    assert large[1] == {"type": "requestStream", "id": "a", "request": ["audio", "video"]}
    small = await client.tell({**first, "id": "b", "source": "x.p3"})
    assert [one["type"] for one in small] == ["answer"]
    again = await client.tell({**second, "id": "a", "source": "x.p2"})
    assert [one["type"] for one in again] == ["answer"]


async def test_streams_of_others_are_aborted_and_endless_streams_bounded() -> None:
    client = await joined("s1")
    first = offers()[0]
    assert await client.tell({**first, "source": "x.other"}) == [
        {"type": "abort", "id": first["id"]}
    ]
    replies = [await client.tell({**first, "id": f"s{number}"}) for number in range(10)]
    assert [one[0]["type"] for one in replies] == ["answer"] * 4 + ["abort"] * 6
    assert client.bot.faults[0] == "too_many_streams"
    await client.tell({"type": "close", "id": "s0"})
    [answer] = await client.tell({**first, "id": "new", "replace": "s1"})
    assert answer["type"] == "answer"
    assert len(client.bot.swarm.of(CloseTransport)) <= 2


async def test_pings_are_answered() -> None:
    client = await joined("s1")
    assert await client.tell({"type": "ping"}) == [{"type": "pong"}]
    assert await client.tell({"type": "unknown", "id": "x"}) == []


async def test_a_token_is_sent_in_place_of_the_password() -> None:
    client = Client("s1", login=Login("t", "s1", "", "abc.def.ghi"))
    client.begin()
    [join] = client.of("join")
    assert join["token"] == "abc.def.ghi"
    assert "password" not in join


@pytest.mark.parametrize(
    ("name", "code", "message"),
    [
        ("galene/wrong-password", "not_authorised", "not authorised"),
        ("galene/no-group", "group_not_found", "group does not exist"),
    ],
)
async def test_recorded_refusals_have_a_code(name: str, code: str, message: str) -> None:
    client = Client("s1")
    server, _ = exchange(name)
    with pytest.raises(JoinRefusedError) as refused:
        for one in server:
            await client.tell(one)
    assert (refused.value.code, refused.value.message) == (code, message)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "handshake", "version": ["1"]}, "version_mismatch"),
        ({"type": "handshake"}, "version_mismatch"),
        ({"type": "joined", "kind": "fail", "value": "too many users"}, "group_full"),
        ({"type": "joined", "kind": "fail", "value": {"x": 1}}, "join_refused"),
        ({"type": "joined", "kind": "redirect", "value": "https://other/group/t"}, "redirected"),
        ({**JOINED, "permissions": ["message"]}, "not_authorised"),
    ],
)
async def test_refused_joins_have_a_code(message: dict[str, Any], code: str) -> None:
    with pytest.raises(JoinRefusedError) as refused:
        await Client("p1").tell(message)
    assert refused.value.code == code


async def test_an_aborted_stream_is_a_refused_join_and_later_a_fault() -> None:
    client = await joined("p1")
    stream = client.of("offer")[0]["id"]
    with pytest.raises(JoinRefusedError, match="aborted"):
        await client.tell({"type": "abort", "id": stream})
    answer = next(one for one in exchange("galene/publisher")[0] if one["type"] == "answer")
    await client.tell({**answer, "id": stream})
    await client.tell({"type": "abort", "id": stream})
    await client.tell({"type": "renegotiate", "id": stream})
    assert client.bot.faults == ["stream_aborted", "renegotiate"]


async def test_errors_of_the_server_are_counted_and_a_kick_is_the_reason() -> None:
    client = await joined("s1")
    for message in exchange("galene/second-join")[0][-1:]:
        await client.tell(message)
    assert client.bot.faults == ["target_error"]
    await client.tell({"type": "usermessage", "kind": "kicked", "value": "bye"})
    assert client.client.end_reason == "kicked: bye"


async def test_an_offer_that_is_no_sdp_is_aborted() -> None:
    client = await joined("s1")
    [reply] = await client.tell({"type": "offer", "id": "a", "source": "x.p1", "sdp": "v=1"})
    assert reply["type"] == "abort"
    assert client.bot.faults == ["offer_unusable"]
