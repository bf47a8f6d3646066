"""A check without a network: what is read from tokens, answers and silence."""

import asyncio
import socket
from collections.abc import Callable

import pytest
from aioice import stun

from sfukit import gates
from sfukit.probe.check import framing, ice, ice_causes, report
from sfukit.probe.check.forwarder import DatagramCounts, Forwarder, kind_of
from sfukit.probe.check.ice import CheckedCandidate
from sfukit.probe.check.media import Media
from sfukit.probe.check.options import CheckOptions, Limits, granted_by
from sfukit.probe.check.signaling import ErrorResponse, refuse, token_in
from sfukit.probe.finding import Step
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.signaling import candidates, descriptions
from sfukit.signaling.descriptions import RemoteDescription, RemoteTransport
from sfukit.signaling.sdp import Section
from sfukit.signaling.token import VideoGrants, claims_for, sign
from sfukit.signaling.transport import Credentials
from sfukit.swarm.fake import FINGERPRINT, FakeSwarm
from sfukit.swarm.messages import OpenTransport, Publish
from sfukit.targets.access import Access
from sfukit.targets.detect import TargetUrl

SECRET = "a secret that is long enough for HS256"
PEER = RemoteTransport("ufrag", "pwd" * 8, [FINGERPRINT], [], bot_is_dtls_client=True)
SHORT = Limits(tcp_s=0.05, dtls_s=0.05, media_s=0.05)


def options(token: str | None = None, room: str | None = None) -> CheckOptions:
    target = TargetUrl(None, "http://127.0.0.1")
    return CheckOptions(target=target, access=Access(token=token), room=room)


def test_a_room_is_the_tokens_unless_another_is_requested() -> None:
    grants = VideoGrants(room="demo", room_join=True)
    token = sign(claims_for("k", "ann", grants, valid_s=60), SECRET)
    assert options(token).room_and_identity() == ("demo", "ann")
    assert options(token, "other").room_and_identity() == ("other", "ann")
    room, identity = options().room_and_identity()
    assert room == identity
    assert room.startswith("check-")


def test_tokens_that_are_none_say_nothing() -> None:
    assert granted_by("opaque").room == ""
    assert granted_by(None).expires_s is None


def answer(*lines: str) -> RemoteDescription:
    return RemoteDescription(PEER, [], [Section(candidates=list(lines))])


def test_candidates_are_listed_once_the_best_first() -> None:
    listed = ice.sorted_candidates(
        answer(
            "1 1 udp 100 10.0.0.1 7 typ host",
            "2 1 UDP 200 203.0.113.1 7 typ host",
            "2 1 udp 200 203.0.113.1 7 typ host",
            "3 2 udp 300 203.0.113.1 8 typ host",
            "4 1 tcp 50 203.0.113.1 443 typ host tcptype passive",
            "5 1 tcp 50 203.0.113.1 9 typ host tcptype active",
            "nonsense",
        )
    )
    assert [(one.transport, one.host, one.port) for one in listed] == [
        ("udp", "203.0.113.1", 7),
        ("udp", "10.0.0.1", 7),
        ("tcp", "203.0.113.1", 443),
    ]


def checked(
    host: str, reason: str | None = "no_answer", transport: str = "udp"
) -> CheckedCandidate:
    text = f"1 1 {transport} 1 {host} 7081 typ host"
    return CheckedCandidate(candidates.parse(text), None, reason)


@pytest.mark.parametrize(
    ("remotes", "server_ip", "cause"),
    [
        ([], "203.0.113.1", "no_candidates"),
        ([checked("x.local", "mdns_name")], "203.0.113.1", "mdns_only"),
        ([checked("10.0.0.1")], "203.0.113.1", "sfu_private_host_candidate"),
        ([checked("10.0.0.1", "unreachable"), checked("fd00::1")], "8.8.8.8",
         "sfu_private_host_candidate"),
        ([checked("10.0.0.1")], "10.0.0.1", "udp_blocked"),
        ([checked("8.8.8.8")], "8.8.8.8", "udp_blocked"),
        ([checked("8.8.8.8"), checked("10.0.0.1")], "8.8.8.8", "udp_blocked"),
        ([checked("8.8.8.8", "port_closed")], "8.8.8.8", "media_port_closed"),
        ([checked("8.8.8.8", "ice_refused"), checked("8.8.4.4")], "8.8.8.8", "ice_refused"),
        ([checked("8.8.8.8", "ice_malformed"), checked("8.8.4.4")], "8.8.8.8", "ice_malformed"),
        ([checked("8.8.8.8", transport="tcp")], "8.8.8.8", "tcp_blocked"),
        ([checked("8.8.8.8", transport="tcp"), checked("8.8.8.8", "port_closed")], "8.8.8.8",
         "tcp_blocked"),
        ([checked("8.8.8.8", "port_closed", "tcp"), checked("8.8.8.8")], "8.8.8.8", "udp_blocked"),
        ([checked("8.8.8.8", "connection_closed", "tcp")], "8.8.8.8", "connection_closed"),
        ([checked("2001:4860::1", "unreachable")], "8.8.8.8", "unreachable"),
        ([checked("8.8.8.8", "port_closed"), checked("2001:4860::1", "unreachable")], "8.8.8.8",
         "media_port_closed"),
        ([checked("sfu.example", "name_unknown")], "8.8.8.8", "name_unknown"),
        ([checked("sfu.example", "name_unknown"), checked("x.local", "mdns_name")], "8.8.8.8",
         "unreachable"),
    ],
)  # fmt: skip
def test_why_nothing_answers(remotes: list[CheckedCandidate], server_ip: str, cause: str) -> None:
    failed = ice_causes.fault(remotes, server_ip)
    assert failed.cause == cause
    assert failed.fix


