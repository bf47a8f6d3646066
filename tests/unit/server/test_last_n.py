"""Last-N: bounds of the server and of clients, and what is told of paused videos."""

from typing import Any

import pytest

from sfukit.server.debug import describe
from sfukit.server.native_messages import QualityChanged, SetLastN, Subscribe, VideoQuality
from sfukit.server.settings import Settings
from tests.unit.server.stage import RpcError, Stage
from tests.unit.server.test_quality import answer


def test_the_bound_of_the_server_reaches_the_engine() -> None:
    assert Settings().engine.last_n is None
    assert Settings(last_n=5).engine.last_n == 5


async def test_a_client_sets_its_bound_at_the_join_and_later(stage: Stage) -> None:
    await stage.joined("ann")
    assert not stage.engine.commands_of(SetLastN)
    bob = await stage.joined("bob", config={"last_n": 3})
    bounds = [command.last_n for command in stage.engine.commands_of(SetLastN)]
    assert bounds == [3]
    await bob.call("last-n", last_n=0)
    await bob.call("last-n", last_n=0)
    await bob.call("last-n", last_n=None)
    bounds = [command.last_n for command in stage.engine.commands_of(SetLastN)]
    assert bounds == [3, 0, None]
    await bob.call("last-n", last_n=2)
    members = {entry["uid"]: entry for entry in describe(stage.context)["rooms"][0]["participants"]}
    assert (members["ann"]["last_n"], members["bob"]["last_n"]) == (None, 2)


@pytest.mark.parametrize("bound", [-1, 1001, 10**30, "3", 1.5, []])
async def test_a_bound_that_is_none_is_refused(stage: Stage, bound: Any) -> None:
    ann = await stage.joined("ann")
    with pytest.raises(RpcError, match="last_n"):
        await ann.call("last-n", last_n=bound)
    assert not stage.engine.commands_of(SetLastN)


async def test_pauses_are_told_and_counted_once(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    command = stage.engine.commands_of(Subscribe)[1]
    paused = VideoQuality(command.subscription, None, True, 0, "last_n")
    for _ in range(2):
        stage.engine.emit(QualityChanged(None, 0, [paused]))
    assert (await bob.note("quality"))["video"][0]["reason"] == "last_n"
    resumed = VideoQuality(command.subscription, "q", False, 150_000, "best")
    stage.engine.emit(QualityChanged(None, 150_000, [resumed]))
    stage.engine.emit(QualityChanged(None, 0, [paused]))
    exposed = stage.context.metrics.exposition()
    assert b'sfukit_videos_paused_total{reason="last_n"} 2.0' in exposed
