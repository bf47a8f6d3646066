"""What a target is, whether it may be loaded, and how WHIP and WHEP answer."""

import asyncio
from collections.abc import Callable

import httpx
import pytest
from msgspec.structs import replace

from sfukit.errors import TargetError, UsageError
from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.host.server_process import Traffic, parse_traffic
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.targets.base import JoinRefusedError, Session
from sfukit.loadgen.targets.whip import WhipTarget
from sfukit.signaling import sdp, token
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import AddCandidate, Candidate, OpenTransport, Publish, Receive
from sfukit.targets import access
from sfukit.targets.access import Access
from sfukit.targets.detect import DetectedTarget, TargetUrl, detect, parse_play, parse_target
from sfukit.targets.load_permission import permit

from ..signaling.test_descriptions import LOCAL

Handler = Callable[[httpx.Request], httpx.Response]


def client(handler: Handler) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.MockTransport(handler))


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://h:7080", TargetUrl(None, "http://h:7080")),
        ("wss://h/ws", TargetUrl(None, "https://h/ws")),
        ("whip+https://h/whip/{room}", TargetUrl("whip", "https://h/whip/{room}")),
        ("sfukit+http://h", TargetUrl("sfukit", "http://h")),
        ("livekit+ws://h:7880", TargetUrl("livekit", "http://h:7880")),
        ("janus+ws://h:8188/janus", TargetUrl("janus", "http://h:8188/janus")),
        ("galene+https://h/group/t", TargetUrl("galene", "https://h/group/t")),
    ],
)
def test_targets_are_read(text: str, address: TargetUrl) -> None:
    assert parse_target(text) == address


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("h:7080", "no URL"),
        ("ftp://h", "no URL"),
        ("http://", "no URL"),
        ("http://[::1", "no URL"),
        ("http://h:99999", "no URL"),
        ("bogus+http://h", "no kind is called 'bogus'"),
    ],
)
def test_what_is_no_target_is_refused(text: str, says: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_target(text)
    assert says in refused.value.what


@pytest.mark.parametrize("text", ["", "h/whep", "http://[::1", "http://h:99999", "whip+http://h"])
def test_what_cannot_be_played_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--play"):
        parse_play(text)


def test_what_is_played_may_be_of_a_room() -> None:
    assert parse_play("https://h/whep/{room}") == "https://h/whep/{room}"


def sfukit_server(request: httpx.Request) -> httpx.Response:
    if request.method == "OPTIONS" and request.url.path.startswith("/whip/"):
        return httpx.Response(200, headers={"Accept-Post": "application/sdp"})
    if request.url.path == "/info":
        return httpx.Response(200, json={"server": "sfukit", "version": "9", "protocols": []})
    return httpx.Response(404)


async def test_a_server_of_ours_is_recognised_by_its_build() -> None:
    found = await detect(parse_target("http://h:1/anything"), client(sfukit_server))
    assert found == DetectedTarget("sfukit", "http://h:1", "9")


async def test_a_whip_endpoint_is_recognised_by_what_it_accepts() -> None:
    found = await detect(parse_target("http://h/whip/{room}"), client(sfukit_server))
    assert found == DetectedTarget("whip", "http://h/whip/{room}", None)


async def test_a_forced_kind_is_not_asked() -> None:
    def silent(request: httpx.Request) -> httpx.Response:
        raise AssertionError

    assert (await detect(parse_target("whip+http://h/x"), client(silent))).kind == "whip"


async def test_a_web_server_of_another_kind_is_refused() -> None:
    with pytest.raises(TargetError, match="neither an sfukit server nor a WHIP"):
        await detect(parse_target("http://h"), client(lambda _: httpx.Response(200, text="hi")))


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (httpx.ConnectError("refused"), "cannot be reached"),
        (httpx.DecodingError("no gzip"), "cannot be reached"),
        (httpx.ReadTimeout(""), "not answer"),
    ],
)
async def test_a_target_that_does_not_answer_is_refused(error: Exception, says: str) -> None:
    def fail(_: httpx.Request) -> httpx.Response:
        raise error

    with pytest.raises(TargetError, match=says):
        await detect(parse_target("http://h"), client(fail))


async def test_other_machines_need_permission_above_two_clients() -> None:
    command = ("sfukit", "loadtest", "http://192.0.2.7:7080", "-c", "50")
    await permit("http://127.0.0.1:1", 500, frozenset(), command)
    await permit("http://localhost:1", 500, frozenset(), command)
    await permit("http://192.0.2.7:7080", 2, frozenset(), command)
    await permit("http://192.0.2.7:7080", 50, frozenset({"192.0.2.7"}), command)
    with pytest.raises(UsageError) as refused:
        await permit("http://192.0.2.7:7080", 50, frozenset(), command)
    assert (refused.value.hint or "").endswith(
        "sfukit loadtest http://192.0.2.7:7080 -c 50 --allow-host 192.0.2.7"
    )


