"""Odd clients, and the responses of a server with its real engine.

The rows are those of docs/odd-clients.md, with variations of each kind.
"""

import random
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest
from aiohttp import ClientResponse, ClientSession
from aiohttp.test_utils import TestServer

from sfukit.server.app import build_app
from sfukit.server.engine import NativeEngine
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Settings
from sfukit.signaling import sdp
from sfukit.signaling.refusal import RpcCode
from tests.unit.server.stage import UNLIMITED, Member, RpcError

pytest.importorskip("sfukit._native")

CLIENTS = Path(__file__).parents[1] / "fixtures" / "clients"
SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


class Case(NamedTuple):
    """An offer as recorded, after replacements; what is answered, and what stands in the answer."""

    name: str
    status: int = 201
    reason: str = ""
    changes: tuple[tuple[str, str], ...] = ()
    has: tuple[str, ...] = ()
    lacks: tuple[str, ...] = ()


def case(name: str, answer: tuple[int, str] = (201, ""), *changes: str, **told: str) -> Case:
    """Write a row: replacements as ``old => new``, parts of the answer separated by ``|``."""
    pairs = tuple((old, new) for old, _, new in (change.partition(" => ") for change in changes))
    has, lacks = (tuple(filter(None, told.get(key, "").split("|"))) for key in ("has", "lacks"))
    return Case(name, *answer, pairs, has, lacks)


def malformed(line: int) -> tuple[int, str]:
    return 400, f"sdp_malformed line {line}"


