"""ICE servers of clients: credentials, their end, their user names, and the order of servers."""

import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
import structlog

from sfukit.errors import UsageError
from sfukit.server.access import Rights
from sfukit.server.ice_servers import IceServers
from sfukit.server.mock_engine import MockEngine
from sfukit.server.settings import IceServer, Settings, Turn
from sfukit.signaling import token
from sfukit.signaling.room_messages import IceServerInfo
from sfukit.signaling.token import Claims, VideoGrants
from tests.unit.server.stage import Stage, StageMaker, offer_text
from tests.unit.server.virtual import Peer, virtual_context

SECRET = "a secret that the TURN server shares"
URI = "turn:turn.example:3478?transport=udp"
KEY, KEY_SECRET = "key", "s" * 32
ANN = "ann@example:7"
HOUR = 3600
DAY = 24 * HOUR


def turn(*servers: str, **changes: Any) -> Turn:
    return Turn(servers or (URI,), SECRET, **changes)


def servers(*uris: str, end_at_exp: bool = False, **changes: Any) -> IceServers:
    return IceServers(Settings(turn=turn(*uris, **changes), end_at_exp=end_at_exp))


def expiry_of(entry: IceServerInfo) -> int:
    assert entry.username is not None
    return int(entry.username.partition(":")[0])


def signed(entry: Any, secret: str = SECRET) -> bool:
    """Return whether the credential is what coturn computes from the user name."""
    username, credential = entry["username"], entry["credential"]
    digest = hmac.new(secret.encode(), username.encode(), hashlib.sha1).digest()
    return bool(credential == base64.b64encode(digest).decode())


def claims(uid: str = ANN, valid_s: int = 600, room: str = "") -> str:
    now = int(time.time())
    grants = VideoGrants(room=room, room_join=True, room_create=True)
    return token.sign(Claims(KEY, uid, now - 60, now + valid_s, "", grants), KEY_SECRET)


@pytest.mark.parametrize(
    ("token_s", "expected_s"), [(None, DAY), (60, 60), (DAY - 5, DAY - 5), (40 * DAY, DAY)]
)
def test_a_session_gets_credentials_until_its_token_ends_and_at_most_for_a_day(
    token_s: int | None, expected_s: int
) -> None:
    now = int(time.time())
    rights = Rights(expires_s=None if token_s is None else now + token_s)
    [entry] = servers().for_session(rights, "192.0.2.1")
    assert abs(expiry_of(entry) - now - expected_s) <= 2
    assert entry.urls == URI


@pytest.mark.parametrize(
    ("end_at_exp", "token_s", "expected_s", "renewed"),
    [
        (False, 60, HOUR, True),
        (True, 60, 60, False),
        (True, 2 * HOUR, HOUR, True),
        (True, None, HOUR, True),
    ],
)
def test_a_member_gets_credentials_for_the_ttl(
    end_at_exp: bool, token_s: int | None, expected_s: int, renewed: bool
) -> None:
    now = int(time.time())
    rights = Rights(expires_s=None if token_s is None else now + token_s)
    expiry_s, others_follow = servers(end_at_exp=end_at_exp).member_expiry_s(rights)
    assert abs(expiry_s - now - expected_s) <= 2
    assert others_follow is renewed


def test_user_names_tell_nothing_and_are_the_same_for_one_subject() -> None:
    made = servers()
    rights = Rights(identity=ANN, subject=f"{KEY}\ndemo\n{ANN}")
    user = made.user(rights)
    assert user == made.user(rights)
    assert len(user) == 24
    assert set(user) <= set("0123456789abcdef")
    others = [f"{KEY}\nother\n{ANN}", f"{KEY}\ndemo\nbob", f"second\ndemo\n{ANN}"]
    assert len({user, *(made.user(Rights(subject=other)) for other in others)}) == 4
    assert made.user(Rights()) != made.user(Rights())
    [entry] = made.listed(user, "192.0.2.1", 1_800_000_000)
    assert entry.username == f"1800000000:{user}"


def test_the_region_of_a_client_decides_on_the_order(tmp_path: Path) -> None:
    table = tmp_path / "regions.txt"
    table.write_text("203.0.113.0/24 eu\n203.0.113.128/25 us\n2001:db8::/32 us\n198.18.0.0/15 sa\n")
    made = servers(
        "turn:us;region=us", "turn:any", "turn:eu;region=eu", "turns:eu", regions=str(table)
    )

    def order(address: str) -> list[str]:
        return [entry.urls for entry in made.for_session(Rights(), address)]

    assert order("203.0.113.7") == ["turn:eu", "turn:any", "turns:eu", "turn:us"]
    assert order("203.0.113.200") == ["turn:us", "turn:any", "turns:eu", "turn:eu"]
    assert order("::ffff:203.0.113.7") == ["turn:eu", "turn:any", "turns:eu", "turn:us"]
    assert order("2001:db8::7%eth0") == ["turn:us", "turn:any", "turns:eu", "turn:eu"]
    for address in ("192.0.2.1", "198.18.0.1", "", "no address"):
        assert order(address) == ["turn:any", "turns:eu", "turn:us", "turn:eu"]


