"""An exception in a callback of one participant does not affect other participants."""

import asyncio

import pytest

from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    CommandError,
    OpenTransport,
    TransportState,
)
from sfukit.server.settings import Timing
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.subscribe_offer import MAX_SLOTS
from tests.unit.server.virtual import Channel, Peer, offer, virtual_context
from tests.unit.signaling.descriptions import answer_to, audio, offer_of, video


class Broken(Channel):
    """A channel whose sends fail."""

    def send(self, message: bytes) -> None:
        raise RuntimeError("broken")

    def close(self, reason: str) -> None:
        raise RuntimeError("broken")


def h264(number: int) -> str:
    fmtp = f"packetization-mode=1;profile-level-id=4200{number:02x}"
    return offer_of(video("H264/90000", fmtp))


async def answer(peer: Peer) -> None:
    latest = peer.channel.take("offer")[-1]
    desc = {"type": "answer", "sdp": answer_to(latest["sdp"])}
    await peer.call("answer", desc=desc, version=latest["version"])


async def test_a_failed_callback_is_counted_and_other_participants_are_notified() -> None:
    context, timers = virtual_context(MockEngine())
    broken, well = Peer(context, Broken()), Peer(context)
    await broken.call("join", sid="demo", uid="a")
    await well.call("join", sid="demo", uid="b")
    timers.advance(1)
    well.channel.messages.clear()
    await Peer(context).call("join", sid="demo", uid="c", offer=offer(offer_of(video())))
    timers.advance(1)
    assert well.channel.take("participant-joined") == [{"uid": "c", "name": "c", "role": "speaker"}]
    assert len(well.channel.take("publication-added")) == 1
    failures = b'sfukit_callback_failures_total{callback="announcement"} 2.0'
    assert failures in context.metrics.exposition()


async def test_a_failed_engine_event_is_counted_and_the_next_is_handled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = MockEngine()
    context, _ = virtual_context(engine)
    peers = [Peer(context), Peer(context)]
    for peer in peers:
        await peer.call("join", sid="demo")
    first, second = engine.commands_of(OpenTransport)
    assert isinstance(first, OpenTransport)
    assert isinstance(second, OpenTransport)
    monkeypatch.setattr(peers[0].channel, "notify", lambda *_: 1 / 0)
    engine.emit(TransportState(first.transport, "connected"))
    engine.emit(TransportState(second.transport, "connected"))
    assert [note["state"] for note in peers[1].channel.take("transport-state")] == ["connected"]
    failures = b'sfukit_callback_failures_total{callback="engine_event"} 1.0'
    assert failures in context.metrics.exposition()


async def test_draining_and_stopping_reach_every_channel() -> None:
    engine = MockEngine()
    context, timers = virtual_context(engine)
    broken, well = Peer(context, Broken()), Peer(context)
    for peer in (broken, well):
        context.channels.add(peer.channel)
        await peer.call("join", sid="demo")
    timers.advance(1)
    context._announce_drain(7)
    assert well.channel.take("drain") == [{"deadline_s": 7}]
    await context.stop("server_stopped")
    assert well.channel.close_reason == "server_stopped"
    assert engine.closed


async def test_28_renegotiations_of_one_speaker_keep_the_m_lines_of_subscribers() -> None:
    context, timers = virtual_context(MockEngine())
    reader, silent, speaker = Peer(context), Peer(context), Peer(context)
    for peer in (reader, silent, speaker):
        await peer.call("join", sid="demo")
    for number in range(28):
        await speaker.call("offer", desc=offer(h264(number)))
        timers.advance(0.1)
        await answer(reader)
    for codec in ("VP8/90000", "VP9/90000", "H264/90000"):
        joined = await Peer(context).call("join", sid="demo", offer=offer(offer_of(video(codec))))
        publication = joined.publications[0].publication
        timers.advance(0.1)
        tracks = reader.channel.messages[-1][1]["tracks"]
        assert publication in [track["publication"] for track in tracks]
        await answer(reader)
    assert not reader.channel.take("subscription-ended")


