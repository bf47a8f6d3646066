"""Active speakers: from the event of the engine to participants and to ``/debug/rooms``."""

from sfukit.server.debug import describe
from sfukit.server.native_messages import ActiveSpeaker, ActiveSpeakersChanged, Publish
from tests.unit.server.stage import Stage


def microphones(stage: Stage) -> list[int]:
    commands = stage.engine.commands_of(Publish)
    return [command.publication for command in commands if command.kind == "audio"]


async def test_participants_are_notified_of_who_speaks(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob")
    of_ann, of_bob = microphones(stage)
    room = next(iter(stage.context.rooms)).number
    speakers = [ActiveSpeaker(of_bob, -20), ActiveSpeaker(of_ann, -35), ActiveSpeaker(10**6, 0)]
    stage.engine.emit(ActiveSpeakersChanged(room, speakers))
    expected = [
        {"uid": "bob", "publication": of_bob, "level_dbov": -20},
        {"uid": "ann", "publication": of_ann, "level_dbov": -35},
    ]
    assert await ann.note("active-speakers") == {"speakers": expected}
    assert await bob.note("active-speakers") == {"speakers": expected}
    assert describe(stage.context)["rooms"][0]["active_speakers"] == expected
    assert (await ann.call("join", sid="demo"))["active_speakers"] == expected
    exposed = stage.context.metrics.exposition()
    assert b"sfukit_active_speaker_changes_total 1.0" in exposed
    await bob.call("leave")
    assert (await ann.call("join", sid="demo"))["active_speakers"] == expected[1:]
    stage.engine.emit(ActiveSpeakersChanged(room, []))
    assert (await ann.note("active-speakers")) == {"speakers": []}
    assert "active_speakers" not in await ann.call("join", sid="demo")


async def test_speakers_of_a_closed_room_are_dropped(stage: Stage) -> None:
    stage.engine.emit(ActiveSpeakersChanged(10**6, [ActiveSpeaker(1, -20)]))
    assert b'callback="engine_event"} 1' not in stage.context.metrics.exposition()