async def test_a_name_that_is_none_cannot_be_looked_up() -> None:
    with pytest.raises(TargetError, match=r"'a\.\.b' cannot be looked up"):
        await permit("http://a..b", 50, frozenset(), ("sfukit", "loadtest"))


def test_each_bot_has_a_token_of_its_own() -> None:
    how = Access(api_key="key", api_secret="s" * 32, headers=(("X-Tag", "a"),))
    made = access.headers(how, "room-1", "p1", 60)
    claims = token.verify(made["Authorization"].removeprefix("Bearer "), {"key": "s" * 32})
    assert (claims.sub, claims.video.room, claims.video.room_join) == ("p1", "room-1", True)
    assert made["X-Tag"] == "a"
    assert access.headers(Access(token="abc"), "r", "p", 1) == {"Authorization": "Bearer abc"}
    assert access.headers(Access(), "r", "p", 1) == {}


def test_urls_are_filled_in() -> None:
    assert access.fill_in("http://h/{room}/{n}", "room-1", 7) == "http://h/room-1/7"


class Pair:
    """A publisher and a player of one WHIP and WHEP pair."""

    def __init__(self, handler: Handler, how: Access = Access()) -> None:  # noqa: B008 - frozen
        self.plan = plan(LoadOptions(clients=2, shape="pair"))
        self.swarm = FakeSwarm()
        self.ledger = Ledger(self.plan)
        self.swarm.listen(self.ledger.on_event, lambda command, error: None)
        self.target = WhipTarget(
            client(handler), "http://h/whip", "http://h/whep", how, join_timeout_s=5
        )

    def participant(self, index: int) -> BotSession:
        media = Media(
            clips={"q": 1, "h": 2, "f": 3, "audio": 4},
            pacing="whole",
            pli_policy="answer",
            unwatched="dynacast",
            ssrc_base=0,
        )
        bot_session = BotSession(self.plan, self.plan.bots[index], self.swarm, self.ledger, media)
        bot_session.add(0)
        return bot_session

    def session(self, index: int) -> Session:
        return self.target.session(self.participant(index))


class Endpoint:
    """A WHIP and WHEP server that takes everything."""

    def __init__(self, *before: httpx.Response) -> None:
        self.requests: list[httpx.Request] = []
        self._before = list(before)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self._before:
            return self._before.pop(0)
        if request.method == "DELETE":
            return httpx.Response(200)
        offer = sdp.parse(request.content.decode())
        if request.url.path == "/whip":
            answer = answer_publisher(offer, LOCAL, PublishRules()).sdp
        else:
            answer = request.content.decode().replace("recvonly", "sendonly")
            answer = answer.replace("actpass", "passive")
            answer += "a=candidate:1 1 udp 1 192.0.2.1 7081 typ host\r\n"
        headers = {"Location": "/session/1", "Content-Type": "application/sdp"}
        return httpx.Response(201, text=answer, headers=headers)


async def test_publishing_and_playing_over_http() -> None:
    endpoint = Endpoint()
    pair = Pair(endpoint)
    for index in range(2):
        session = pair.session(index)
        await session.join()
        await session.leave()
    assert [(one.method, one.url.path) for one in endpoint.requests] == [
        ("POST", "/whip"),
        ("DELETE", "/session/1"),
        ("POST", "/whep"),
        ("DELETE", "/session/1"),
    ]
    assert endpoint.requests[0].headers["content-type"] == "application/sdp"
    assert len(pair.swarm.of(OpenTransport)) == 2
    assert [one.mid for one in pair.swarm.of(Publish)] == ["0", "1"]
    assert {one.codec for one in pair.swarm.of(Receive)} == {"opus", "VP8"}
    assert (pair.ledger.joined, pair.ledger.tracks) == (2, 2)


async def test_an_answer_without_candidates_is_refused() -> None:
    offer = sdp.parse(await Pair(Endpoint()).participant(0).publisher().offer())
    answer = answer_publisher(offer, replace(LOCAL, candidates=""), PublishRules()).sdp
    response = httpx.Response(201, text=answer, headers={"Location": "/session/1"})
    with pytest.raises(JoinRefusedError, match="no UDP candidate") as refused:
        await Pair(Endpoint(response)).session(0).join()
    assert refused.value.code == "no_candidates"


