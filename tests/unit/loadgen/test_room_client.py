"""A member of a room, frame by frame, without a socket."""

import json
from typing import Any

import pytest

from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.room_client import RoomClient
from sfukit.signaling import descriptions, sdp
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.subscribe_offer import SubscribeOffers
from sfukit.signaling.transport import LocalTransport
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import (
    Candidate,
    OpenTransport,
    Publish,
    Receive,
    SetActiveEncodings,
    StopReceiving,
)

from ..signaling.test_descriptions import LOCAL, track_of

MEDIA = Media(
    clips={"q": 1, "h": 2, "f": 3, "audio": 4},
    pacing="libwebrtc",
    pli_policy="answer",
    unwatched="dynacast",
    ssrc_base=0x5000,
)


class Room:
    """Three participants; the first is the bot under test."""

    def __init__(self, options: LoadOptions | None = None) -> None:
        self.plan = plan(options or LoadOptions(clients=3))
        self.swarm = FakeSwarm()
        self.ledger = Ledger(self.plan)
        self.swarm.listen(self.ledger.on_event, lambda command, error: None)
        self.bot_session = BotSession(self.plan, self.plan.bots[0], self.swarm, self.ledger, MEDIA)
        self.bot_session.add(0)
        self.client = RoomClient(self.bot_session)
        self.local: LocalTransport = LOCAL

    async def join(self, participants: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
        request = json.loads(await self.client.join_request())
        assert request["method"] == "join"
        assert request["params"]["config"]["dynacast"] is True
        offer = request["params"]["offer"]
        answer = answer_publisher(sdp.parse(offer["sdp"]), self.local, PublishRules())
        result = {
            "type": "answer",
            "sdp": answer.sdp,
            "version": 1,
            "sid": "room",
            "uid": "p1",
            "role": "speaker",
            "publications": [
                {**publication(number, kind), "mid": mid}
                for number, kind, mid in ((8, "audio", "0"), (9, "video", "1"))
            ],
            "participant_count": 1,
            "participants": participants or [],
        }
        return await self.tell({"jsonrpc": "2.0", "id": request["id"], "result": result})

    async def tell(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Deliver one frame; read what the member sends for it."""
        frame = json.dumps(messages if len(messages) > 1 else messages[0])
        reply = await self.client.receive(frame.encode())
        if reply is None:
            return []
        read = json.loads(reply)
        return read if isinstance(read, list) else [read]


def publication(number: int, kind: str) -> dict[str, Any]:
    return {
        "publication": number,
        "kind": kind,
        "source": "camera",
        "codec": "VP8",
        "rids": [],
        "muted": False,
    }


def added(uid: str, number: int, kind: str) -> dict[str, Any]:
    params = {"uid": uid, **publication(number, kind)}
    return {"jsonrpc": "2.0", "method": "publication-added", "params": params}


async def test_joining_connects_and_sends_both_tracks() -> None:
    room = Room()
    assert await room.join() == []
    [opened] = room.swarm.of(OpenTransport)
    assert opened.remote.candidates[0] == Candidate("192.0.2.1", 7081)
    assert opened.dtls_role == "client"
    audio, video = room.swarm.of(Publish)
    assert [encoding.clip for encoding in audio.encodings] == [4]
    assert [(one.rid, one.clip, one.encoding_index) for one in video.encodings] == [
        ("q", 1, 0),
        ("h", 2, 1),
        ("f", 3, 2),
    ]
    assert room.ledger.joined == 1
    numbers = [encoding.ssrc for encoding in (*audio.encodings, *video.encodings)]
    assert len(set(numbers)) == 4


async def test_the_first_camera_is_asked_for_whole_the_others_by_their_lowest_encoding() -> None:
    room = Room()
    there = [
        {
            "uid": uid,
            "name": "",
            "role": "speaker",
            "publications": [publication(first, "video"), publication(first + 1, "audio")],
        }
        for uid, first in (("p2", 1), ("p3", 3), ("other", 5))
    ]
    requests = await room.join(there)
    assert [(one["method"], one["params"]) for one in requests] == [
        ("subscribe", {"publications": [1, 2, 4], "layer": "auto"}),
        ("subscribe", {"publications": [3], "layer": 0}),
    ]


async def test_encodings_without_subscribers_are_inactive() -> None:
    room = Room()
    await room.join()
    _, video = room.swarm.of(Publish)
    told = {"publication": 9, "rids": ["q"]}
    assert await room.tell({"jsonrpc": "2.0", "method": "encodings", "params": told}) == []
    assert room.swarm.of(SetActiveEncodings) == [
        SetActiveEncodings(stream=video.stream, rids=["q"])
    ]
    assert room.ledger.encodings_published == 3
    assert room.ledger.inactive == {video.stream: 2}
    unknown = {"publication": 77, "rids": []}
    await room.tell({"jsonrpc": "2.0", "method": "encodings", "params": unknown})
    assert len(room.swarm.of(SetActiveEncodings)) == 1


async def test_what_was_told_twice_is_asked_for_once() -> None:
    room = Room()
    await room.join()
    requests = await room.tell(
        added("p2", 1, "video"), added("p3", 3, "video"), added("p2", 1, "video")
    )
    assert [one["params"]["publications"] for one in requests] == [[1], [3]]
    assert await room.tell(added("p3", 3, "video")) == []


async def test_an_offer_is_answered_and_its_lines_are_received_until_they_end() -> None:
    room = Room()
    await room.join()
    offers = SubscribeOffers(LOCAL)
    offers.add(track_of(1, "video", 100))
    offers.add(track_of(2, "audio", 200))

    def offer() -> dict[str, Any]:
        text = offers.offer()
        tracks = [
            {
                "mid": mid,
                "publication": one.publication,
                "uid": "p2",
                "kind": one.kind,
                "source": "",
            }
            for mid, one in offers.tracks
        ]
        params = {"type": "offer", "sdp": text, "version": offers.version, "tracks": tracks}
        return {"jsonrpc": "2.0", "method": "offer", "params": params}

    [answer] = await room.tell(offer())
    assert (answer["method"], answer["params"]["version"]) == ("answer", 1)
    offers.answer(sdp.parse(answer["params"]["desc"]["sdp"]))
    assert [(one.ssrc, one.source) for one in room.swarm.of(Receive)] == [(100, "p2"), (200, "p2")]
    assert room.ledger.tracks == 2

    offers.remove(1)
    [second] = await room.tell(offer())
    offers.answer(sdp.parse(second["params"]["desc"]["sdp"]))
    [ended] = room.swarm.of(StopReceiving)
    assert ended.stream == room.swarm.of(Receive)[0].stream
    assert len(room.swarm.of(OpenTransport)) == 2  # one to publish, one to play


async def test_a_refused_join_says_why() -> None:
    room = Room()
    request = json.loads(await room.client.join_request())
    error = {"code": -32007, "message": "enough", "data": {"reason": "max_rooms"}}
    with pytest.raises(JoinRefusedError) as refused:
        await room.tell({"jsonrpc": "2.0", "id": request["id"], "error": error})
    assert (refused.value.code, refused.value.message) == ("max_rooms", "enough")


async def test_a_refused_subscription_is_counted_and_the_rest_goes_on() -> None:
    room = Room()
    await room.join()
    [request] = await room.tell(added("p2", 1, "audio"))
    error = {"code": -32004, "message": "gone", "data": {"reason": "publication_unknown"}}
    assert await room.tell({"jsonrpc": "2.0", "id": request["id"], "error": error}) == []
    [fault] = room.ledger.faults
    assert (fault.code, fault.first) == ("subscribe_refused", "room-1 p1")


async def test_an_offer_that_cannot_be_read_is_counted() -> None:
    room = Room()
    await room.join()
    params = {"type": "offer", "sdp": "nonsense", "version": 1, "tracks": []}
    assert await room.tell({"jsonrpc": "2.0", "method": "offer", "params": params}) == []
    assert [fault.code for fault in room.ledger.faults] == ["offer_unusable"]


async def test_switches_of_the_server_are_counted_by_reason() -> None:
    room = Room()
    await room.join()
    params = {"publication": 1, "from": "q", "to": "f", "reason": "requested", "wait_ms": 12.5}
    await room.tell({"jsonrpc": "2.0", "method": "layer-switch", "params": params})
    missed = {"publication": 1, "from": "f", "to": "f", "reason": "encoding_inactive"}
    await room.tell(
        {"jsonrpc": "2.0", "method": "layer-switch", "params": missed | {"wait_ms": None}}
    )
    assert room.ledger.switches == {"requested": 1}
    assert room.ledger.switch_waits_ms == [12.5]


async def test_a_goodbye_ends_the_membership_with_its_reason() -> None:
    room = Room()
    await room.join()
    await room.tell({"jsonrpc": "2.0", "method": "bye", "params": {"reason": "room_closed"}})
    assert (room.client.phase, room.client.bye_reason) == ("ended", "room_closed")


async def test_what_is_new_in_the_protocol_is_ignored() -> None:
    room = Room()
    await room.join()
    assert await room.tell({"jsonrpc": "2.0", "method": "weather", "params": {"sun": True}}) == []


async def test_the_audience_joins_without_an_offer() -> None:
    room = Room(LoadOptions(clients=2, scenario="broadcast"))
    bot_session = BotSession(room.plan, room.plan.bots[1], room.swarm, room.ledger, MEDIA)
    bot_session.add(0)
    request = json.loads(await RoomClient(bot_session).join_request())
    assert request["params"]["offer"] is None
    assert descriptions.new_credentials() != descriptions.new_credentials()