MID = "urn:ietf:params:rtp-hdrext:sdes:mid"
BAD_TYPE = (422, "payload_type_invalid")
PUBLISHERS = [
    # a muxer that is the DTLS server, and names a mid that has no m-line
    case("muxer-dtls-server", has="a=setup:active|a=group:BUNDLE 1\r\n|profile-level-id=42001f"),
    case("muxer-dtls-server", (201, ""), "setup:passive => setup:actpass", has="a=setup:passive"),
    case("muxer-dtls-server", (422, "setup_refused"), "setup:passive => setup:holdconn"),
    # a muxer whose profile has seven digits: another is written, never this one
    case("muxer-seven-digit-profile", has="profile-level-id=42e01f", lacks="422001f"),
    case("muxer-seven-digit-profile", (201, ""), "422001f => 42E01F", has="=42e01f"),
    case("muxer-seven-digit-profile", (201, ""), "422001f => x-y-z", has="=42e01f", lacks="x-y"),
    # m-lines that are bundled only and say nothing of the transport
    case("bundle-only-without-transport", has="a=group:BUNDLE 0 1\r\n|m=video 9 "),
    case(
        "bundle-only-without-transport",
        (422, "bundle_required"),
        "BUNDLE 0 1 => BUNDLE 0",
        has="a=group:BUNDLE",
    ),
    case(
        "bundle-only-without-transport",
        (201, ""),
        "BUNDLE 0 1 => BUNDLE 1 0",
        has="a=group:BUNDLE 1 0\r\n",
    ),
    # port 0 inside the group
    case("port-zero-in-bundle", (422, "bundle_conflict"), has="port 0|bundle-only"),
    case("port-zero-in-bundle", (201, ""), "BUNDLE 0 1 => BUNDLE 0", has="m=video 0 "),
    case("port-zero-in-bundle", (201, ""), "m=video 0 => m=video 9", has="m=video 9 "),
    # Opus without the number of channels
    case("opus-without-channels", has="a=rtpmap:97 opus/48000/2\r\n"),
    case("opus-without-channels", (201, ""), "OPUS/48000 => opus/48000/1", has="opus/48000/2\r\n"),
    case("opus-without-channels", (422, "codec_unsupported"), "OPUS/48000 => opus/8000"),
    case("opus-without-channels", (422, "codec_unsupported"), "OPUS/48000 => opus/48000/6"),
    # blank lines, blanks, line feeds
    case("blank-lines"),
    case("blank-lines", (201, ""), "v=0 => \r\n\r\nv=0"),
    case("blank-lines", (201, ""), "\r\n\r\n => \r\n \t\r\n"),
    case("line-feeds-alone"),
    case("line-feeds-alone", malformed(1), "\n => \r"),
    case("line-feeds-alone", malformed(1), "\n => ", has="--data-binary"),
    case("line-feeds-alone", malformed(1), "\n => \\r\\n", has="CR and LF"),
    case("line-feeds-alone", malformed(5), "a=group => \ra=group"),
    case("line-feeds-alone", malformed(3), "s=- => s=\x00"),
    case("line-feeds-alone", (201, ""), "s=- => s=Größe\u2028"),
    case("line-feeds-alone", malformed(5), "a=group =>  a=group"),
    case("blanks-at-line-ends", has="a=mid:0\r\n"),
    # clients that always offer a data channel
    case("with-data-channel", has="m=application 9 |a=group:BUNDLE 0 1 2\r\n|a=sctp-port:5000\r\n"),
    case(
        "with-data-channel",
        (201, ""),
        "BUNDLE 0 1 2 => BUNDLE 2 0 1",
        has="a=group:BUNDLE 2 0 1\r\n|m=application 9 ",
    ),
    case(
        "with-data-channel",
        (422, "rtcp_mux_required"),
        "BUNDLE 0 1 2 => BUNDLE 2 0 1",
        "a=rtcp-mux => a=x",
    ),
    case("with-data-channel", (422, "too_many_media"), "m=application => m=image"),
    # m-lines without a mid, or with a long one
    case("one-m-line-without-mid", has="m=video 9 ", lacks="a=mid|a=group"),
    case(
        "one-m-line-without-mid",
        (201, ""),
        f"a=sendonly => a=sendonly\r\na=extmap:3 {MID}",
        lacks="a=extmap",
    ),
    case("two-m-lines-without-mid", (422, "bundle_required"), has="a=group:BUNDLE"),
    case("long-mid", has="a=mid:left-camera-of-the-north-stage-17\r\n"),
    case(
        "long-mid", (201, ""), f"a=sendonly => a=sendonly\r\na=extmap:3 {MID}", lacks="a=extmap"
    ),
    case("long-mid", malformed(5 + 7), "mid:left-camera => mid:left/camera"),
    case("long-mid", malformed(5 + 7), "a=mid:left => a=mid:" + "x" * 256),
    case("without-setup", has="a=setup:passive"),
    case("without-setup", (422, "setup_refused"), "a=mid => a=setup:holdconn\r\na=mid"),
    # simulcast
    case("rid-twice", malformed(36)),
    case("rid-twice", malformed(24), "a=rid:mid => a=rid:hi"),
    case("rid-twice", malformed(36), "send hi;hi => send hi,mid;mid"),
    case("rid-twice", (201, ""), "send hi;hi => send hi;mid", has="recv hi;mid;lo"),
    case(
        "rid-twice",
        (201, ""),
        "simulcast:send hi;hi;lo => simulcast: send rid=hi;mid;lo",
        lacks="a=simulcast|a=rid",
    ),
    case(
        "rid-twice",
        (201, ""),
        "send hi;hi => send hi;mid",
        f"a=extmap:3 {MID} => a=x",
        lacks="a=simulcast|a=rid",
    ),
    # header extensions beyond the one-byte form
    case("transport-cc-promised", has="a=rtcp-fb:125 transport-cc|a=rtcp-fb:125 nack pli"),
    case("transport-cc-promised", (201, ""), "extmap:1 => extmap:15", lacks="a=extmap"),
    case("transport-cc-promised", (201, ""), "extmap:1 => extmap:16", has="a=extmap:16 http"),
    case("transport-cc-promised", (201, ""), "extmap:1 => extmap:255", has="a=extmap:255 http"),
    case("transport-cc-promised", (201, ""), "extmap:1 => extmap:256", lacks="a=extmap"),
    case("transport-cc-promised", (201, ""), "extmap:1 => extmap:0", lacks="a=extmap"),
    case(
        "transport-cc-promised",
        (201, ""),
        f"a=mid:0 => a=mid:0\r\na=extmap:1 {MID}",
        has=f"a=extmap:1 {MID}",
        lacks="transport-wide",
    ),
    # payload types
    case("publisher-h264-high", has="profile-level-id=640032"),
    case("publisher-h264-high", BAD_TYPE, "SAVPF 96 => SAVPF 72", ":96 => :72"),
    case("publisher-h264-high", BAD_TYPE, "SAVPF 96 => SAVPF 96 95"),
    case("publisher-h264-high", (201, ""), "SAVPF 96 => SAVPF 63", ":96 => :63", has="a=rtpmap:63"),
    case("publisher-h264-high", (201, ""), "SAVPF 96 => SAVPF 096", has="SAVPF 96\r\n"),
    case("publisher-h264-high", (422, "codec_unsupported"), "H264/90000 => H264/0"),
    case("publisher-h264-high", (422, "codec_unsupported"), "H264/90000 => H264/48000"),
    case("publisher-h264-high", malformed(15), "rtpmap:96 => rtpmap:196"),
    case("with-data-channel", (422, "payload_type_conflict"), " 111 =>  96", ":111 => :96"),
]  # fmt: skip

