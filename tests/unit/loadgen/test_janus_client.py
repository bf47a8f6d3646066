"""The VideoRoom protocol, frame by frame: recorded exchanges of Debian's Janus, refusals."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.targets.janus_client import JanusClient, Secrets
from sfukit.loadgen.targets.janus_room import Rooms, number_of
from sfukit.swarm.messages import OpenTransport, Publish, Receive, StopReceiving

from .recordings import ONE_PAIR, Bot, exchange

MEETING = LoadOptions(clients=3)
FEEDS = [message for message in exchange("janus/subscriber")[0] if message["janus"] == "event"]
JOINED, ATTACHED = FEEDS[0], FEEDS[1]
FEED = JOINED["plugindata"]["data"]["publishers"][0]
PUBLISHER, SUBSCRIBER = 11, 12


class Client:
    """A client and its bot."""

    def __init__(
        self,
        name: str,
        options: LoadOptions = ONE_PAIR,
        rooms: Rooms | None = None,
        secrets: Secrets = Secrets(),  # noqa: B008
    ) -> None:
        self.bot = Bot(name, options)
        self.rooms = rooms or Rooms()
        self.client = JanusClient(self.bot.session, self.rooms, secrets)
        self.sent: list[dict[str, Any]] = [json.loads(self.client.begin())]

    async def tell(self, message: Mapping[str, Any]) -> list[dict[str, Any]]:
        replies = [
            json.loads(one) for one in await self.client.receive(json.dumps(message).encode())
        ]
        self.sent += replies
        return replies

    async def event(
        self, sender: int = PUBLISHER, transaction: str = "", **data: Any
    ) -> list[dict[str, Any]]:
        jsep = data.pop("jsep", None)
        return await self.tell(
            {
                "janus": "event",
                "sender": sender,
                "transaction": transaction,
                "plugindata": {"plugin": "janus.plugin.videoroom", "data": data},
                **({"jsep": jsep} if jsep else {}),
            }
        )

    async def attached(self) -> None:
        await self.tell({"janus": "success", "transaction": "create", "data": {"id": 1}})
        await self.tell({"janus": "success", "transaction": "attach", "data": {"id": PUBLISHER}})

    async def joined(self) -> None:
        await self.attached()
        await self.tell({"janus": "success", "transaction": "room", "sender": PUBLISHER})
        await self.event(videoroom="joined", transaction="join", id=5)

    async def subscribing(self, name: str = "p1") -> None:
        """Announce a publisher, whose streams the second handle subscribes to."""
        await self.joined()
        await self.event(videoroom="event", publishers=[{**FEED, "display": name}])
        await self.tell(
            {"janus": "success", "transaction": "attach-subscriber", "data": {"id": SUBSCRIBER}}
        )

    async def offered(self) -> list[dict[str, Any]]:
        data = ATTACHED["plugindata"]["data"]
        return await self.event(SUBSCRIBER, "subscriptions", **data, jsep=ATTACHED["jsep"])

    def requests(self, name: str) -> list[dict[str, Any]]:
        bodies = [one["body"] for one in self.sent if "body" in one]
        return [body for body in bodies if body["request"] == name]


def shape(message: dict[str, Any]) -> tuple[Any, ...]:
    """Return what two runs have in common."""
    body = message.get("body", {})
    return message["janus"], message["transaction"], body.get("request"), sorted(body)


@pytest.mark.parametrize("name", ["publisher", "subscriber"])
async def test_the_recorded_server_is_answered_as_recorded(name: str) -> None:
    client = Client("p1" if name == "publisher" else "s1")
    server, recorded = exchange(f"janus/{name}")
    for message in server:
        if '"leaving"' in json.dumps(message):
            break
        await client.tell(message)
    assert [shape(one) for one in client.sent] == [
        shape(one) for one in recorded if one["transaction"] not in _LEAVING
    ]
    assert (client.client.phase, client.bot.faults) == ("joined", [])
    [opened] = client.bot.swarm.of(OpenTransport)
    assert opened.remote.candidates[0].ip == "192.0.2.2"
    if name == "publisher":
        assert len(client.bot.swarm.of(Publish)) == 2
        assert client.sent[3]["jsep"]["rid_order"] == "lmh"
    else:
        assert [one.source for one in client.bot.swarm.of(Receive)] == ["p1", "p1"]


_LEAVING = ("leave", "list", "destroy-room", "destroy")


async def test_the_last_to_leave_destroys_an_empty_room() -> None:
    client = Client("s1")
    await client.joined()
    assert json.loads(client.client.leave_request() or b"")["body"] == {"request": "leave"}
    await client.event(transaction="leave", videoroom="event", leaving="ok")
    assert client.client.has_left
    client.client.list_request()
    assert not client.client.has_left
    others = [{"id": 3, "display": "p9"}]
    assert not await client.event(transaction="list", videoroom="participants", participants=others)
    assert client.client.has_left
    [destroy] = await client.event(transaction="list", videoroom="participants", participants=[])
    assert destroy["body"] == {"request": "destroy", "room": number_of("load0-room-1")}


async def test_a_room_that_was_destroyed_in_between_is_created_once_more() -> None:
    client = Client("p1")
    await client.attached()
    await client.tell({"janus": "success", "transaction": "room", "sender": PUBLISHER})
    gone = {"videoroom": "event", "error_code": 426, "error": "No such room"}
    [again] = await client.event(transaction="join", **gone)
    assert again["body"]["request"] == "create"
    await client.tell({"janus": "success", "transaction": "room", "sender": PUBLISHER})
    assert len(client.requests("joinandconfigure")) == 2
    with pytest.raises(JoinRefusedError) as refused:
        await client.event(transaction="join", **gone)
    assert refused.value.code == "room_not_found"


async def test_a_room_of_strings_is_created_by_name() -> None:
    client = Client("s1")
    await client.attached()
    data = {"videoroom": "event", "error_code": 430, "error": "Invalid element type"}
    [again] = await client.event(transaction="room", **data)
    assert again["body"]["room"] == "sfukit-load0-room-1"
    with pytest.raises(JoinRefusedError) as refused:
        await client.event(transaction="room", **data)
    assert refused.value.code == "janus_430"


@pytest.mark.parametrize(
    ("named", "room"),
    [("1234", 1234), ("lobby", "lobby"), ("a-{room}", "a-load0-room-1"), ("٣", "٣")],
)
async def test_a_named_room_is_joined_with_its_pin(named: str, room: object) -> None:
    secrets = Secrets("tok", "secret")
    client = Client("s1", rooms=Rooms(named, pin="42"), secrets=secrets)
    await client.attached()
    [join] = client.requests("join")
    assert (join["room"], join["pin"]) == (room, "42")
    assert not client.requests("create")
    assert all((one["token"], one["apisecret"]) == ("tok", "secret") for one in client.sent)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"janus": "error", "error": {"code": 403, "reason": "Unauthorized"}}, "token_refused"),
        ({"janus": "error", "error": {"code": 460, "reason": "No such plugin"}}, "no_videoroom"),
        ({"janus": "error", "error": {"code": 999}}, "janus_999"),
    ],
)
async def test_refused_joins_have_a_code(message: dict[str, Any], code: str) -> None:
    with pytest.raises(JoinRefusedError) as refused:
        await Client("p1").tell({"transaction": "create", **message})
    assert refused.value.code == code
    assert refused.value.message.startswith("create: ")


@pytest.mark.parametrize(
    ("number", "code"),
    [(426, "room_not_found"), (432, "room_full"), (433, "not_authorised"), (425, "janus_425")],
)
async def test_errors_of_the_videoroom_have_a_code(number: int, code: str) -> None:
    client = Client("p1", rooms=Rooms("1234"))
    await client.attached()
    with pytest.raises(JoinRefusedError) as refused:
        await client.event(transaction="join", videoroom="event", error_code=number, error="no")
    assert (refused.value.code, refused.value.message) == (
        code,
        f"join: no (Janus error {number})",
    )


async def test_layouts_ask_for_a_substream() -> None:
    client = Client("p2", LoadOptions(clients=4))
    await client.subscribing("p3")
    [join] = client.requests("join")
    assert join["streams"] == [
        {"feed": FEED["id"], "mid": "0"},
        {"feed": FEED["id"], "mid": "1", "substream": 0},
    ]
    await client.offered()
    await client.event(SUBSCRIBER, "start", videoroom="event", started="ok")
    assert not client.client.rearrange({"p3": "small"})
    [frame] = client.client.rearrange({"p3": "large"})
    assert json.loads(frame)["body"] == {
        "request": "configure",
        "streams": [{"mid": "1", "substream": 2}],
    }
    await client.event(SUBSCRIBER, "subscriptions", videoroom="event")
    [frame] = client.client.rearrange({"p3": "hidden"})
    assert json.loads(frame)["body"] == {"request": "unsubscribe", "streams": [{"sub_mid": "1"}]}


async def test_changes_wait_for_the_request_in_flight() -> None:
    client = Client("p2", MEETING)
    await client.subscribing()
    other = {**FEED, "id": 77, "display": "p3"}
    assert not await client.event(videoroom="event", publishers=[other])
    [start] = await client.offered()
    assert start["body"] == {"request": "start"}
    [subscribe] = await client.event(SUBSCRIBER, "start", videoroom="event", started="ok")
    assert {stream["feed"] for stream in subscribe["body"]["streams"]} == {77}


async def test_the_lines_of_a_publisher_that_left_are_unsubscribed() -> None:
    client = Client("p2", MEETING)
    await client.subscribing()
    await client.offered()
    await client.event(SUBSCRIBER, "start", videoroom="event", started="ok")
    [request] = await client.event(videoroom="event", leaving=FEED["id"])
    assert request["body"]["streams"] == [{"sub_mid": "0"}, {"sub_mid": "1"}]
    inactive = ATTACHED["jsep"]["sdp"].replace("a=sendonly", "a=inactive")
    await client.event(
        SUBSCRIBER, "subscriptions", videoroom="updated", jsep={"type": "offer", "sdp": inactive}
    )
    assert len(client.bot.swarm.of(StopReceiving)) == 2


async def test_a_feed_that_just_left_does_not_keep_the_others_from_being_received() -> None:
    client = Client("p2", MEETING)
    await client.joined()
    other = {**FEED, "id": 77, "display": "p3"}
    await client.event(videoroom="event", publishers=[FEED, other])
    await client.tell(
        {"janus": "success", "transaction": "attach-subscriber", "data": {"id": SUBSCRIBER}}
    )
    gone = {"videoroom": "event", "error_code": 428, "error": "No such feed"}
    [alone] = await client.event(SUBSCRIBER, "subscriptions", **gone)
    assert {stream["feed"] for stream in alone["body"]["streams"]} == {FEED["id"]}
    [next_one] = await client.event(SUBSCRIBER, "subscriptions", **gone)
    assert {stream["feed"] for stream in next_one["body"]["streams"]} == {77}
    assert client.bot.faults == []
    assert not await client.event(
        SUBSCRIBER, "subscriptions", videoroom="event", error_code=433, error="no"
    )
    assert client.bot.faults == ["subscribe_not_authorised"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ({"janus": "timeout"}, "the session timed out"),
        ({"videoroom": "destroyed"}, "the room was destroyed"),
        ({"videoroom": "event", "leaving": "ok", "reason": "kicked"}, "kicked"),
    ],
)
async def test_ends_have_a_reason(message: dict[str, Any], reason: str) -> None:
    client = Client("s1")
    await client.joined()
    await (client.tell(message) if "janus" in message else client.event(**message))
    assert (client.client.phase, client.client.end_reason) == ("ended", reason)


async def test_hangups_and_unusable_offers_are_counted() -> None:
    client = Client("s1")
    await client.subscribing()
    await client.tell({"janus": "hangup", "sender": PUBLISHER, "reason": "ICE failed"})
    await client.tell({"janus": "hangup", "sender": SUBSCRIBER, "reason": "DTLS alert"})
    offer = {"type": "offer", "sdp": "v=1"}
    assert not await client.event(SUBSCRIBER, "subscriptions", videoroom="attached", jsep=offer)
    assert client.bot.faults == ["target_hangup", "offer_unusable"]
    assert client.bot.ledger.faults[0].count == 2


async def test_publishers_are_bounded_and_unplanned_ones_ignored() -> None:
    client = Client("s1")
    await client.joined()
    assert not await client.event(videoroom="event", publishers=[{**FEED, "display": "other"}])
    many = [{**FEED, "id": number} for number in range(50)]
    await client.event(videoroom="event", publishers=many)
    assert client.bot.faults == ["too_many_publishers"]


async def test_ids_have_64_bits_at_most() -> None:
    for number in (2**63, -1, 2**200):
        with pytest.raises(msgspec.DecodeError):
            await Client("s1").tell(
                {"janus": "success", "transaction": "create", "data": {"id": number}}
            )


def test_the_number_of_a_room_is_the_same_everywhere() -> None:
    assert number_of("load7-room-1") == 3950371300872709
    assert 0 < number_of("x") < 2**53
