"""Hostile frames of LiveKit, Galene and Janus servers: typed errors alone, and bounded state."""

import asyncio
import json
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from livekit.protocol import models, rtc

from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.galene_client import GaleneClient, Login
from sfukit.loadgen.targets.janus_client import JanusClient, Secrets
from sfukit.loadgen.targets.janus_room import Rooms
from sfukit.loadgen.targets.livekit_client import LivekitClient, MalformedError
from sfukit.swarm.messages import OpenTransport, Receive
from tests.unit.loadgen.recordings import Bot, exchange

NAMES = ("p1", "s1")
SDPS = [
    message[kind]["sdp"]
    for message in exchange("livekit/subscriber")[0]
    for kind in ("offer", "answer")
    if kind in message
]
MAX_RECEIVED = 8 + 64  # of one planned subscription, and spare ones

text = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["p1", "s1", "audio", "video", "TR_1", "PA_own", "\ud800", "x" * 5000]),
)
encodable = text.filter(lambda one: "\ud800" not in one)
sdps = st.one_of(st.sampled_from(SDPS), st.sampled_from(SDPS).map(lambda one: one[::2]), encodable)
numbers = st.sampled_from([0, 1, 2, 2**31 - 1])


def description() -> st.SearchStrategy[rtc.SessionDescription]:
    return st.builds(
        rtc.SessionDescription,
        type=encodable,
        sdp=sdps,
        id=numbers,
        mid_to_track_id=st.dictionaries(encodable, encodable, max_size=3),
    )


tracks = st.builds(models.TrackInfo, sid=encodable, type=st.integers(0, 3))
participants = st.builds(
    models.ParticipantInfo,
    sid=encodable,
    identity=encodable,
    state=st.integers(0, 9),
    disconnect_reason=st.integers(0, 99),
    tracks=st.lists(tracks, max_size=30),
)
livekit = st.one_of(
    st.builds(
        rtc.SignalResponse,
        join=st.builds(
            rtc.JoinResponse,
            participant=participants,
            other_participants=st.lists(participants, max_size=3),
            ping_interval=st.integers(-(2**31), 2**31 - 1),
        ),
    ),
    st.builds(rtc.SignalResponse, offer=description()),
    st.builds(rtc.SignalResponse, answer=description()),
    st.builds(
        rtc.SignalResponse,
        update=st.builds(rtc.ParticipantUpdate, participants=st.lists(participants, max_size=4)),
    ),
    st.builds(
        rtc.SignalResponse,
        trickle=st.builds(rtc.TrickleRequest, candidateInit=encodable, target=st.integers(0, 5)),
    ),
    st.builds(
        rtc.SignalResponse,
        track_published=st.builds(rtc.TrackPublishedResponse, cid=encodable, track=tracks),
    ),
    st.builds(
        rtc.SignalResponse,
        leave=st.builds(rtc.LeaveRequest, reason=st.integers(0, 99), action=st.integers(0, 9)),
    ),
    st.builds(
        rtc.SignalResponse,
        subscription_response=st.builds(rtc.SubscriptionResponse, err=st.integers(0, 99)),
    ),
    st.builds(
        rtc.SignalResponse,
        subscribed_quality_update=st.builds(rtc.SubscribedQualityUpdate, track_sid=encodable),
    ),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), encodable),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(encodable, inner)),
    max_leaves=5,
)
TYPES = [
    *("handshake", "joined", "offer", "answer", "ice", "close", "abort", "renegotiate"),
    *("usermessage", "ping", "user", "chat", "x"),
]
galene = st.fixed_dictionaries(
    {
        "type": st.sampled_from(TYPES),
    },
    optional={
        "kind": st.sampled_from(["join", "fail", "leave", "change", "kicked", "error", "redirect"]),
        "id": st.one_of(encodable, st.sampled_from(["1", "2"])),
        "source": st.sampled_from(["x.p1", "x.s1", "other", ""]),
        "replace": st.one_of(st.none(), encodable),
        "version": st.lists(st.sampled_from(["1", "2"]), max_size=2),
        "permissions": st.one_of(st.none(), st.lists(st.sampled_from(["present", "op"]))),
        "sdp": sdps,
        "candidate": st.one_of(
            st.none(), st.fixed_dictionaries({}, optional={"candidate": encodable})
        ),
        "value": json_values,
    },
).map(lambda message: json.dumps(message).encode())


