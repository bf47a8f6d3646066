"""LiveKit's signaling, frame by frame: recorded exchanges of real servers, refusals, bounds."""

from dataclasses import replace
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from livekit.protocol import models, rtc

from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.livekit_client import LivekitClient, MalformedError
from sfukit.loadgen.targets.livekit_tracks import MAX_TRACKS
from sfukit.signaling import sdp
from sfukit.swarm.messages import (
    Candidate,
    OpenTransport,
    Publish,
    Receive,
    SetActiveEncodings,
    StopReceiving,
)

from .recordings import ONE_PAIR, Bot, exchange

MEETING = LoadOptions(clients=3)


class Client:
    """A client and its bot; messages are those of proto3 JSON with the names of the fields."""

    def __init__(self, name: str, options: LoadOptions = ONE_PAIR) -> None:
        self.bot = Bot(name, options)
        self.client = LivekitClient(self.bot.session)
        self.sent: list[dict[str, Any]] = []

    async def tell(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        frame = ParseDict(message, rtc.SignalResponse()).SerializeToString()
        replies = [
            MessageToDict(rtc.SignalRequest.FromString(one), preserving_proto_field_name=True)
            for one in await self.client.receive(frame)
        ]
        self.sent += replies
        return replies

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [message[kind] for message in self.sent if kind in message]


def joined(**fields: Any) -> dict[str, Any]:
    return {"join": {"room": {"sid": "RM_1"}, "participant": {"sid": "PA_own"}, **fields}}


def publisher(name: str = "p2", *tracks: tuple[str, str], **fields: Any) -> dict[str, Any]:
    return {
        "sid": f"PA_{name}",
        "identity": name,
        "tracks": [{"sid": sid, "type": kind} for sid, kind in tracks],
        **fields,
    }


async def replay(client: Client, name: str) -> list[dict[str, Any]]:
    """Tell all that the server said; return what the recorded client said."""
    server, recorded = exchange(name)
    for message in server:
        await client.tell(message)
    return recorded


def named(messages: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [message[kind] for message in messages if kind in message]


async def test_a_publisher_says_what_the_recorded_one_said() -> None:
    client = Client("p1")
    recorded = await replay(client, "livekit/publisher")
    order = [next(iter(one)) for one in client.sent]
    assert order == ["add_track", "add_track", "answer", "offer"]
    for own, theirs in zip(client.of("add_track"), named(recorded, "add_track"), strict=True):
        assert {key: own.get(key) for key in ("cid", "type", "source")} == {
            key: theirs.get(key) for key in ("cid", "type", "source")
        }
        qualities = [one.get("quality") for one in own.get("layers", [])]
        assert qualities == [one.get("quality") for one in theirs.get("layers", [])]
    [offer] = client.of("offer")
    audio, video = sdp.parse(offer["sdp"]).media
    assert [audio.msid[0][1], video.msid[0][1]] == ["audio", "video"]
    assert video.simulcast["send"] == ["q", "h", "f"]
    subscribing, publishing = client.bot.swarm.of(OpenTransport)
    assert publishing.dtls_role == "server"
    assert subscribing.dtls_role == "client"
    assert publishing.remote.candidates == [Candidate("127.0.0.1", 17882)]
    assert [len(one.encodings) for one in client.bot.swarm.of(Publish)] == [1, 3]
    assert client.client.phase == "joined"
    assert client.bot.faults == []


async def test_the_offer_waits_for_all_tracks_to_be_published() -> None:
    client = Client("p1")
    await client.tell(joined())
    assert await client.tell({"track_published": {"cid": "audio", "track": {"sid": "TR_A"}}}) == []
    assert await client.tell({"track_published": {"cid": "other", "track": {"sid": "TR_O"}}}) == []
    [offer] = await client.tell({"track_published": {"cid": "video", "track": {"sid": "TR_V"}}})
    assert offer["offer"]["id"] == 1


async def test_a_subscriber_answers_and_subscribes_as_the_recorded_one() -> None:
    client = Client("s1")
    server, recorded = exchange("livekit/subscriber")
    for message in server[:-1]:
        await client.tell(message)
    answers = [one["id"] for one in client.of("answer")]
    assert answers == [one["id"] for one in named(recorded, "answer")]
    wanted = next(one for one in named(recorded, "subscription") if one.get("subscribe"))
    assert client.of("subscription")[0]["subscribe"] is True
    assert {key for one in client.of("subscription") for key in one} == set(wanted)
    owners = {one["participant_sid"] for one in wanted["participant_tracks"]}
    sent = client.of("subscription")[0]["participant_tracks"]
    assert {one["participant_sid"] for one in sent} == owners
    settings = client.of("track_setting")[0]
    assert settings == {"track_sids": ["TR_VCm4wFXqBJwpf5"], "quality": "HIGH"}
    [opened] = client.bot.swarm.of(OpenTransport)  # by the offer of the data channels alone
    assert opened.remote.candidates == [Candidate("127.0.0.1", 17882)]
    received = client.bot.swarm.of(Receive)
    assert {one.source for one in received} == {"p1"}
    assert [one.codec for one in received][:2] == ["VP8", "opus"]
    assert len(client.bot.swarm.of(StopReceiving)) == 3  # audio, then both
    assert client.bot.faults == []
    await client.tell(server[-1])
    assert (client.client.phase, client.client.end_reason) == ("ended", "leave: client_initiated")


async def test_the_data_section_of_an_offer_is_accepted_with_its_transport() -> None:
    client = Client("s1")
    await replay(client, "livekit/subscriber")
    first, second = client.of("answer")[:2]
    [data] = sdp.parse(first["sdp"]).media
    assert (data.kind, data.port, data.mid, data.setup) == ("application", 9, "0", "active")
    assert data.ice_ufrag
    assert data.ice_pwd
    assert data.fingerprints
    assert "a=sctp-port:5000\r\n" in first["sdp"]
    session = sdp.parse(second["sdp"])
    assert session.bundled == ["0", "1", "2"]
    assert {one.ice_ufrag for one in session.media} == {data.ice_ufrag}


async def test_the_published_codec_is_answered_wherever_it_is_in_the_offer() -> None:
    client = Client("s1", replace(ONE_PAIR, codec="h264"))
    await replay(client, "livekit/subscriber")
    first = next(one for one in client.bot.swarm.of(Receive) if one.codec != "opus")
    assert (first.codec, first.payload_type, first.rtx_payload_type) == ("H264", 108, 109)


async def test_large_video_is_requested_high_and_small_video_low() -> None:
    client = Client("p1", MEETING)
    others = [
        publisher("p2", ("TR_A2", "AUDIO"), ("TR_V2", "VIDEO")),
        publisher("p3", ("TR_V3", "VIDEO")),
        publisher("unplanned", ("TR_X", "VIDEO")),
    ]
    await client.tell(joined(other_participants=others))
    assert [one["track_sids"] for one in client.of("subscription")] == [
        ["TR_A2", "TR_V2"],
        ["TR_V3"],
    ]
    assert client.of("track_setting") == [
        {"track_sids": ["TR_V2"], "quality": "HIGH"},
        {"track_sids": ["TR_V3"]},  # LOW is the default of the protocol
    ]
    again = await client.tell({"update": {"participants": others}})
    assert again == []


async def test_a_publisher_that_joins_again_is_subscribed_again() -> None:
    client = Client("s1")
    await client.tell(joined())
    await client.tell({"update": {"participants": [publisher("p1", ("TR_1", "AUDIO"))]}})
    gone = publisher("p1", state="DISCONNECTED")
    assert await client.tell({"update": {"participants": [gone]}}) == []
    back = {**publisher("p1", ("TR_2", "AUDIO")), "sid": "PA_new"}
    [subscription] = await client.tell({"update": {"participants": [back]}})
    assert subscription["subscription"]["track_sids"] == ["TR_2"]


async def test_encodings_without_subscribers_are_deactivated() -> None:
    client = Client("p1")
    await replay(client, "livekit/publisher")
    before = len(client.bot.swarm.of(SetActiveEncodings))
    qualities = [{"quality": "LOW"}, {"quality": "MEDIUM", "enabled": True}, {"quality": "HIGH"}]
    update = {
        "track_sid": "TR_VCS6naq9vNeyLZ",
        "subscribed_codecs": [
            {"codec": "h264", "qualities": []},
            {"codec": "vp8", "qualities": qualities},
        ],
    }
    await client.tell({"subscribed_quality_update": update})
    await client.tell({"subscribed_quality_update": {**update, "track_sid": "TR_unknown"}})
    [active] = client.bot.swarm.of(SetActiveEncodings)[before:]
    assert active.rids == ["h"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"leave": {"reason": "JOIN_FAILURE"}}, "leave_join_failure"),
        ({"leave": {"reason": "DUPLICATE_IDENTITY"}}, "leave_duplicate_identity"),
        ({"leave": {"reason": "STATE_MISMATCH", "action": "RECONNECT"}}, "leave_state_mismatch"),
        ({"leave": {}}, "leave_unknown_reason"),
        ({"leave": {"reason": 99}}, "leave_reason_99"),
        ({"pong": 1}, "answer_unusable"),
        (joined(server_info={"protocol": 5}), "version_mismatch"),
        (
            {
                "join": {
                    "participant": {"sid": "PA_1", "permission": {"can_subscribe": True}},
                }
            },
            "not_permitted",
        ),
    ],
)
async def test_refused_joins_have_a_code(message: dict[str, Any], code: str) -> None:
    with pytest.raises(JoinRefusedError) as refused:
        await Client("p1").tell(message)
    assert refused.value.code == code