async def test_trickled_candidates_open_the_transport_and_are_added() -> None:
    pair = Pair(Endpoint())
    connection = pair.participant(0).publisher(trickle=True)
    offer = sdp.parse(await connection.offer())
    await connection.add_candidate("candidate:1 1 udp 9 192.0.2.1 1000 typ host")
    await connection.answered(
        answer_publisher(offer, replace(LOCAL, candidates=""), PublishRules()).sdp
    )
    [opened] = pair.swarm.of(OpenTransport)
    assert opened.remote.candidates == [Candidate("192.0.2.1", 1000)]
    assert len(pair.swarm.of(Publish)) == 2
    for text in (
        "a=candidate:2 1 UDP 8 2001:db8::1 1001 typ srflx raddr :: rport 0 ufrag x",
        "candidate:3 1 tcp 8 192.0.2.1 9 typ host tcptype active",
        "candidate:4 1 udp 8 a.local 1002 typ host",
        "nonsense",
    ):
        await connection.add_candidate(text)
    assert [one.candidate for one in pair.swarm.of(AddCandidate)] == [
        Candidate("2001:db8::1", 1001)
    ]
    for port in range(1, 1000):
        await connection.add_candidate(f"candidate:1 1 udp 9 192.0.2.1 {port} typ host")
    assert len(pair.swarm.of(AddCandidate)) < 20


async def test_candidates_after_the_answer_open_the_transport() -> None:
    pair = Pair(Endpoint())
    connection = pair.participant(0).publisher(trickle=True)
    offer = sdp.parse(await connection.offer())
    await connection.answered(
        answer_publisher(offer, replace(LOCAL, candidates=""), PublishRules()).sdp
    )
    assert pair.swarm.of(OpenTransport) == []
    await connection.add_candidate("candidate:1 1 udp 9 192.0.2.1 1000 typ host")
    assert len(pair.swarm.of(OpenTransport)) == 1
    assert len(pair.swarm.of(Publish)) == 2


async def test_a_player_waits_until_the_publisher_is_live(monkeypatch: pytest.MonkeyPatch) -> None:
    async def at_once(_: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", at_once)
    endpoint = Endpoint(httpx.Response(409), httpx.Response(409))
    pair = Pair(endpoint)
    await pair.session(1).join()
    assert len(endpoint.requests) == 3


async def test_a_publisher_that_is_never_live_is_the_reason_of_the_refusal() -> None:
    refusal = httpx.Response(
        409,
        json={"reason": "not_live", "detail": "the room has no publisher"},
        headers={"content-type": "application/problem+json"},
    )
    pair = Pair(Endpoint(*[refusal] * 9))
    pair.target.join_timeout_s = 0.3  # less than two retries
    with pytest.raises(JoinRefusedError, match="the room has no publisher") as refused:
        await pair.session(1).join()
    assert refused.value.code == "not_live"


@pytest.mark.parametrize(
    ("response", "code", "message"),
    [
        (httpx.Response(503), "http_503", "Service Unavailable"),
        (
            httpx.Response(
                503,
                json={"reason": "max_rooms", "detail": "enough"},
                headers={"content-type": "application/problem+json"},
            ),
            "max_rooms",
            "enough",
        ),
        (
            httpx.Response(201, text="x", headers={"content-type": "application/sdp"}),
            "answer_unusable",
            "line 1",
        ),
        (
            httpx.Response(201, html="<p>Log in</p>"),
            "answer_not_sdp",
            "HTTP 201 with text/html instead of application/sdp: <p>Log in</p>; an HTML page",
        ),
        (httpx.Response(200, json={}), "answer_not_sdp", "application/json instead of"),
        (
            httpx.Response(201, text="v=0", headers={"Location": "http://[::1"}),
            "answer_unusable",
            "the Location of the session is no URL",
        ),
    ],
)
async def test_a_refused_offer_says_why(response: httpx.Response, code: str, message: str) -> None:
    with pytest.raises(JoinRefusedError) as refused:
        await Pair(Endpoint(response)).session(0).join()
    assert refused.value.code == code
    assert message in refused.value.message


def test_packet_counters_are_read_from_the_servers_metrics() -> None:
    text = """# TYPE sfukit_rtp_packets_total counter
sfukit_rtp_packets_total{direction="inbound",kind="audio"} 10.0
sfukit_rtp_packets_total{direction="inbound",kind="video"} 20.0
sfukit_rtp_packets_total{direction="outbound",kind="video"} 300.0
sfukit_rtp_packets_total{direction="outbound",kind="rtx"} 7.0
sfukit_rtp_bytes_total{direction="outbound"} 1e+06
sfukit_rooms 3.0
"""
    assert parse_traffic(text) == Traffic(30, 307, 7, 1_000_000)
    assert parse_traffic("nothing here 1\n") is None