VIEWERS = [
    ("opus-without-channels", case("viewer-opus-and-vp8", has="a=rtpmap:111 opus/48000/2\r\n")),
    ("with-data-channel", case("viewer-payload-types-twice", has="SAVPF 96 97\r\n|SAVPF 111\r\n")),
    (
        "with-data-channel",
        case(
            "viewer-payload-types-twice",
            (422, "payload_type_conflict"),
            "rtpmap:96 PCMU/8000/2 => x",
            "111 => 96",
        ),
    ),
    (
        "publisher-h264-high",
        case(
            "viewer-h264-baseline",
            (406, "codec_unsupported"),
            has="high (profile-level-id=640032|constrained-baseline (profile-level-id=42e01f",
        ),
    ),
    ("muxer-seven-digit-profile", case("viewer-h264-baseline", has="SAVPF 126\r\n")),
    ("one-m-line-without-mid", case("viewer-h264-baseline", has="profile-level-id=42e01f")),
    (
        "one-m-line-without-mid",
        case("viewer-h264-baseline", (201, ""), "a=mid:0 => a=mid:" + "v" * 40, "BUNDLE 0 => X"),
    ),
    (
        "one-m-line-without-mid",
        case("viewer-h264-baseline", (422, "payload_type_invalid"), "126 => 90"),
    ),
    (
        "one-m-line-without-mid",
        case(
            "viewer-h264-baseline",
            (201, ""),
            f"a=mid:0 => a=mid:0\r\na=extmap:15 {MID}\r\na=extmap:7 {MID}",
            has=f"a=extmap:7 {MID}",
        ),
    ),
]


class Client:
    """An HTTP client of one server."""

    def __init__(self, server: TestServer) -> None:
        self.server = server
        self.session = ClientSession()

    async def post(self, path: str, text: str) -> ClientResponse:
        url = self.server.make_url(path)
        return await self.session.post(url, data=text.encode(), headers=SDP)

    async def patch(self, path: str, text: str, if_match: str | None) -> ClientResponse:
        headers = FRAGMENT | ({} if if_match is None else {"If-Match": if_match})
        url = self.server.make_url(path)
        return await self.session.patch(url, data=text.encode(), headers=headers)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = Settings(udp_port=0, limits=UNLIMITED)
    context = ServerContext(
        settings, NativeEngine(msgspec.structs.replace(settings.engine, bind=("127.0.0.1",)))
    )
    server = TestServer(build_app(context))
    await server.start_server()
    made = Client(server)
    yield made
    await made.session.close()
    await context.stop("server_stopped")
    await server.close()


def read(name: str, suffix: str = "sdp") -> str:
    return (CLIENTS / f"{name}.{suffix}").read_bytes().decode()


async def check(response: ClientResponse, row: Case) -> None:
    """Compare status, reason and text; an answer has the m-lines of its offer."""
    text = await response.text()
    if row.status == 406:  # an offer of the server, which says why
        assert response.status == row.status, text
        assert f"\r\ni={row.reason}: " in text
    elif row.status >= 400:
        content: dict[str, Any] = msgspec.json.decode(text)
        reason, _, line = row.reason.partition(" ")
        assert (response.status, content["reason"]) == (row.status, reason), text
        assert content["detail"].startswith(line)
        text = content["detail"]
    else:
        assert response.status == row.status, text
        assert sdp.parse(text).media
    assert [part for part in row.has if part not in text] == []
    assert [part for part in row.lacks if part in text] == []


