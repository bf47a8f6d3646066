"""406 of WHEP: the server's own offer, and the player's answer (draft-ietf-wish-whep-04)."""

import pytest
from aiohttp import ClientResponse

from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import (
    CloseTransport,
    Command,
    CommandError,
    OpenTransport,
    Subscribe,
)
from sfukit.server.settings import IceServer
from sfukit.signaling import sdp
from sfukit.signaling.refusal import Refusal
from tests.unit.server.stage import Stage, StageMaker, until
from tests.unit.server.test_whep import SDP, end, play, publish, reason_of
from tests.unit.signaling.descriptions import answer_to, audio, offer_of, video

FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}
OTHER_CODEC = offer_of(video("VP9/90000", direction="recvonly"))
DATA_ALONE = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
    "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\n"
    f"a=ice-ufrag:abcd\r\na=ice-pwd:{'p' * 24}\r\na=fingerprint:sha-256 {':'.join(['AA'] * 32)}\r\n"
    "a=setup:actpass\r\na=sctp-port:5000\r\n"
)


@pytest.fixture
async def countered(stage: Stage) -> ClientResponse:
    """The response to an offer without the publisher's codecs."""
    await publish(stage)
    return await play(stage, text=OTHER_CODEC)


async def patched(stage: Stage, session: ClientResponse, text: str) -> ClientResponse:
    url = stage.url(session.headers["Location"])
    return await stage.session.patch(url, data=text.encode(), headers=SDP)


async def test_an_offer_without_the_codecs_gets_an_offer_of_the_server(
    stage: Stage, countered: ClientResponse
) -> None:
    assert (countered.status, countered.content_type) == (406, "application/sdp")
    text = await countered.text()
    offer = sdp.parse(text)
    assert [(media.kind, media.direction) for media in offer.media] == [
        ("audio", "sendonly"),
        ("video", "sendonly"),
    ]
    assert "a=setup:actpass\r\n" in text
    assert "a=candidate:" in text
    assert "a=rtpmap:96 VP8/90000\r\n" in text
    lines = text.split("\r\n")
    assert lines[2:5][0] == "s=-"
    assert lines[3].startswith("i=codec_unsupported: ")
    assert lines[4] == "t=0 0"
    assert not stage.engine.commands_of(Subscribe)
    assert not [one for one in stage.engine.commands_of(OpenTransport) if one.room != 1]
    assert stage.context.rooms.population == 2


async def test_the_answer_starts_the_session(stage: Stage, countered: ClientResponse) -> None:
    response = await patched(stage, countered, answer_to(await countered.text()))
    assert (response.status, await response.read()) == (204, b"")
    opened = stage.engine.commands_of(OpenTransport)[-1]
    assert opened.remote is not None
    assert (opened.remote.ufrag, opened.remote.setup) == ("wxyz", "active")
    commands = stage.engine.commands_of(Subscribe)
    assert [command.publication for command in commands] == [1, 2]
    assert [command.mid for command in commands] == ["0", "1"]
    assert commands[1].rtx_payload_type is not None
    again = await patched(stage, countered, answer_to(await countered.text()))
    assert await reason_of(again) == (422, "answer_unexpected")
    restart = await stage.session.patch(
        stage.url(countered.headers["Location"]),
        data=f"a=ice-ufrag:neww\r\na=ice-pwd:{'n' * 24}\r\n",
        headers=FRAGMENT | {"If-Match": "*"},
    )
    assert restart.status == 200
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 111" in await restart.text()
    ended = await stage.session.delete(stage.url(countered.headers["Location"]))
    assert ended.status == 200
    assert stage.context.rooms.population == 1


async def test_a_player_may_take_a_part(stage: Stage, countered: ClientResponse) -> None:
    answer = answer_to(await countered.text(), reject=frozenset("0"))
    assert (await patched(stage, countered, answer)).status == 204
    assert [one.publication for one in stage.engine.commands_of(Subscribe)] == [2]