ids = st.one_of(st.sampled_from([1, 2, 3]), st.integers(-1, 2**70), encodable)
streams = st.fixed_dictionaries(
    {},
    optional={
        "type": st.sampled_from(["audio", "video", "data"]),
        "mid": st.sampled_from(["0", "1", "2"]),
        "feed_id": ids,
        "feed_mid": st.sampled_from(["0", "1"]),
        "active": st.booleans(),
    },
)
publishers = st.fixed_dictionaries(
    {"id": ids, "display": st.sampled_from(["p1", "s1", "x"])},
    optional={"streams": st.lists(streams, max_size=3)},
)
events = st.fixed_dictionaries(
    {"videoroom": st.sampled_from(["joined", "attached", "updated", "event", "destroyed"])},
    optional={
        "id": ids,
        "publishers": st.lists(publishers, max_size=3),
        "streams": st.lists(streams, max_size=3),
        "leaving": ids,
        "unpublished": ids,
        "reason": encodable,
        "error_code": st.sampled_from([427, 428, 430, 999]),
    },
)
REQUESTS = ["create", "attach", "room", "join", "attach-subscriber", "subscriptions", "start"]
janus = st.fixed_dictionaries(
    {
        "janus": st.sampled_from(["success", "event", "event", "ack", "error", "trickle", "x"]),
        "transaction": st.sampled_from([*REQUESTS, ""]),
    },
    optional={
        "sender": st.sampled_from([1, 2, 3]),
        "data": st.fixed_dictionaries({"id": st.sampled_from([1, 2, 2**70])}),
        "plugindata": st.fixed_dictionaries({"data": events}),
        "jsep": st.fixed_dictionaries({"type": st.sampled_from(["offer", "answer"]), "sdp": sdps}),
        "candidate": st.fixed_dictionaries({}, optional={"candidate": encodable}),
        "error": st.fixed_dictionaries({}, optional={"code": st.integers(), "reason": encodable}),
    },
).map(lambda message: json.dumps(message).encode())
JANUS_START = [
    json.dumps({"janus": "success", "transaction": request, "data": {"id": number}}).encode()
    for request, number in (("create", 1), ("attach", 1), ("room", 1), ("attach-subscriber", 2))
]


async def feed(client: LivekitClient | GaleneClient | JanusClient, frames: list[bytes]) -> None:
    for frame in frames:
        try:
            await client.receive(frame)
        except JoinRefusedError as refused:
            assert refused.code
            assert len(refused.message) < 1000
        except (MalformedError, msgspec.DecodeError):
            pass


def check_bounds(bot: Bot) -> None:
    assert len(bot.swarm.of(Receive)) <= MAX_RECEIVED
    assert len(bot.swarm.of(OpenTransport)) <= MAX_RECEIVED + 1


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(
        st.one_of(livekit.map(lambda one: one.SerializeToString()), st.binary(max_size=60)),
        max_size=12,
    ),
)
def test_hostile_frames_of_livekit(name: str, frames: list[bytes]) -> None:
    async def run() -> None:
        bot = Bot(name)
        await feed(LivekitClient(bot.session), frames)
        check_bounds(bot)

    asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.lists(st.one_of(galene, st.binary(max_size=60)), max_size=12),
)
def test_hostile_frames_of_galene(name: str, frames: list[bytes]) -> None:
    async def run() -> None:
        bot = Bot(name)
        client = GaleneClient(bot.session, Login("t", name))
        client.join_requests()
        await feed(client, frames)
        check_bounds(bot)

    asyncio.run(run())


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(NAMES),
    st.sampled_from([[], JANUS_START]),
    st.lists(st.one_of(janus, st.binary(max_size=60)), max_size=12),
)
def test_hostile_frames_of_janus(name: str, start: list[bytes], frames: list[bytes]) -> None:
    async def run() -> None:
        bot = Bot(name)
        client = JanusClient(bot.session, Rooms(), Secrets())
        client.begin()
        await feed(client, start + frames)
        check_bounds(bot)

    asyncio.run(run())


async def test_endless_streams_of_galene_are_bounded() -> None:
    bot = Bot("s1")
    client = GaleneClient(bot.session, Login("t", "s1"))
    await client.receive(b'{"type":"joined","kind":"join","permissions":[]}')
    offer = next(one for one in exchange("galene/subscriber")[0] if one["type"] == "offer")
    candidate = {"candidate": "candidate:1 1 udp 1 192.0.2.2 9 typ host"}
    for number in range(300):
        await client.receive(json.dumps({**offer, "id": str(number)}).encode())
        ice = {"type": "ice", "id": str(number), "candidate": candidate}
        await client.receive(json.dumps(ice).encode())
        await client.receive(json.dumps({"type": "close", "id": str(number)}).encode())
    check_bounds(bot)