async def test_a_refused_track_is_a_refused_join() -> None:
    client = Client("p1")
    await client.tell(joined())
    with pytest.raises(JoinRefusedError) as refused:
        await client.tell(
            {
                "request_response": {
                    "reason": "NOT_ALLOWED",
                    "message": "no camera",
                    "add_track": {"cid": "video"},
                }
            }
        )
    assert (refused.value.code, refused.value.message) == (
        "not_permitted",
        "not_allowed: no camera",
    )


async def test_the_reason_of_a_removed_participant_is_told() -> None:
    client = Client("s1")
    await client.tell(joined())
    await client.tell({"leave": {"reason": "PARTICIPANT_REMOVED"}})
    assert (client.client.phase, client.client.end_reason) == (
        "ended",
        "leave: participant_removed",
    )
    moved = Client("s1")
    await moved.tell(joined())
    await moved.tell({"leave": {"reason": "SERVER_SHUTDOWN", "action": "RECONNECT"}})
    assert moved.client.end_reason == "leave: server_shutdown (reconnect)"


async def test_faults_of_the_target_are_counted() -> None:
    client = Client("s1")
    await client.tell(joined())
    for message in (
        {"offer": {"type": "offer", "sdp": "v=1", "id": 3}},
        {"trickle": {"candidateInit": "{", "target": "SUBSCRIBER"}},
        {"subscription_response": {"track_sid": "TR_1", "err": "SE_CODEC_UNSUPPORTED"}},
        {"request_response": {"reason": "NOT_FOUND"}},
    ):
        assert await client.tell(message) == []
    assert client.bot.faults == [
        "offer_unusable",
        "candidate_unusable",
        "subscribe_refused",
        "request_refused",
    ]