def test_static_servers_are_first_and_servers_are_named_once() -> None:
    static = (IceServer("stun:s.example"), IceServer("turn:t.example", "u", "p"))
    made = IceServers(Settings(ice_servers=static, turn=turn(URI, "turns:b", URI)))
    listed = made.for_session(Rights(), "192.0.2.1")
    assert [entry.urls for entry in listed] == ["stun:s.example", "turn:t.example", URI, "turns:b"]
    assert [entry.urls for entry in made.public] == ["stun:s.example"]


@pytest.mark.parametrize(
    ("servers", "said"),
    [
        ("http://turn.example", r"--turn: 'http://turn.example': this is no TURN URI"),
        ("turn:", "no TURN URI"),
        ("turn:a:99999", "99999 is no port"),
        ("turn:a?transport=sctp", "no such transport"),
        ("turns:a?transport=udp", "DTLS is not supported"),
        ('turn:a",b', "is no host name and no address"),
        ("turn:a>b", "is no host name and no address"),
        ("turn:bücher.example", "is no host name and no address"),
        ("turn:[fe80::1%eth0]", "is no host name and no address"),
        ("turn:a;zone=eu", "'zone=eu' is no parameter of a TURN server"),
        ("turn:a;region=", "'' is no name of a region"),
        ("turn:a;region=e u", "'e u' is no name of a region"),
        ("turn:a;region=eu;region=us", "'region=us' is no parameter"),
        ("turn:a;region=eu", "region=eu has no networks"),
    ],
)
def test_invalid_servers_are_named(servers: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        IceServers(Settings(turn=turn(servers)))
    assert caught.value.hint


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("203.0.113.0/24", r"regions.txt, line 1: '203.0.113.0/24' is no entry"),
        ("# a\n\n203.0.113.0/24 eu west\n", "line 3: '203.0.113.0/24 eu west' is no entry"),
        ("203.0.113.7/24 eu", "line 1: 203.0.113.7/24 has host bits set"),
        ("203.0.113.0/33 eu", "line 1: '203.0.113.0/33' does not appear to be"),
        ("203.0.113.0/24 e/u", "line 1: 'e/u' is no name of a region"),
        ("::/0 eu\n::/0 us\n", "line 2: ::/0 is in the region eu by an earlier line"),
        ("# nothing\n", "has no networks"),
        ("203.0.113.0/24 us", "region=eu is not in .*regions.txt"),
        (None, "cannot read .*regions.txt"),
        (b"\xff\xfe", "cannot read .*regions.txt"),
    ],
)
def test_a_bad_table_of_regions_is_named_with_its_line(
    tmp_path: Path, table: str | bytes | None, said: str
) -> None:
    file = tmp_path / "regions.txt"
    if table is not None:
        file.write_bytes(table.encode() if isinstance(table, str) else table)
    with pytest.raises(UsageError, match=said):
        servers("turn:a;region=eu", regions=str(file))


@pytest.mark.parametrize(
    ("content", "said"), [(None, "cannot read"), (b" \n", "is empty"), (b"\xff", "cannot read")]
)
def test_an_unusable_secret_file_is_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    file = tmp_path / "turn-secret.txt"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UsageError, match=f"--turn-secret: .*{said}|{said}"):
        IceServers(Settings(turn=Turn((URI,), f"@{file}")))


def test_a_server_without_a_secret_is_an_error() -> None:
    with pytest.raises(UsageError, match="the secret that the TURN server shares is missing"):
        IceServers(Settings(turn=Turn((URI,))))


def test_a_changed_secret_file_is_read_again_and_an_unreadable_one_is_not(tmp_path: Path) -> None:
    file = tmp_path / "turn-secret.txt"
    file.write_text(f"{SECRET}\n")
    made = IceServers(Settings(turn=Turn((URI,), f"@{file}")))

    def entry() -> dict[str, str | None]:
        [listed] = made.for_session(Rights(), "192.0.2.1")
        return {"username": listed.username, "credential": listed.credential}

    assert signed(entry())
    renewed = tmp_path / "renewed"
    renewed.write_text("another secret of many bytes\n")
    renewed.replace(file)
    with structlog.testing.capture_logs() as logs:
        assert signed(entry(), "another secret of many bytes")
        file.unlink()
        assert signed(entry(), "another secret of many bytes")
        assert signed(entry(), "another secret of many bytes")
        file.write_text("short")
        assert signed(entry(), "short")
    assert [line["event"] for line in logs if line["event"] != "turn_user"] == [
        "turn_secret_changed",
        "turn_secret_kept",
        "turn_secret_changed",
        "turn_secret_short",
    ]
    assert "another" not in json.dumps(logs)