def changed(row: Case) -> str:
    text = read(row.name)
    for old, new in row.changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("row", PUBLISHERS, ids=lambda row: row.name)
async def test_publishers(client: Client, row: Case) -> None:
    await check(await client.post("/whip/demo", changed(row)), row)


@pytest.mark.parametrize(("publisher", "row"), VIEWERS)
async def test_viewers(client: Client, publisher: str, row: Case) -> None:
    assert (await client.post("/whip/demo", read(publisher))).status == 201
    await check(await client.post("/whep/demo", changed(row)), row)


@pytest.mark.parametrize("fmtp", ["", "a=fmtp:96 packetization-mode=0;profile-level-id=42e01f"])
async def test_h264_in_mode_0_plays_where_mode_1_is_taken(client: Client, fmtp: str) -> None:
    offer = read("one-m-line-without-mid")
    given = next(line for line in offer.split("\r\n") if line.startswith("a=fmtp"))
    published = await client.post(
        "/whip/demo", offer.replace(f"{given}\r\n", fmtp and f"{fmtp}\r\n")
    )
    assert published.status == 201
    viewer = read("viewer-h264-baseline").replace("97\r\n", "\r\n").replace("a=rtpmap:97", "a=x")
    played = await client.post("/whep/demo", viewer)
    assert played.status == 201
    assert "packetization-mode=1" in await played.text()


TRICKLES = [
    ("same-credentials", "*", 204),
    ("same-credentials", '"*"', 204),
    ("same-credentials", "TAG", 204),
    ("same-credentials", '"other"', 412),
    ("same-credentials", None, 428),
    ("empty-attribute", "*", 204),
    ("empty-attribute", "TAG", 204),
]


@pytest.mark.parametrize(("name", "if_match", "status"), TRICKLES)
async def test_candidates_restart_nothing(
    client: Client, name: str, if_match: str | None, status: int
) -> None:
    session = await client.post("/whip/demo", read("with-data-channel"))
    tag, path = session.headers["ETag"], session.headers["Location"]
    fragment = read(name, "sdpfrag")
    if_match = tag if if_match == "TAG" else if_match
    assert (await client.patch(path, fragment, if_match)).status == status
    # the tag in force is still the first: nothing was restarted
    assert (await client.patch(path, fragment, tag)).status == 204


@pytest.mark.parametrize(
    ("changes", "if_match", "status"),
    [
        ("", "*", 200),
        ("a=ice-pwd", "*", 200),
        ("a=ice-ufrag", "*", 200),
        ("both", None, 428),
        ("a=ice-pwd", None, 428),
    ],
)
async def test_other_credentials_are_a_restart(
    client: Client, changes: str, if_match: str | None, status: int
) -> None:
    await client.post("/whip/demo", read("opus-without-channels"))
    session = await client.post("/whep/demo", read("viewer-opus-and-vp8"))
    fragment = read("same-credentials", "sdpfrag")
    for name in ("a=ice-ufrag", "a=ice-pwd"):
        if changes in ("", "both", name):
            fragment = fragment.replace(f"{name}:odd", f"{name}:new")
    assert (await client.patch(session.headers["Location"], fragment, if_match)).status == status


async def test_a_fragment_with_the_ufrag_alone_restarts_nothing(client: Client) -> None:
    session = await client.post("/whip/demo", read("with-data-channel"))
    tag, path = session.headers["ETag"], session.headers["Location"]
    fragment = re.sub(r"a=ice-pwd:\w+\r\n", "", read("same-credentials", "sdpfrag"))
    assert (await client.patch(path, fragment, "*")).status == 204
    assert (await client.patch(path, fragment, tag)).status == 204


async def test_a_player_may_trickle_without_the_tag(client: Client) -> None:
    await client.post("/whip/demo", read("opus-without-channels"))
    session = await client.post("/whep/demo", read("viewer-opus-and-vp8"))
    path = session.headers["Location"]
    for name in ("same-credentials", "empty-attribute"):
        assert (await client.patch(path, read(name, "sdpfrag"), None)).status == 204
    bare = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=end-of-candidates\r\n"
    assert (await client.patch(path, bare, None)).status == 428