async def test_candidates_may_come_before_the_answer(
    stage: Stage, countered: ClientResponse
) -> None:
    url = stage.url(countered.headers["Location"])
    trickled = await stage.session.patch(
        url, data=f"a=ice-ufrag:wxyz\r\na=ice-pwd:{'y' * 24}\r\n", headers=FRAGMENT
    )
    assert trickled.status == 204
    assert (await patched(stage, countered, answer_to(await countered.text()))).status == 204


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ([], 400, "sdp_malformed"),
        ([("a=setup:active", "a=setup:actpass")], 422, "setup_refused"),
        ([("a=mid:1", "a=mid:7")], 422, "answer_mismatch"),
        ([("a=recvonly", "a=inactive")], 422, "codec_unsupported"),
        ([("a=ice-ufrag:wxyz", "a=x:y")], 422, "ice_missing"),
    ],
)
async def test_an_invalid_answer_is_refused(
    stage: Stage,
    countered: ClientResponse,
    changes: list[tuple[str, str]],
    status: int,
    reason: str,
) -> None:
    answer = answer_to(await countered.text()) if changes else "nonsense"
    for old, new in changes:
        answer = answer.replace(old, new)
    assert await reason_of(await patched(stage, countered, answer)) == (status, reason)
    assert not stage.engine.commands_of(Subscribe)
    corrected = await patched(stage, countered, answer_to(await countered.text()))
    assert corrected.status == (404 if reason == "codec_unsupported" else 204)
    await corrected.read()


async def test_an_offer_that_receives_nothing_is_countered_too(stage: Stage) -> None:
    await publish(stage)
    for text in (DATA_ALONE, offer_of(video(), audio())):
        response = await play(stage, text=text)
        assert response.status == 406, await response.text()
        assert "i=nothing_to_play: " in await response.text()


@pytest.mark.parametrize(
    ("text", "status", "reason"),
    [
        ("nonsense", 400, "sdp_malformed"),
        (offer_of(video(direction="recvonly"), setup="holdconn"), 422, "setup_refused"),
    ],
)
async def test_other_refusals_stay(stage: Stage, text: str, status: int, reason: str) -> None:
    await publish(stage)
    assert await reason_of(await play(stage, text=text)) == (status, reason)
    assert stage.context.rooms.population == 1


async def test_without_an_answer_the_session_ends(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfukit.server.whep_viewer.VALID_S", 0.01)
    await publish(stage)
    countered = await play(stage, text=OTHER_CODEC)
    await until(lambda: stage.context.rooms.population == 1)
    assert stage.ended() == {"negotiation_timeout": 1}
    assert not stage.engine.commands_of(CloseTransport)
    answer = answer_to(await countered.text())
    assert await reason_of(await patched(stage, countered, answer)) == (404, "session_unknown")


async def test_a_publisher_that_leaves_ends_the_offer(
    stage: Stage, countered: ClientResponse
) -> None:
    end(stage, 0)
    assert stage.ended() == {"publisher_left": 1, "transport_lost": 1}
    answer = answer_to(await countered.text())
    assert await reason_of(await patched(stage, countered, answer)) == (404, "session_unknown")
    assert len(stage.context.sessions) == 0


async def test_a_session_that_ends_while_its_answer_is_read_stays_ended(
    stage: Stage, countered: ClientResponse
) -> None:
    session = stage.context.sessions.find(countered.headers["Location"].rpartition("/")[2])
    session.delete()
    with pytest.raises(Refusal, match="session_unknown"):
        await session.answer(answer_to(await countered.text()))
    assert not stage.engine.commands_of(Subscribe)
    assert len(stage.context.core.transports) == 1  # of the publisher


async def test_an_engine_that_refuses_ends_the_session(make_stage: StageMaker) -> None:
    def refuses(command: Command) -> CommandError | None:
        return CommandError("overloaded") if isinstance(command, Subscribe) else None

    stage = await make_stage(MockEngine(error_of=refuses))
    await publish(stage)
    countered = await play(stage, text=OTHER_CODEC)
    response = await patched(stage, countered, answer_to(await countered.text()))
    assert await reason_of(response) == (503, "overloaded")
    assert stage.context.rooms.population == 1


async def test_a_publisher_is_not_sent_an_answer(stage: Stage) -> None:
    session = await publish(stage)
    response = await patched(stage, session, answer_to(offer_of(video())))
    assert await reason_of(response) == (422, "answer_unexpected")


async def test_ice_servers_and_extensions_are_announced(make_stage: StageMaker) -> None:
    stage = await make_stage(ice_servers=(IceServer("stun:s.example"),))
    await publish(stage)
    links = (await play(stage, text=OTHER_CODEC)).headers.getall("Link")
    assert links[0] == '<stun:s.example>; rel="ice-server"'
    assert len(links) == 3
