"""Candidates and trickle fragments."""

import pytest

from sfukit.signaling import candidates, sdpfrag, whip
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.transport import Credentials
from tests.unit.signaling.descriptions import LOCAL

MDNS = "candidate:1 1 udp 2113937151 0e7ff1f7-1b5a.local 54321 typ host generation 0 ufrag abcd"
HOST = "candidate:2 1 UDP 2122260223 198.51.100.7 40000 typ host"
TCP = "candidate:3 1 tcp 1518280447 198.51.100.7 9 typ host tcptype active"


def test_a_candidate_is_read_with_or_without_its_prefix() -> None:
    bare = candidates.parse(HOST.removeprefix("candidate:"))
    assert bare == candidates.parse(HOST) == candidates.parse(f"a={HOST}")
    assert (str(bare.address), bare.port, bare.kind) == ("198.51.100.7", 40000, "host")


def test_an_mdns_name_is_no_address() -> None:
    assert candidates.parse(MDNS).address is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "candidate:",
        "candidate:1 1 udp x 198.51.100.7 1 typ host",
        "candidate:1 1 udp 1 198.51.100.7 70000 typ host",
        "candidate:1 999 udp 1 198.51.100.7 1 typ host",
        "candidate:1 1 udp 1 198.51.100.7 1 type host",
        "candidate:" + "1" * 600,
    ],
)
def test_malformed_candidates_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="candidate"):
        candidates.parse(text)


def test_unknown_transports_and_unresolvable_candidates_are_ignored() -> None:
    lines = ["a=ice-ufrag:abcd", "a=ice-pwd:" + "x" * 24, "m=audio 9 RTP/AVP 0", "a=mid:0"]
    lines += [f"a={MDNS}", f"a={TCP}", f"a={HOST}", "a=end-of-candidates"]
    fragment = sdpfrag.parse("\r\n".join(lines) + "\r\n")
    assert [candidate.host for candidate in fragment.candidates] == ["198.51.100.7"]
    assert (fragment.ufrag, fragment.complete) == ("abcd", True)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("nonsense", 1),
        ("a=mid:0\r\na=candidate:1 1", 2),
        ("a=mid:0\r\n" * 501, 500),
    ],
)
def test_malformed_fragments_are_refused_at_their_line(text: str, line: int) -> None:
    with pytest.raises(Refusal) as caught:
        sdpfrag.parse(text)
    assert (caught.value.reason, caught.value.line) == ("sdpfrag_malformed", line)


def test_a_restart_is_answered_with_our_new_side() -> None:
    text = sdpfrag.write_restart(LOCAL, "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n")
    fragment = sdpfrag.parse(text)
    assert Credentials(fragment.ufrag or "", fragment.pwd or "") == LOCAL.credentials
    assert (len(fragment.candidates), fragment.complete) == (2, True)


@pytest.mark.parametrize("star", ["*", '"*"'])
def test_a_star_asks_for_a_restart(star: str) -> None:
    assert whip.is_restart(star, '"tag"')


def test_the_tag_in_force_is_demanded() -> None:
    assert not whip.is_restart('"tag"', '"tag"')
    assert not whip.is_restart('"other", "tag"', '"tag"')
    for given, reason in ((None, "etag_missing"), ('"old"', "etag_stale"), ("tag", "etag_stale")):
        with pytest.raises(Refusal, match=reason):
            whip.is_restart(given, '"tag"')


def test_credentials_are_quoted_strings() -> None:
    link = whip.ice_server_link("turn:t.example", 'a"b', "c\\d; x=1")
    assert 'username="a\\"b"' in link
    assert 'credential="c\\\\d; x=1"' in link


def test_ice_servers_are_links() -> None:
    assert (
        whip.ice_server_link("stun:s.example", None, None) == '<stun:s.example>; rel="ice-server"'
    )
    assert whip.ice_server_link("turn:t.example", "u", "p").endswith(
        'username="u"; credential="p"; credential-type="password"'
    )