async def test_endless_tracks_are_bounded() -> None:
    client = Client("s1")
    await client.tell(joined())
    for number in range(40):
        tracks = [(f"TR_{number}_{track}", "VIDEO") for track in range(50)]
        many = [publisher("p1", *tracks[:number]), publisher(f"x{number}", *tracks)]
        await client.tell({"update": {"participants": many}})
    subscribed = client.of("subscription")
    assert all(len(one["track_sids"]) <= MAX_TRACKS for one in subscribed)
    assert client.bot.faults[0] == "too_many_tracks"


async def test_a_frame_that_is_no_message_is_malformed() -> None:
    client = Client("s1")
    await client.tell(joined())
    with pytest.raises(MalformedError):
        await client.client.receive(b"\xff\xff\xff")


async def test_pings_follow_the_interval_of_the_server_within_bounds() -> None:
    for told, taken in ((0, 5.0), (7, 7.0), (10_000, 60.0), (-3, 1.0)):
        client = Client("s1")
        await client.tell(joined(ping_interval=told))
        assert client.client.ping_interval_s == taken
    ping = rtc.SignalRequest.FromString(client.client.ping(123))
    assert ping.ping_req.timestamp == 123
    left = rtc.SignalRequest.FromString(client.client.leave_request())
    assert left.leave.reason == models.DisconnectReason.CLIENT_INITIATED