def test_every_recorded_client_has_its_row() -> None:
    named = {row.name for row in PUBLISHERS} | {name for name, _, _ in TRICKLES}
    named |= {row.name for _, row in VIEWERS} | {name for name, _ in VIEWERS}
    assert {path.stem for path in CLIENTS.iterdir()} == named


def inject(text: str, dice: random.Random) -> str:
    """Change, drop, double or swap a line, or a value of it for one that is nearly legal."""
    lines = text.split("\r\n")
    at = dice.randrange(len(lines))
    match dice.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, lines[at])
        case 2:
            other = dice.randrange(len(lines))
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines.insert(at, dice.choice(NEARLY))
        case 4:
            numbers = re.findall(r"\d+", lines[at]) or ["0"]
            lines[at] = lines[at].replace(dice.choice(numbers), dice.choice(NUMBERS))
        case _:
            lines[at] = re.sub(r"[^:= ]+$", dice.choice(TAILS), lines[at], count=1)
    return "\r\n".join(lines)


NUMBERS = ("0", "1", "15", "16", "63", "64", "72", "95", "96", "127", "128", "255", "65536", "-1")
TAILS = ("", "x", "x" * 17, "x" * 300, "0", "ü", "a/b", "a b", "~", "*", "\t", "hi;hi", "hi;mid;lo")
NEARLY = (
    f"a=extmap:3 {MID}",
    f"a=extmap:15 {MID}",
    f"a=extmap:255 {MID}",
    "a=extmap:4 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "a=extmap:3 urn:3gpp:video-orientation",
    "a=extmap:8 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "a=rid:hi send",
    "a=rid:" + "r" * 17 + " send",
    "a=simulcast:send hi;" + "r" * 17,
    "a=ssrc:0 cname:x",
    "a=ssrc-group:FID 1 1",
    "a=ssrc:4294967295 cname:x",
    "a=group:BUNDLE",
    "a=bundle-only",
    "a=mid:0",
    "a=sendrecv",
    "a=inactive",
    "a=fingerprint:sha-1 " + ":".join(["AB"] * 20),
    "a=fingerprint:sha-256 AB",
    "m=audio 9 UDP/TLS/RTP/SAVPF 111",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
    "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
)
ROUNDS = 600


def nearly_legal(dice: random.Random) -> Iterator[str]:
    """Recorded offers with a few lines each that are not what they were."""
    chromium = [CLIENTS.parent / f"chromium-{kind}-offer.sdp" for kind in ("simulcast", "viewer")]
    offers = [path.read_bytes().decode() for path in (*sorted(CLIENTS.glob("*.sdp")), *chromium)]
    for _ in range(ROUNDS):
        text = dice.choice(offers)
        for _ in range(dice.randrange(1, 5)):
            text = inject(text, dice)
        yield text


@pytest.mark.parametrize("path", ["/whip/demo", "/whep/demo"])
async def test_no_offer_is_an_internal_error(client: Client, path: str) -> None:
    """Each ends in an answer or in a reason code."""
    assert (await client.post("/whip/demo", read("with-data-channel"))).status == 201
    statuses: Counter[int] = Counter()
    for text in nearly_legal(random.Random(path)):
        response = await client.post(path, text)
        statuses[response.status] += 1
        assert response.status in (201, 400, 406, 422), f"{response.status}\n{text}"
        if response.status in (201, 406):
            await client.session.delete(client.server.make_url(response.headers["Location"]))
    assert statuses[201] > ROUNDS / 20


async def test_no_offer_in_a_room_is_an_internal_error(client: Client) -> None:
    """The same over one publish connection, where each offer meets what the last one left."""
    member = Member(await client.session.ws_connect(client.server.make_url("/ws")))
    await member.call("join", sid="demo", uid="odd")
    answered = 0
    for text in nearly_legal(random.Random("room")):
        try:
            await member.call("offer", desc={"type": "offer", "sdp": text})
            answered += 1
        except RpcError as error:
            assert error.code == RpcCode.REFUSED, f"{error}\n{text}"
    assert answered > ROUNDS / 20
