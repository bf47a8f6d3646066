"""Data channels between participants made of aiortc, whose SCTP is written in Python."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from aiortc import RTCDataChannel, RTCPeerConnection

from tests.interop import peers
from tests.interop.participant import ANSWER_S, Participant, participant
from tests.interop.server import Server

pytestmark = pytest.mark.realtime


@pytest.fixture(autouse=True)
def on_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gather 127.0.0.1, which aioice leaves out."""
    monkeypatch.setattr("aioice.ice.get_host_addresses", lambda **_: ["127.0.0.1"])


class Inbox:
    """The channels that the server opens at a participant, and their messages."""

    def __init__(self, client: Participant | None = None) -> None:
        self.channels: dict[str, RTCDataChannel] = {}
        self.messages: list[tuple[str, str | bytes]] = []
        self.closed: list[str] = []
        self._changed = asyncio.Event()
        if client is not None:
            client.subscribing.on("datachannel", self.add)

    def add(self, channel: RTCDataChannel) -> None:
        self.channels[channel.label] = channel

        def on_message(message: str | bytes) -> None:
            self.messages.append((channel.label, message))
            self._changed.set()

        def on_close() -> None:
            self.closed.append(channel.label)
            self._changed.set()

        channel.on("message", on_message)
        channel.on("close", on_close)
        self._changed.set()

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until something has come true."""
        async with asyncio.timeout(ANSWER_S):
            while not condition():
                await self._changed.wait()
                self._changed.clear()


async def opened(channel: RTCDataChannel) -> RTCDataChannel:
    """Wait until a channel is open."""
    done = asyncio.Event()
    channel.on("open", done.set)
    if channel.readyState != "open":
        async with asyncio.timeout(ANSWER_S):
            await done.wait()
    return channel


async def test_every_kind_of_channel_reaches_the_other_participants(server: Server) -> None:
    async with (
        participant(server.websocket, "ann") as ann,
        participant(server.websocket, "bob") as bob,
        participant(server.websocket, "cat") as cat,
    ):
        inboxes = [Inbox(bob), Inbox(cat)]
        await bob.join("data")
        await cat.join("data")
        kinds: dict[str, dict[str, Any]] = {
            "reliable": {},
            "unordered": {"ordered": False},
            "retransmits": {"ordered": False, "maxRetransmits": 2},
            "lifetime": {"maxPacketLifeTime": 2_000},
        }
        channels = {
            label: ann.publishing.createDataChannel(label, **options)
            for label, options in kinds.items()
        }
        await ann.join("data")
        large = bytes(range(256)) * 256  # aiortc takes 64 KiB (a=max-message-size)
        sent: list[str | bytes] = ["text é", b"\x00\xff", "", b"", large]
        for channel in channels.values():
            await opened(channel)
            for message in sent:
                channel.send(message)
        for inbox in inboxes:
            await inbox.until(lambda inbox=inbox: len(inbox.messages) == len(sent) * len(kinds))
            assert set(inbox.channels) == set(kinds)
            for label, options in kinds.items():
                got = [message for of, message in inbox.messages if of == label]
                ordered = options.get("ordered", True)
                assert got == sent if ordered else sorted(map(repr, got)) == sorted(map(repr, sent))
                channel = inbox.channels[label]
                assert channel.ordered == ordered
                assert channel.maxRetransmits == options.get("maxRetransmits")
                assert channel.maxPacketLifeTime == options.get("maxPacketLifeTime")


async def test_receivers_answer_on_the_same_channel_and_it_closes_with_its_opener(
    server: Server,
) -> None:
    async with (
        participant(server.websocket, "ann") as ann,
        participant(server.websocket, "bob") as bob,
    ):
        to_ann, to_bob = Inbox(ann), Inbox(bob)
        chat = ann.publishing.createDataChannel("chat")
        await ann.join("answer")
        await opened(chat)
        await bob.join("answer")
        await to_bob.until(lambda: "chat" in to_bob.channels)
        chat.send("question")
        await to_bob.until(lambda: to_bob.messages)
        (await opened(to_bob.channels["chat"])).send("answer")
        await to_ann.until(lambda: to_ann.messages)
        assert to_ann.messages == [("chat", "answer")]
        assert to_bob.messages == [("chat", "question")]
        chat.close()
        await to_bob.until(lambda: to_bob.closed == ["chat"])


async def test_a_label_that_may_not_be_used_is_closed_with_its_reason(server: Server) -> None:
    async with participant(server.websocket, "ann") as ann:
        ann.publishing.createDataChannel("bad\nlabel")
        await ann.join("labels")
        await ann.notification("data-channel-closed", reason="label_invalid", target=0)


async def test_json_rpc_whip_whep_and_data_channels_reach_each_other(server: Server) -> None:
    publisher, viewer = RTCPeerConnection(), RTCPeerConnection()
    publisher.addTrack(peers.SpeechTrack())
    viewer.addTransceiver("audio", direction="recvonly")
    whip, whep, channel = Inbox(), Inbox(), Inbox()
    whip.add(publisher.createDataChannel("sfukit"))
    whep.add(viewer.createDataChannel("sfukit"))
    async with (
        participant(server.websocket, "ann") as ann,
        participant(server.websocket, "bob") as bob,
        peers.session(publisher, server.url("/whip/bridge")),
        peers.session(viewer, server.url("/whep/bridge")),
    ):
        await ann.join("bridge")
        channel.add(bob.publishing.createDataChannel("sfukit"))
        await bob.join("bridge")
        inboxes = (whip, whep, channel)
        for inbox in inboxes:
            await opened(inbox.channels["sfukit"])
        whip.channels["sfukit"].send(json.dumps({"topic": "hi", "data": {"from": "whip"}}))
        heard = await ann.notification("message", topic="hi")
        assert heard["data"] == {"from": "whip"}
        await ann.call("message", topic="all", data=[1])
        await ann.call("message", topic="bob", data=[2], to="bob")
        channel.channels["sfukit"].send(json.dumps({"topic": "ann", "data": [3], "to": "ann"}))
        assert (await ann.notification("message", topic="ann"))["from"] == "bob"
        await channel.until(lambda: len(channel.messages) == 3)
        await whip.until(lambda: whip.messages)
        await whep.until(lambda: len(whep.messages) == 2)

        def topics(inbox: Inbox) -> list[str]:
            return [json.loads(text)["topic"] for _, text in inbox.messages]

        assert (topics(whip), topics(whep)) == (["all"], ["hi", "all"])
        assert topics(channel) == ["hi", "all", "bob"]
        assert not [name for name, _ in bob.notifications if name == "message"]
        channel.channels["sfukit"].send("no JSON")
        await channel.until(lambda: len(channel.messages) == 4)
        assert json.loads(channel.messages[-1][1])["error"] == "message_invalid"


async def test_an_addressed_message_reaches_one_participant(server: Server) -> None:
    async with (
        participant(server.websocket, "ann") as ann,
        participant(server.websocket, "bob") as bob,
        participant(server.websocket, "cat") as cat,
    ):
        to_bob, to_cat = Inbox(bob), Inbox(cat)
        await bob.join("to")
        await cat.join("to")
        channel = ann.publishing.createDataChannel("files", protocol="sfukit.to")
        await ann.join("to")
        await opened(channel)
        channel.send("bob\nfor bob")
        channel.send(b"\n\x00\xff")
        await to_cat.until(lambda: to_cat.messages)
        await to_bob.until(lambda: len(to_bob.messages) == 2)
        assert to_bob.messages == [("files", "ann\nfor bob"), ("files", b"ann\n\x00\xff")]
        assert to_cat.messages == [("files", b"ann\n\x00\xff")]