@pytest.mark.parametrize(
    ("host", "reason"), [("7ff1.local", "mdns_name"), ("nowhere.invalid", "name_unknown")]
)
async def test_names_among_candidates(host: str, reason: str) -> None:
    remote = candidates.parse(f"1 1 udp 1 {host} 7081 typ host")
    [one] = await ice.check_all([remote], LOCAL, described(), 2.0)
    assert (one.reason, one.report().host) == (reason, host)


async def test_a_candidate_may_be_a_name() -> None:
    """RFC 8839 section 5.1; the port is closed on every address of ``localhost``."""
    with socket.socket(type=socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    remote = candidates.parse(f"1 1 udp 1 localhost {port} typ host")
    [one] = await ice.check_all([remote], LOCAL, described(), 2.0)
    assert one.reason == "port_closed"


@pytest.mark.parametrize(
    ("refused", "token", "step", "cause"),
    [
        (ErrorResponse(401, "token_invalid", "x"), None, "token", "token_missing"),
        (ErrorResponse(403, "room_denied", "x"), "opaque", "token", "room_denied"),
        (ErrorResponse(401, "", "HTTP 401"), "opaque", "token", "token_refused"),
        (ErrorResponse(None, "token_missing", "x"), None, "token", "token_missing"),
        (ErrorResponse(404, "", "x"), None, "sdp", "not_found_404"),
        (ErrorResponse(405, "", "x"), None, "sdp", "method_405"),
        (ErrorResponse(409, "not_live", "x"), None, "sdp", "not_live"),
        (ErrorResponse(503, "max_rooms", "x"), None, "sdp", "max_rooms"),
        (ErrorResponse(422, "codec_unsupported", "x"), None, "sdp", "codec_unsupported"),
        (ErrorResponse(500, "", "x"), None, "sdp", "http_500"),
    ],
)
def test_refusals_are_named(
    refused: ErrorResponse, token: str | None, step: str, cause: str
) -> None:
    recorder = StepRecorder()
    assert refuse(recorder, refused, token).cause == cause
    assert (recorder.steps[-1].name, recorder.steps[-1].cause) == (step, cause)
    assert recorder.steps[-1].fix


@pytest.mark.parametrize(
    ("refused", "at", "names"),
    [
        (ErrorResponse(503, "max_connections", "x"), "websocket", ["websocket"]),
        (ErrorResponse(404, "", "x"), "websocket", ["websocket"]),
        (ErrorResponse(404, "", "x"), "sdp", ["sdp"]),
        (ErrorResponse(422, "codec_unsupported", "x"), "sdp", ["token", "sdp"]),
    ],
)
def test_a_token_is_accepted_only_by_who_read_it(
    refused: ErrorResponse, at: str, names: list[str]
) -> None:
    recorder = StepRecorder()
    refuse(recorder, refused, "opaque", at=at)
    assert [step.name for step in recorder.steps] == names


@pytest.mark.parametrize(
    ("headers", "token"),
    [({"Authorization": "Bearer t"}, "t"), ({"authorization": "Bearer t"}, "t"), ({}, None)],
)
def test_the_token_of_a_header(headers: dict[str, str], token: str | None) -> None:
    assert token_in(headers) == token


def test_an_expired_token_has_its_age() -> None:
    token = sign(claims_for("k", "ann", VideoGrants(), valid_s=-60), SECRET)
    failed = refuse(StepRecorder(), ErrorResponse(401, "token_invalid", "x"), token)
    assert failed.cause.startswith("token_expired(6")


@pytest.mark.parametrize(
    ("datagram", "kind"),
    [(b"", "other"), (b"\x00\x01", "stun"), (b"\x16\xfe\xfd", "dtls"), (b"\x80\x60", "rtp"),
     (b"\x80\xc8", "rtcp"), (b"\x81\xcd", "rtcp"), (b"\x80", "rtp"), (b"\x40", "other")],
)  # fmt: skip
def test_the_kind_of_a_datagram(datagram: bytes, kind: str) -> None:
    assert kind_of(datagram) == kind
    seen = DatagramCounts()
    seen.note(datagram)
    assert list(seen.counts) == [kind]


@pytest.fixture
async def media() -> "tuple[Media, FakeSwarm]":
    swarm = FakeSwarm(connects=False)
    return Media(swarm, SHORT), swarm


async def silent_port() -> CheckedCandidate:
    """Return a candidate with a port that does not answer."""
    return CheckedCandidate(candidates.parse("1 1 udp 1 127.0.0.1 9 typ host"), 1.0, None)


def described() -> RemoteDescription:
    return RemoteDescription(PEER, [], [])


LOCAL = Credentials("local", "p" * 24)
Note = Callable[[Forwarder], None]


def seen(sent: int, received: int) -> Note:
    def note(forwarder: Forwarder) -> None:
        for _ in range(sent):
            forwarder.sent.note(b"\x16")
        for _ in range(received):
            forwarder.received.note(b"\x16")

    return note


@pytest.mark.parametrize(
    ("state", "reason", "packets", "cause"),
    [
        ("", "", seen(0, 0), "ice_incomplete"),
        ("", "", seen(4, 0), "dtls_no_answer"),
        ("failed", "dtls_alert", seen(4, 2), "dtls_broken"),
        ("failed", "dtls_fingerprint_mismatch", seen(4, 4), "fingerprint_mismatch"),
    ],
)
async def test_how_far_a_handshake_came(
    media: tuple[Media, FakeSwarm],
    monkeypatch: pytest.MonkeyPatch,
    state: str,
    reason: str,
    packets: Note,
    cause: str,
) -> None:
    bot, swarm = media

    async def opened(forwarder: Forwarder, _transport: str, _server: object) -> None:
        packets(forwarder)

    monkeypatch.setattr(Forwarder, "open", opened)
    if state:
        asyncio.get_running_loop().call_soon(lambda: swarm.report_state(1, state, reason))
    recorder = StepRecorder()
    with pytest.raises(StepFailedError) as failed:
        await bot.connect(recorder, LOCAL, described(), await silent_port())
    assert failed.value.cause == cause
    assert recorder.steps[-1].name == "dtls"
    bot.close()
    assert swarm.closed


@pytest.mark.parametrize(
    ("error", "cause"), [(ConnectionRefusedError(), "port_closed"), (None, "no_answer")]
)
async def test_a_port_that_refuses_a_second_connection(
    media: tuple[Media, FakeSwarm],
    monkeypatch: pytest.MonkeyPatch,
    error: OSError | None,
    cause: str,
) -> None:
    async def connect(_host: str, _port: int) -> None:
        if error is not None:
            raise error
        await asyncio.Event().wait()

    monkeypatch.setattr(asyncio, "open_connection", connect)
    bot, _ = media
    recorder = StepRecorder()
    path = CheckedCandidate(
        candidates.parse("1 1 tcp 1 127.0.0.1 9 typ host tcptype passive"), 1.0, None
    )
    with pytest.raises(StepFailedError):
        await bot.connect(recorder, LOCAL, described(), path)
    assert (recorder.steps[-1].name, recorder.steps[-1].cause) == ("dtls", cause)


async def test_nothing_comes_back(media: tuple[Media, FakeSwarm]) -> None:
    bot, _ = media
    with pytest.raises(StepFailedError) as failed:
        await bot.first_packet(StepRecorder(), Forwarder(), "")
    assert failed.value.cause == "no_media"


async def test_offered_tracks_are_sent(media: tuple[Media, FakeSwarm]) -> None:
    bot, swarm = media
    offered = bot.offered(LOCAL)
    lines = descriptions.read_answer(descriptions.publish_offer(offered)).lines
    bot.publish(1, offered, lines)
    assert [publish.encodings[0].ssrc for publish in swarm.of(Publish)] == [
        offered.audio_ssrc,
        offered.encodings[0].ssrc,
    ]
    assert swarm.of(OpenTransport) == []


async def test_a_tap_passes_datagrams_on_both_ways_and_notes_them() -> None:
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[tuple[bytes, tuple[str, int]]] = asyncio.Queue()

    class End(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            heard.put_nowait((data, addr))

    server, _ = await loop.create_datagram_endpoint(End, local_addr=("127.0.0.1", 0))
    bot, _ = await loop.create_datagram_endpoint(End, local_addr=("127.0.0.1", 0))
    forwarder = Forwarder()
    await forwarder.open("udp", server.get_extra_info("sockname"))
    bot.sendto(b"\x16there", forwarder.address)
    data, source = await heard.get()
    assert data == b"\x16there"
    server.sendto(b"\x80\xc8back", source)
    assert (await heard.get())[0] == b"\x80\xc8back"
    assert forwarder.media.is_set()
    assert (forwarder.sent.counts, forwarder.received.counts) == ({"dtls": 1}, {"rtcp": 1})
    for one in (server, bot, forwarder):
        one.close()


async def test_the_forwarder_uses_ice_tcp_to_the_server() -> None:
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while (data := await framing.read(reader)) is not None:
            writer.write(framing.packed(b"\x80" + data))
        writer.close()
        await writer.wait_closed()
        ended.set()

    class End(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            heard.put_nowait(data)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    bot, _ = await loop.create_datagram_endpoint(End, local_addr=("127.0.0.1", 0))
    forwarder = Forwarder()
    await forwarder.open("tcp", server.sockets[0].getsockname())
    bot.sendto(b"\x16there", forwarder.address)
    assert await heard.get() == b"\x80\x16there"
    forwarder.close()
    bot.close()
    await ended.wait()
    server.close()
    await server.wait_closed()


async def test_the_round_trip_counts_from_the_check_that_is_answered() -> None:
    """Only the first of three checks is answered, when the third has just been sent."""
    heard: list[tuple[bytes, tuple[str, int]]] = []

    class Late(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            heard.append((data, addr))
            if len(heard) == 3:
                first, source = heard[0]
                request = stun.parse_message(first)
                kind = stun.Class.RESPONSE
                answer = stun.Message(stun.Method.BINDING, kind, request.transaction_id)
                server.sendto(bytes(answer), source)

    loop = asyncio.get_running_loop()
    server, _ = await loop.create_datagram_endpoint(Late, local_addr=("127.0.0.1", 0))
    port = server.get_extra_info("sockname")[1]
    remote = candidates.parse(f"1 1 udp 1 127.0.0.1 {port} typ host")
    [one] = await ice.check_all([remote], LOCAL, described(), 2.0)
    server.close()
    assert one.rtt_ms is not None
    assert one.rtt_ms > 0.9e3 * sum(ice._PAUSES_S[:2])


async def test_tcp_candidates_are_checked_by_framed_stun() -> None:
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await framing.read(reader)
        assert data is not None
        request = stun.parse_message(data)
        assert request.attributes["USERNAME"] == "ufrag:local"
        response = stun.Message(stun.Method.BINDING, stun.Class.RESPONSE, request.transaction_id)
        writer.write(framing.packed(b"noise") + framing.packed(bytes(response)))
        writer.close()
        await writer.wait_closed()
        ended.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    remote = candidates.parse(f"1 1 tcp 1 127.0.0.1 {port} typ host tcptype passive")
    [one] = await ice.check_all([remote], LOCAL, described(), 2.0)
    assert one.reason is None
    assert one.report().answers
    await ended.wait()
    server.close()
    await server.wait_closed()


def built(*steps: Step, gate: str = "") -> report.CheckReport:
    failure = steps[-1] if steps and steps[-1].state == "failed" else None
    return report.build(
        target="http://h",
        kind="sfukit",
        version=None,
        steps=steps,
        failure=failure,
        candidates=[],
        total_ms=12.0,
        wanted=[gates.parse(gate, report.catalogue())] if gate else [],
    )


def test_texts_of_servers_cannot_move_the_cursor() -> None:
    recorder = StepRecorder()
    recorder.failed("sdp", StepFailedError("\x1b[2J", "\x1b[31mred\nnext" + "x" * 1000))
    [step] = recorder.steps
    assert step.cause == "?[2J"
    assert step.found.startswith("?[31mred?nextx")
    assert len(step.found) == 400


def test_a_step_that_fails_decides() -> None:
    failed = Step(name="tcp", state="failed", cause="port_closed", found="closed", fix="start it")
    outcome = built(Step(name="dns", state="ok", ms=1.0), failed)
    assert (outcome.exit_code, outcome.failed_step, outcome.cause) == (4, "tcp", "port_closed")
    assert report.sentence(outcome) == "tcp fails (port_closed): closed; start it"
    assert outcome.timings_ms["dns"] == 1.0
    assert outcome.timings_ms["ice"] is None


def test_the_time_of_ice_is_that_of_the_first_candidate() -> None:
    outcome = built(
        Step(name="ice", state="failed", cause="no_answer"),
        Step(name="ice", state="ok", ms=9.0),
        Step(name="ice", state="ok", ms=3.0),
    )
    assert outcome.exit_code == 0
    assert outcome.timings_ms["ice"] == 3.0
    assert built(gate="timings_ms.total<10ms").exit_code == 3
    assert built(gate="cause==none").exit_code == 0
