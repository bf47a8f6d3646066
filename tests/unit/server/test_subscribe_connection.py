"""Subscriptions: one outstanding offer, answers, layers."""

from typing import Any

import pytest

from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import (
    Command,
    CommandError,
    IndexTarget,
    LayerSwitched,
    RestartIce,
    RidTarget,
    SetRemote,
    SetTarget,
    Subscribe,
    Unsubscribe,
)
from sfukit.server.settings import Timing
from sfukit.signaling.room_messages import SelectedLayers
from tests.unit.server.stage import Member, RpcError, Stage, StageMaker
from tests.unit.signaling.descriptions import answer_to


async def answer(member: Member, *reject: str) -> dict[str, Any]:
    """Answer the next offer; return it."""
    offer: dict[str, Any] = await member.note("offer")
    desc = {"type": "answer", "sdp": answer_to(offer["sdp"], reject=frozenset(reject))}
    await member.call("answer", desc=desc, version=offer["version"])
    return offer


async def test_subscriptions_start_with_the_answer(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    assert not stage.engine.commands_of(Subscribe)
    await answer(bob)
    assert len(stage.engine.commands_of(SetRemote)) == 1
    started = stage.engine.commands_of(Subscribe)
    assert [command.mid for command in started] == ["0", "1"]
    assert [command.payload_type for command in started] == [111, 96]
    assert len({command.ssrc for command in started}) == 2


async def test_changes_are_batched_into_one_outstanding_offer(stage: Stage) -> None:
    bob = await stage.joined("bob")
    await stage.joined("ann")
    first = await bob.note("offer")
    await stage.joined("eve")
    zoe = await stage.joined("zoe")
    await zoe.note("offer")  # the offer that would follow one to bob
    await zoe.call("message", data=1, to="bob")
    await bob.note("message")
    assert not [note for note in bob.notifications if note[0] == "offer"]
    desc = {"type": "answer", "sdp": answer_to(first["sdp"])}
    await bob.call("answer", desc=desc, version=1)
    second = await bob.note("offer")
    assert (second["version"], len(second["tracks"])) == (2, 6)


async def test_answers_without_offer_or_to_an_old_one_are_refused_by_code(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    offer = await answer(bob)
    desc = {"type": "answer", "sdp": answer_to(offer["sdp"])}
    for version, reason in ((1, "no_offer_outstanding"), (7, "stale_offer")):
        with pytest.raises(RpcError) as caught:
            await bob.call("answer", desc=desc, version=version)
        assert (caught.value.code, caught.value.reason) == (-32005, reason)


def ufrag(offer: dict[str, Any]) -> str:
    return str(offer["sdp"]).partition("a=ice-ufrag:")[2].partition("\r\n")[0]


async def test_a_restart_offers_other_credentials_which_hold_from_the_answer(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    first = await answer(bob)
    assert await bob.call("restart-ice") == {}
    assert not stage.engine.commands_of(RestartIce)
    second = await answer(bob)
    assert ufrag(second) != ufrag(first)
    assert second["tracks"] == first["tracks"]
    [restarted] = stage.engine.commands_of(RestartIce)
    assert restarted.local.ufrag == ufrag(second)
    assert len(stage.engine.commands_of(SetRemote)) == 1
    assert len(stage.engine.commands_of(Subscribe)) == 2
    await stage.joined("eve")
    third = await answer(bob)
    assert ufrag(third) == ufrag(second)
    assert len(stage.engine.commands_of(RestartIce)) == 1


async def test_a_restart_during_an_offer_follows_it(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    first = await answer(bob)
    await stage.joined("eve")
    outstanding = await bob.note("offer")
    for _ in range(3):
        await bob.call("restart-ice")
    desc = {"type": "answer", "sdp": answer_to(outstanding["sdp"])}
    await bob.call("answer", desc=desc, version=outstanding["version"])
    assert not stage.engine.commands_of(RestartIce)
    last = await answer(bob)
    assert ufrag(outstanding) == ufrag(first) != ufrag(last)
    assert len(stage.engine.commands_of(RestartIce)) == 1


async def test_a_restart_before_the_first_answer_is_refused(stage: Stage) -> None:
    bob = await stage.joined("bob")
    with pytest.raises(RpcError) as caught:
        await bob.call("restart-ice")
    assert (caught.value.code, caught.value.reason) == (-32005, "not_negotiated")


async def test_a_removed_publication_ends_subscriptions_without_a_command(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    await ann.call("leave")
    offer = await answer(bob)
    assert offer["tracks"] == []
    assert not stage.engine.commands_of(Unsubscribe)
    assert not stage.context.core.subscriptions


async def test_a_rejected_m_line_is_reported_and_others_continue(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    offer = await answer(bob, "1")
    ended = await bob.note("subscription-ended")
    rejected = next(track for track in offer["tracks"] if track["mid"] == "1")
    assert ended == {"publication": rejected["publication"], "reason": "codec_unsupported"}
    assert [command.mid for command in stage.engine.commands_of(Subscribe)] == ["0"]


async def test_a_negotiated_m_line_that_is_rejected_later_ends(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    await stage.joined("eve")
    await answer(bob, "1")
    assert (await bob.note("subscription-ended"))["reason"] == "rejected"
    assert len(stage.engine.commands_of(Unsubscribe)) == 1


async def test_a_subscription_that_the_engine_refuses_is_reported(make_stage: StageMaker) -> None:
    def judge(command: Command) -> CommandError | None:
        refused = isinstance(command, Subscribe) and command.mid == "1"
        return CommandError("codec_unsupported") if refused else None

    stage = await make_stage(MockEngine(error_of=judge))
    await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    assert (await bob.note("subscription-ended"))["reason"] == "codec_unsupported"
    assert len((await answer(bob))["tracks"]) == 1


async def test_automatic_subscriptions_are_limited_and_others_follow_removals(
    make_stage: StageMaker,
) -> None:
    stage = await make_stage(auto_subscribe=1)
    ann = await stage.joined("ann")
    await stage.joined("eve")
    bob = await stage.joined("bob")
    assert {track["uid"] for track in (await answer(bob))["tracks"]} == {"ann"}
    await ann.call("leave")
    assert {track["uid"] for track in (await answer(bob))["tracks"]} == {"eve"}


async def test_explicit_subscriptions_exceed_the_automatic_limit(make_stage: StageMaker) -> None:
    stage = await make_stage(auto_subscribe=0)
    ann = await stage.member()
    joined = await ann.call("join", sid="demo", uid="ann")
    assert joined["publications"] == []
    eve = await stage.joined("eve")
    numbers = [
        entry["publication"] for entry in (await eve.call("join", sid="demo"))["publications"]
    ]
    result = await ann.call("subscribe", publications=[numbers[1]], layer="h")
    assert result == {"publications": [numbers[1]]}
    assert [track["publication"] for track in (await answer(ann))["tracks"]] == [numbers[1]]
    assert stage.engine.commands_of(Subscribe)[0].target == RidTarget("h")
    assert await ann.call("unsubscribe", publications=numbers) == {"publications": [numbers[1]]}
    assert len(stage.engine.commands_of(Unsubscribe)) == 1
    assert (await answer(ann))["tracks"] == []


async def test_an_unsubscribed_publication_is_not_subscribed_to_automatically(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob")
    offer = await answer(bob)
    given_up = offer["tracks"][0]["publication"]
    await bob.call("unsubscribe", publications=[given_up])
    await answer(bob)
    await stage.joined("eve")
    offer = await answer(bob)
    assert given_up not in [track["publication"] for track in offer["tracks"]]
    assert await ann.call("leave") == {}


async def test_layers_are_selected_by_rid_index_or_auto(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    video = next(t for t in (await answer(bob))["tracks"] if t["kind"] == "video")["publication"]
    for layer, target in (("q", RidTarget("q")), (2, IndexTarget(2))):
        await bob.call("layers", publication=video, layer=layer)
        assert stage.engine.commands_of(SetTarget)[-1].target == target
    await bob.call("layers", publication=video, layer=2)
    assert len(stage.engine.commands_of(SetTarget)) == 2
    for layer in ("x", 3):
        with pytest.raises(RpcError) as caught:
            await bob.call("layers", publication=video, layer=layer)
        assert (caught.value.code, caught.value.reason) == (-32004, "layer_unknown")
    with pytest.raises(RpcError, match="publication_unknown"):
        await bob.call("layers", publication=999, layer="auto")


async def test_a_layer_switch_is_reported_with_its_reason(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    command = stage.engine.commands_of(Subscribe)[1]
    stage.engine.emit(LayerSwitched(command.subscription, "f", "q", "loss", 12.5))
    assert await bob.note("layer-switch") == {
        "publication": command.publication,
        "from": "f",
        "to": "q",
        "reason": "loss",
        "wait_ms": 12.5,
        "layers": None,
    }
    assert b'sfukit_layer_switches_total{reason="loss"} 1.0' in stage.context.metrics.exposition()


async def test_selected_layers_are_reported_but_not_counted(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    command = stage.engine.commands_of(Subscribe)[1]
    layers = SelectedLayers(1, 0, 2, 2)
    stage.engine.emit(LayerSwitched(command.subscription, None, None, "size", None, layers))
    note = await bob.note("layer-switch")
    assert note["layers"] == {
        "spatial": 1,
        "temporal": 0,
        "highest_spatial": 2,
        "highest_temporal": 2,
    }
    assert b'reason="size"' not in stage.context.metrics.exposition()


async def test_a_layer_that_is_not_sent_is_reported_but_not_counted(stage: Stage) -> None:
    await stage.joined("ann")
    bob = await stage.joined("bob")
    await answer(bob)
    command = stage.engine.commands_of(Subscribe)[1]
    stage.engine.emit(LayerSwitched(command.subscription, "h", "h", "encoding_inactive", None))
    note = await bob.note("layer-switch")
    assert (note["to"], note["reason"], note["wait_ms"]) == ("h", "encoding_inactive", None)
    assert b"encoding_inactive" not in stage.context.metrics.exposition()


async def test_an_offer_that_is_never_answered_ends_the_membership(make_stage: StageMaker) -> None:
    stage = await make_stage(timing=Timing(negotiation_s=0.2, debounce_s=0.01))
    await stage.joined("ann", config={"no_subscribe": True})
    bob = await stage.member()
    await bob.call("join", sid="demo", uid="bob")
    assert (await bob.note("bye"))["reason"] == "negotiation_timeout"
    assert await bob.closed() == 4003


async def test_a_participant_does_not_subscribe_to_own_publications(stage: Stage) -> None:
    ann = await stage.joined("ann")
    own = (await ann.call("join", sid="demo"))["publications"][0]["publication"]
    with pytest.raises(RpcError, match="publication_unknown"):
        await ann.call("subscribe", publications=[own])
    with pytest.raises(RpcError, match="publication_unknown"):
        await ann.call("subscribe", publications=[4711])
