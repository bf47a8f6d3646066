"""Renegotiation of a publish connection: added and removed tracks, restarts, new transports."""

import pytest
import structlog

from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    CommandError,
    EncodingState,
    EncodingsWanted,
    OpenTransport,
    Publish,
    RestartIce,
    SetMuted,
    SsrcUnbound,
    TransportState,
    Unpublish,
)
from sfukit.server.settings import Timing
from tests.unit.server.stage import Member, RpcError, Stage, StageMaker, offer_text
from tests.unit.signaling.descriptions import offer_of, video


async def offer(member: Member, text: str, **params: object) -> dict[str, object]:
    result: dict[str, object] = await member.call(
        "offer", desc={"type": "offer", "sdp": text}, **params
    )
    return result


async def test_the_same_offer_again_changes_nothing(stage: Stage) -> None:
    ann = await stage.joined("ann")
    before = len(stage.engine.commands)
    result = await offer(ann, offer_text())
    assert result["version"] == 2
    assert len(stage.engine.commands) == before


async def test_an_inactive_m_line_ends_its_publication_and_may_publish_again(stage: Stage) -> None:
    bob = await stage.joined("bob")
    ann = await stage.joined("ann")
    without_video = offer_text()
    cut = without_video.rindex("a=sendonly")
    without_video = without_video[:cut] + "a=inactive" + without_video[cut + len("a=sendonly") :]
    result = await offer(ann, without_video)
    assert [entry["kind"] for entry in result["publications"]] == ["audio"]  # type: ignore[attr-defined]
    removed = stage.engine.commands_of(Unpublish)[0].publication
    assert (await bob.note("publication-removed"))["publication"] == removed
    await offer(ann, offer_text())
    assert len(stage.engine.commands_of(Publish)) == 5
    assert stage.engine.commands_of(Publish)[-1].publication > removed


async def test_new_credentials_restart_ice_on_the_same_transport(stage: Stage) -> None:
    ann = await stage.joined("ann")
    result = await offer(ann, offer_text().replace("a=ice-ufrag:8hQW", "a=ice-ufrag:neww"))
    restart = stage.engine.commands_of(RestartIce)[0]
    assert restart.remote.ufrag == "neww"
    assert f"a=ice-ufrag:{restart.local.ufrag}" in str(result["sdp"])
    assert len(stage.engine.commands_of(Publish)) == 2


async def test_another_dtls_fingerprint_is_another_transport(stage: Stage) -> None:
    ann = await stage.joined("ann")
    first = stage.engine.commands_of(OpenTransport)[-1].transport
    await offer(ann, offer_text().replace("6B:8B", "6B:8C"))
    assert [command.transport for command in stage.engine.commands_of(CloseTransport)] == [first]
    assert len(stage.engine.commands_of(OpenTransport)) == 3
    assert len(stage.engine.commands_of(Publish)) == 4


async def test_a_stale_offer_is_refused_by_code(stage: Stage) -> None:
    ann = await stage.joined("ann")
    await offer(ann, offer_text(), version=5)
    for version in (4, 5):
        with pytest.raises(RpcError) as caught:
            await offer(ann, offer_text(), version=version)
        assert (caught.value.code, caught.value.reason) == (-32005, "stale_offer")
    assert (await offer(ann, offer_text()))["version"] == 6


async def test_an_offer_that_the_engine_refuses_changes_nothing(make_stage: StageMaker) -> None:
    def judge(command: Command) -> CommandError | None:
        late = isinstance(command, Publish) and command.publication > 2
        return CommandError("overloaded") if late else None

    stage = await make_stage(MockEngine(error_of=judge))
    ann = await stage.member()
    desc = {"type": "offer", "sdp": offer_text()}
    await ann.call("join", sid="demo", uid="ann", offer=desc)
    with pytest.raises(RpcError) as caught:
        await offer(ann, offer_text().replace("6B:8B", "6B:8C"))
    assert (caught.value.code, caught.value.reason) == (-32007, "overloaded")
    assert caught.value.data["retry_after_s"] == 1
    again = await ann.call("join", sid="demo", uid="ann")
    assert [entry["publication"] for entry in again["publications"]] == [1, 2]