async def test_members_are_notified_of_new_credentials_before_theirs_expire() -> None:
    context, timers = virtual_context(
        MockEngine(), turn=turn(URI, ttl_s=600), api_keys={KEY: KEY_SECRET}
    )
    ann = Peer(context, token=claims())
    joined = await ann.call("join", sid="demo")
    first = joined.ice_servers[0]
    assert 598 <= expiry_of(first) - time.time() <= 600
    assert ANN not in first.username
    timers.advance(600 * 0.6 - 1)
    assert not ann.channel.take("ice-servers")
    timers.advance(600 * 0.15 + 2)
    [note] = ann.channel.take("ice-servers")
    assert [entry["urls"] for entry in note["ice_servers"]] == [URI]
    assert signed(note["ice_servers"][0])
    user = first.username.partition(":")[2]
    assert note["ice_servers"][0]["username"].endswith(f":{user}")
    timers.advance(10 * 600)
    assert 13 <= len(ann.channel.take("ice-servers")) <= 17
    await ann.call("leave")
    timers.advance(DAY)
    assert not ann.channel.take("ice-servers")
    assert len(timers) == 0
    assert not timers.failures


async def test_a_repeated_join_returns_new_credentials_and_one_timer_stays() -> None:
    context, timers = virtual_context(MockEngine(), turn=turn(URI, ttl_s=600))
    ann = Peer(context)
    await ann.call("join", sid="demo", uid="ann")
    running = len(timers)
    again = await ann.call("join", sid="demo", uid="ann")
    assert len(timers) == running
    assert again.ice_servers[0].urls == URI


async def test_no_notification_without_turn_servers_or_beyond_the_end_of_a_membership() -> None:
    static = (IceServer("turn:t.example", "u", "p"),)
    context, timers = virtual_context(MockEngine(), ice_servers=static)
    ann = Peer(context)
    await ann.call("join", sid="demo", uid="ann")
    timers.advance(DAY)
    assert not ann.channel.take("ice-servers")
    context, timers = virtual_context(
        MockEngine(), turn=turn(URI, ttl_s=600), api_keys={KEY: KEY_SECRET}, end_at_exp=True
    )
    bob = Peer(context, token=claims(valid_s=300))
    joined = await bob.call("join", sid="demo")
    assert expiry_of(joined.ice_servers[0]) - time.time() <= 300
    timers.advance(250)
    assert not bob.channel.take("ice-servers")


async def test_a_failed_join_leaves_no_timer() -> None:
    context, timers = virtual_context(MockEngine(), turn=turn(URI))
    ann = Peer(context)
    with pytest.raises(Exception, match="sdp"):
        await ann.call("join", sid="demo", offer={"type": "offer", "sdp": "v=0\r\n"})
    for room in context.rooms:
        context.rooms.close(room, "room_closed")
    assert len(timers) == 0


@pytest.mark.parametrize("path", ["/whip/demo", "/whep/demo"])
async def test_whip_and_whep_hand_out_links_with_credentials(
    make_stage: StageMaker, path: str
) -> None:
    stage = await make_stage(turn=turn(URI, "turns:turn.example"), api_keys={KEY: KEY_SECRET})
    if path == "/whep/demo":
        await _publish(stage, "/whip/demo", offer_text())
    offer = offer_text("chromium-viewer-offer") if path == "/whep/demo" else offer_text()
    response = await _publish(stage, path, offer)
    assert response.status == 201, await response.text()
    links = [link for link in response.headers.getall("Link") if 'rel="ice-server"' in link]
    assert [link.partition(">")[0] for link in links] == [f"<{URI}", "<turns:turn.example"]
    parameters = dict(part.strip().split("=", 1) for part in links[0].split(";")[1:])
    values = {name: value.strip('"') for name, value in parameters.items()}
    assert values["rel"] == "ice-server"
    assert values["credential-type"] == "password"
    assert signed(values)
    assert ANN not in links[0]
    assert abs(int(values["username"].partition(":")[0]) - time.time() - 600) <= 5
    options = await stage.session.options(stage.url(path))
    assert "Link" not in options.headers


async def _publish(stage: Stage, path: str, offer: str) -> Any:
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {claims()}"}
    return await stage.session.post(stage.url(path), data=offer.encode(), headers=headers)
