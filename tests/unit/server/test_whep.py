"""WHEP: choice of the publisher, and its leave."""

from typing import Any

import pytest
from aiohttp import ClientResponse

from sfukit.server.debug import describe
from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    CommandError,
    OpenTransport,
    QualityChanged,
    ReplaceSource,
    Subscribe,
    TransportState,
    VideoQuality,
)
from sfukit.signaling import sdp
from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.unit.server.stage import Stage, StageMaker, offer_text, until
from tests.unit.signaling.descriptions import audio, offer_of, video

SDP = {"Content-Type": "application/sdp"}
SECRET = "a-secret-of-at-least-thirty-two-bytes"


async def publish(stage: Stage, text: str | None = None, token: str = "") -> ClientResponse:
    response = await stage.session.post(
        stage.url("/whip/demo"), data=text or offer_text(), headers=SDP | bearer(token)
    )
    assert response.status == 201
    return response


async def play(stage: Stage, path: str = "/whep/demo", text: str = "") -> ClientResponse:
    body = text or offer_text("chromium-viewer-offer")
    return await stage.session.post(stage.url(path), data=body, headers=SDP)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


async def reason_of(response: ClientResponse) -> tuple[int, str]:
    content: dict[str, Any] = await response.json()
    return response.status, content["reason"]


def end(stage: Stage, publisher: int) -> None:
    """Fail the transport of the n-th publisher."""
    opened = [
        command for command in stage.engine.commands_of(OpenTransport) if command.remote is not None
    ]
    stage.engine.emit(TransportState(opened[publisher].transport, "disconnected", "silent"))


async def test_a_viewer_receives_the_publications(stage: Stage) -> None:
    await publish(stage)
    response = await play(stage)
    assert response.status == 201
    session = sdp.parse(await response.text())
    assert [media.direction for media in session.media] == ["sendonly"] * 2
    commands = stage.engine.commands_of(Subscribe)
    assert [command.publication for command in commands] == [1, 2]
    assert [command.rtx_payload_type for command in commands] == [None, 97]


async def test_what_an_estimate_limits_is_shown_for_a_viewer(stage: Stage) -> None:
    await publish(stage)
    await play(stage)
    command = stage.engine.commands_of(Subscribe)[1]
    quality = VideoQuality(command.subscription, None, True, 0, "bandwidth")
    stage.engine.emit(QualityChanged(100_000, 40_000, [quality]))
    viewer = describe(stage.context)["rooms"][0]["viewers"][0]
    assert viewer["quality"]["estimate_bps"] == 100_000
    assert viewer["quality"]["video"][0]["reason"] == "bandwidth"
    assert [entry["paused"] for entry in viewer["subscriptions"]] == [False, True]


@pytest.mark.parametrize("path", ["/whep/demo", "/whep/demo/ann", "/whep/elsewhere"])
async def test_without_a_publisher_a_viewer_may_retry(stage: Stage, path: str) -> None:
    response = await play(stage, path)
    assert await reason_of(response) == (409, "not_live")
    assert int(response.headers["Retry-After"]) > 0
    assert not list(stage.context.rooms)


async def test_the_first_whip_publisher_is_preferred_to_other_participants(stage: Stage) -> None:
    await stage.joined("ann")
    await play(stage)
    assert [command.publication for command in stage.engine.commands_of(Subscribe)] == [1, 2]
    await publish(stage)
    await publish(stage)
    await play(stage)
    assert [command.publication for command in stage.engine.commands_of(Subscribe)[2:]] == [3, 4]
    await play(stage, "/whep/demo/ann")
    assert [command.publication for command in stage.engine.commands_of(Subscribe)[4:]] == [1, 2]


async def test_viewers_are_not_announced_but_counted(stage: Stage) -> None:
    ann = await stage.joined("ann")
    await play(stage)
    assert stage.context.rooms.population == 2
    result = await ann.call("join", sid="demo", uid="ann")
    assert result["participant_count"] == 1


async def test_the_next_publisher_takes_over_if_its_codecs_fit(stage: Stage) -> None:
    await publish(stage)
    await publish(stage)
    await play(stage)
    end(stage, 0)
    switched = stage.engine.commands_of(ReplaceSource)
    assert [command.publication for command in switched] == [3, 4]
    kinds = [type(command) for command in stage.engine.commands]
    assert kinds.index(ReplaceSource) < kinds.index(CloseTransport)
    assert stage.context.rooms.population == 2