async def test_a_mute_is_announced_and_only_hosts_mute_others(stage: Stage) -> None:
    ann = await stage.joined("ann")
    bob = await stage.joined("bob")
    number = (await ann.call("join", sid="demo"))["publications"][0]["publication"]
    await ann.call("mute", publication=number, muted=True)
    assert stage.engine.commands_of(SetMuted)[0].muted
    told = await bob.note("publication-muted")
    assert told == {"uid": "ann", "publication": number, "muted": True}
    eve = await stage.member()
    listed = (await eve.call("join", sid="demo", uid="eve"))["participants"]
    shown = [entry for one in listed for entry in one["publications"] if entry["muted"]]
    assert [entry["publication"] for entry in shown] == [number]


async def test_an_inactive_encoding_is_reported_to_its_publisher(stage: Stage) -> None:
    ann = await stage.joined("ann")
    stage.engine.emit(EncodingState(2, "f", active=False, reason="encoding_inactive"))
    told = await ann.note("encoding-state")
    assert told == {"publication": 2, "rid": "f", "active": False, "reason": "encoding_inactive"}


async def test_an_ssrc_that_belongs_to_no_encoding_is_logged_with_its_reason(stage: Stage) -> None:
    await stage.joined("ann")
    with structlog.testing.capture_logs() as logged:
        stage.engine.emit(SsrcUnbound(1, 77, 96, 30, "encoding_ambiguous"))
    assert logged == [
        {
            "event": "ssrc_unbound",
            "log_level": "warning",
            "transport": 1,
            "ssrc": 77,
            "payload_type": 96,
            "packets": 30,
            "reason": "encoding_ambiguous",
        }
    ]


async def test_encodings_without_rid_have_no_dynacast(
    stage: Stage,
) -> None:
    ann = await stage.member()
    sdp = offer_of(video() + "a=ssrc-group:SIM 11 33\r\na=ssrc:11 cname:x\r\na=ssrc:33 cname:x\r\n")
    desc = {"type": "offer", "sdp": sdp}
    await ann.call("join", sid="demo", uid="ann", offer=desc, config={"dynacast": True})
    publish = stage.engine.commands_of(Publish)[0]
    assert [encoding.rid for encoding in publish.encodings] == ["0", "1"]
    assert not publish.dynacast


async def test_with_dynacast_the_publisher_is_notified_of_encodings_with_subscribers(
    stage: Stage,
) -> None:
    ann = await stage.member()
    desc = {"type": "offer", "sdp": offer_text()}
    await ann.call("join", sid="demo", uid="ann", offer=desc, config={"dynacast": True})
    assert [command.dynacast for command in stage.engine.commands_of(Publish)] == [True, True]
    stage.engine.emit(EncodingsWanted(2, ["q", "f"]))
    assert await ann.note("encodings") == {"publication": 2, "rids": ["q", "f"]}


async def test_dynacast_is_off_by_default(stage: Stage) -> None:
    await stage.joined("ann")
    assert [command.dynacast for command in stage.engine.commands_of(Publish)] == [False, False]


async def test_a_transport_that_goes_down_ends_the_membership(stage: Stage) -> None:
    ann = await stage.joined("ann")
    transport = stage.engine.commands_of(OpenTransport)[-1].transport
    stage.engine.emit(TransportState(transport, "connected", srtp_profile="AEAD_AES_128_GCM"))
    told = await ann.note("transport-state")
    assert (told["target"], told["srtp_profile"]) == (0, "AEAD_AES_128_GCM")
    assert b"sfukit_join_duration_seconds_count 1.0" in stage.context.metrics.exposition()
    stage.engine.emit(TransportState(transport, "disconnected", "silent"))
    assert (await ann.note("bye"))["reason"] == "transport_lost"
    assert await ann.closed() == 4005


async def test_a_transport_that_never_connects_ends_the_membership(make_stage: StageMaker) -> None:
    stage = await make_stage(timing=Timing(negotiation_s=0.2, debounce_s=0.01))
    ann = await stage.joined("ann")
    assert (await ann.note("bye"))["reason"] == "negotiation_timeout"