async def test_a_subscriber_without_a_free_m_line_is_notified_and_subscribes_later() -> None:
    context, timers = virtual_context(MockEngine(), auto_subscribe=100)
    peer = Peer(context)
    await peer.call("join", sid="demo")
    speakers = [Peer(context) for _ in range(9)]
    for speaker in speakers:
        await speaker.call("join", sid="demo", offer=offer(offer_of(*[audio()] * 7)))
        timers.advance(0.1)
    await answer(peer)
    timers.advance(0.1)
    await answer(peer)
    ended = peer.channel.take("subscription-ended")
    assert [note["reason"] for note in ended] == ["too_many_subscriptions"] * (63 - MAX_SLOTS)
    await speakers[0].call("leave")
    timers.advance(0.1)
    await answer(peer)
    timers.advance(0.1)
    last = peer.channel.take("offer")[-1]
    waiting = {note["publication"] for note in ended}
    assert waiting < {track["publication"] for track in last["tracks"]}


async def test_subscriptions_that_an_overloaded_engine_refused_are_ended() -> None:
    class Crowded(MockEngine):
        crowded = False

        async def run(self, worker: int, commands: object) -> object:  # type: ignore[override]
            if self.crowded:
                raise Refusal("overloaded", "too much to do", retry_after_s=1)
            return await super().run(worker, commands)  # type: ignore[arg-type]

    engine = Crowded()
    context, timers = virtual_context(engine)
    peer = Peer(context)
    await Peer(context).call("join", sid="demo", offer=offer(offer_of(video())))
    await peer.call("join", sid="demo")
    timers.advance(0.1)
    engine.crowded = True
    with pytest.raises(Refusal, match="overloaded"):
        await answer(peer)
    assert [note["reason"] for note in peer.channel.take("subscription-ended")] == ["overloaded"]
    assert not context.core.subscriptions


async def test_a_restored_participant_keeps_its_room() -> None:
    def judge(command: Command) -> CommandError | None:
        refused = isinstance(command, OpenTransport) and command.remote is not None
        return CommandError("internal") if refused else None

    context, timers = virtual_context(MockEngine(error_of=judge), timing=Timing(room_idle_s=60))
    peer, other = Peer(context), Peer(context)
    await peer.call("join", sid="demo", uid="ann")
    with pytest.raises(Refusal, match="internal_error"):
        await other.call("join", sid="demo", uid="ann", offer=offer(offer_of(video())))
    timers.advance(61)
    assert peer.channel.close_reason is None
    assert [room.name for room in context.rooms] == ["demo"]
    await peer.call("leave")
    timers.advance(61)
    assert not context.rooms.any


async def test_a_room_closes_after_its_first_join_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    context, timers = virtual_context(MockEngine())
    monkeypatch.setattr("sfukit.server.room.Room.add", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        await Peer(context).call("join", sid="demo")
    timers.advance(61)
    assert not context.rooms.any


async def test_the_connect_timeout_of_a_closed_transport_is_cancelled() -> None:
    context, timers = virtual_context(MockEngine())
    peer = Peer(context)
    await peer.call("join", sid="demo", config={"no_subscribe": True})
    before = len(timers)  # the announcement of the join
    for number in range(5):
        fingerprint = "sha-256 " + ":".join([f"{number:02X}"] * 32)
        text = offer_of(video(), fingerprint=fingerprint)
        await peer.call("offer", desc=offer(text))
    timers.advance(1)
    assert len(timers) == before  # one deadline; the announcements were sent
    assert len(context.engine.commands_of(CloseTransport)) == 4  # type: ignore[attr-defined]


async def test_a_cancelled_offer_leaves_no_transport() -> None:
    class Slow(MockEngine):
        async def run(self, worker: int, commands: object) -> object:  # type: ignore[override]
            await asyncio.Event().wait()

    context, _ = virtual_context(Slow())
    joining = asyncio.ensure_future(
        Peer(context).call("join", sid="demo", offer=offer(offer_of(video())))
    )
    await asyncio.sleep(0)
    joining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await joining
    assert not context.core.transports
    assert context.rooms.population == 0