async def test_a_publisher_of_other_codecs_ends_the_session(stage: Stage) -> None:
    await publish(stage)
    await publish(stage, offer_of(audio(), video("VP9/90000")))
    await play(stage)
    end(stage, 0)
    assert len(stage.engine.commands_of(CloseTransport)) == 2
    assert stage.ended() == {"publisher_changed": 1, "transport_lost": 1}


async def test_an_engine_that_cannot_switch_ends_the_session(make_stage: StageMaker) -> None:
    def judge(command: Command) -> CommandError | None:
        return CommandError("invalid") if isinstance(command, ReplaceSource) else None

    stage = await make_stage(MockEngine(error_of=judge))
    await publish(stage)
    await publish(stage)
    await play(stage)
    end(stage, 0)
    await until(lambda: stage.context.rooms.population == 1)
    assert len(stage.engine.commands_of(CloseTransport)) == 2
    assert stage.ended() == {"publisher_changed": 1, "transport_lost": 1}


async def test_delete_succeeds_after_the_transport_closed(stage: Stage) -> None:
    await publish(stage)
    response = await play(stage)
    end(stage, 1)
    assert len(stage.context.sessions) == 1
    for _ in range(2):
        deleted = await stage.session.delete(stage.url(response.headers["Location"]))
        assert deleted.status == 200


async def test_the_session_ends_with_the_only_publisher(stage: Stage) -> None:
    await publish(stage)
    session = await play(stage)
    end(stage, 0)
    assert len(stage.engine.commands_of(CloseTransport)) == 2
    assert stage.ended() == {"publisher_left": 1, "transport_lost": 1}
    patched = await stage.session.patch(
        stage.url(session.headers["Location"]),
        data="a=end-of-candidates\r\n",
        headers={"Content-Type": "application/trickle-ice-sdpfrag", "If-Match": "*"},
    )
    assert await reason_of(patched) == (404, "session_unknown")


async def test_a_named_participant_is_not_replaced_by_another(stage: Stage) -> None:
    ann = await stage.joined("ann")
    await stage.joined("bob")
    await play(stage, "/whep/demo/ann")
    await ann.call("leave")
    assert not stage.engine.commands_of(ReplaceSource)
    assert stage.ended() == {"publisher_left": 1, "left": 1}


async def test_viewers_follow_a_publisher_that_replaces_its_session(
    make_stage: StageMaker,
) -> None:
    stage = await make_stage(api_keys={"key": SECRET})
    grants = VideoGrants(room_join=True, room_create=True)
    tokens = {
        uid: sign(claims_for("key", uid, grants, valid_s=60), SECRET) for uid in ("obs", "other")
    }
    first = await publish(stage, token=tokens["obs"])
    await publish(stage, token=tokens["other"])
    viewer = offer_text("chromium-viewer-offer")
    played = await stage.session.post(
        stage.url("/whep/demo"), data=viewer, headers=SDP | bearer(tokens["other"])
    )
    assert played.status == 201
    await publish(stage, token=tokens["obs"])
    assert [command.publication for command in stage.engine.commands_of(ReplaceSource)] == [5, 6]
    assert len(stage.engine.commands_of(CloseTransport)) == 1
    assert stage.ended() == {"replaced": 1}
    room = stage.context.rooms.find("demo")
    assert room is not None
    assert sorted(room.participants) == ["obs", "other"]
    gone = await stage.session.delete(stage.url(first.headers["Location"]))
    assert gone.status == 200
    assert room.participants["obs"].leave_reason is None


async def test_a_removed_publication_leaves_the_other(stage: Stage) -> None:
    ann = await stage.joined("ann")
    await play(stage)
    idle = offer_text().replace("a=sendonly", "a=inactive", 1)
    await ann.call("offer", desc={"type": "offer", "sdp": idle})
    assert stage.context.rooms.population == 2
    idle = offer_text().replace("a=sendonly", "a=inactive")
    await ann.call("offer", desc={"type": "offer", "sdp": idle})
    assert stage.context.rooms.population == 1
