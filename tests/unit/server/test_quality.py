"""The size at which a video is shown, and what is sent within an estimate."""

from typing import Any

import pytest

from sfukit.server.debug import describe
from sfukit.server.native_messages import (
    Preference,
    Publish,
    QualityChanged,
    SetTarget,
    Subscribe,
    VideoQuality,
)
from tests.unit.server.stage import Member, RpcError, Stage
from tests.unit.signaling.descriptions import answer_to


async def answer(member: Member, offer: dict[str, Any] | None = None) -> dict[str, Any]:
    """Answer an offer, by default the next; return it."""
    offered: dict[str, Any] = offer or await member.note("offer")
    desc = {"type": "answer", "sdp": answer_to(offered["sdp"])}
    await member.call("answer", desc=desc, version=offered["version"])
    return offered


async def test_the_size_at_which_a_video_is_shown_reaches_the_engine(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    video = next(t for t in (await answer(bob))["tracks"] if t["kind"] == "video")["publication"]
    shown = {"width": 320, "height": 180, "fps": 15, "priority": 7, "pinned": True}
    await bob.call("layers", publication=video, **shown)
    assert stage.engine.commands_of(SetTarget)[-1].preference == Preference(320, 180, 15, 7, True)
    await bob.call("layers", publication=video, layer="auto", width=320, height=180)
    assert stage.engine.commands_of(SetTarget)[-1].preference == Preference(320, 180)
    await bob.call("layers", publication=video, layer="auto")
    assert stage.engine.commands_of(SetTarget)[-1].preference == Preference()


async def test_a_size_is_kept_until_the_subscription_is_negotiated(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    offer = await bob.note("offer")
    video = next(track for track in offer["tracks"] if track["kind"] == "video")["publication"]
    await bob.call("layers", publication=video, width=640, height=360)
    assert not stage.engine.commands_of(SetTarget)
    await answer(bob, offer)
    subscribed = stage.engine.commands_of(Subscribe)
    sizes = {command.publication: command.preference for command in subscribed}
    assert sizes[video] == Preference(640, 360)


@pytest.mark.parametrize(
    ("shown", "message"),
    [
        ({"width": -1, "height": 180}, r"`int` >= 1 - at `\$.width`"),
        ({"width": 320, "height": 10**9}, r"`int` <= 16384 - at `\$.height`"),
        ({"width": 10**30, "height": 1}, r"\$.width"),
        ({"width": "320", "height": 180}, r"Expected `int \| null`, got `str` - at `\$.width`"),
        ({"width": 320.5, "height": 180}, r"got `float` - at `\$.width`"),
        ({"width": 320}, "width and height belong together: height is missing"),
        ({"height": 180}, "width and height belong together: width is missing"),
        ({"fps": 0}, r"`int` >= 1 - at `\$.fps`"),
        ({"fps": [15]}, r"\$.fps"),
        ({"priority": -1}, r"`int` >= 0 - at `\$.priority`"),
        ({"priority": 101}, r"`int` <= 100 - at `\$.priority`"),
        ({"priority": "high"}, r"\$.priority"),
        ({"pinned": 1}, r"Expected `bool`, got `int` - at `\$.pinned`"),
    ],
)
async def test_an_impossible_size_is_refused(
    stage: Stage, shown: dict[str, Any], message: str
) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    with pytest.raises(RpcError, match=message) as caught:
        await bob.call("layers", publication=1, **shown)
    assert caught.value.code == -32602
    assert not stage.engine.commands_of(SetTarget)


async def test_a_shared_screen_is_named_to_the_engine(stage: Stage) -> None:
    ann = await stage.joined("ann")
    assert [command.screen for command in stage.engine.commands_of(Publish)] == [False, False]
    joined = await ann.call("join", sid="demo")
    mids = [entry["mid"] for entry in joined["publications"]]
    await stage.joined("eve", sources={mids[1]: "screen_share"})
    screens = [command.screen for command in stage.engine.commands_of(Publish)]
    assert screens == [False, False, False, True]


async def test_the_estimate_and_what_is_paused_are_notified(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    command = stage.engine.commands_of(Subscribe)[1]
    quality = VideoQuality(command.subscription, "h", False, 550_000, "bandwidth", 0, 2)
    unknown = VideoQuality(10**6, "h", False, 1, "best")
    stage.engine.emit(QualityChanged(1_000_000, 600_000, [quality, unknown]))
    expected = {
        "estimate_bps": 1_000_000,
        "sent_bps": 600_000,
        "video": [
            {
                "publication": command.publication,
                "rid": "h",
                "paused": False,
                "bitrate_bps": 550_000,
                "reason": "bandwidth",
                "spatial": 0,
                "temporal": 2,
            }
        ],
    }
    assert await bob.note("quality") == expected
    paused = VideoQuality(command.subscription, None, True, 0, "bandwidth")
    stage.engine.emit(QualityChanged(100_000, 50_000, [paused]))
    assert (await bob.note("quality"))["video"][0]["paused"]
    room = describe(stage.context)["rooms"][0]
    shown = next(entry for entry in room["participants"] if entry["uid"] == "bob")
    assert shown["quality"]["estimate_bps"] == 100_000
    video = next(it for it in shown["subscriptions"] if it["kind"] == "video")
    assert (video["paused"], video["last_reason"]) == (True, "bandwidth")


async def test_the_quality_of_removed_subscriptions_is_dropped(stage: Stage) -> None:
    stage.engine.emit(QualityChanged(None, 0, [VideoQuality(10**6)]))
    assert b'callback="engine_event"} 1' not in stage.context.metrics.exposition()
