"""Lines of m-lines whose result is kept for the next description with the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.signaling import grammar, sdp
from sfukit.signaling.sdp import SdpError
from tests.unit.signaling.descriptions import FIXTURES, text_of

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
CODECS = (
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
    "a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\n"
)
LINES = [
    *("m=video 9 UDP/TLS/RTP/SAVPF 96 98", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=x", "o=- 1 1"),
    *(
        "a=mid:0",
        "a=mid:1",
        "a=ice-ufrag:abcd",
        "a=ice-pwd:" + "p" * 22,
        "a=ice-lite",
        "c=IN IP4 x",
    ),
    *("a=fingerprint:sha-256 ab:CD", "a=setup:active", "a=sendonly", "a=recvonly", "a=rtcp-mux"),
    *("a=ssrc:1 cname:x", "a=ssrc-group:FID 1 2", "a=msid:s t", "a=rid:h send", "a=rid:q send"),
    *("a=simulcast:send h;q", "a=extmap:1 urn:a", "a=extmap:2 urn:b", "a=rtcp-fb:* nack"),
    *("a=group:BUNDLE 0 1", "a=candidate:1 1 udp 1 192.0.2.1 9 typ host", "a=rtcp:9", "", "bad"),
    *CODECS.split("\r\n")[:-1],
]


def video(lines: str, mid: str = "0") -> str:
    """Write an m-line with its attributes."""
    return f"m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\na=mid:{mid}\r\n{lines}"


def test_a_repeated_block_reads_the_same() -> None:
    text = HEAD + video(CODECS)
    first, again = sdp.parse(text), sdp.parse(text)
    assert first == again
    assert [codec.name for codec in first.media[0].codecs()] == ["VP8", "VP9"]


@pytest.mark.parametrize("name", sorted(path.stem for path in FIXTURES.glob("*.sdp")))
def test_descriptions_read_the_same_line_by_line(name: str) -> None:
    lines = grammar.split_lines(text_of(name), sdp.MAX_LINES)
    for _ in range(2):
        assert sdp._assemble(lines) == sdp._read(lines)


@given(st.lists(st.sampled_from(LINES), max_size=40))
def test_any_lines_read_the_same_line_by_line(lines: list[str]) -> None:
    try:
        expected = sdp._read(lines)
    except SdpError:
        with pytest.raises(ValueError, match=r".+"):
            sdp._assemble(lines)
        return
    try:
        assert sdp._assemble(lines) == expected
    except ValueError:
        assert any(line.startswith("o=") for line in lines)  # behind an m-line: read line by line


def test_sessions_share_nothing() -> None:
    sessions = [sdp.parse(HEAD + video(CODECS) + video(CODECS, "1")) for _ in range(2)]
    changed = sessions[0].media[0]
    changed.rtpmaps["96"] = ("AV1", 90_000, 1)
    changed.feedbacks["96"].append("goog-remb")
    changed.extensions["urn:x"] = 3
    for media in (sessions[0].media[1], *sessions[1].media):
        assert media.rtpmaps["96"] == ("VP8", 90_000, 1)
        assert media.feedbacks["96"] == ["nack", "nack pli"]
        assert media.extensions == {}


def test_a_second_block_of_a_section_adds_to_the_first() -> None:
    more = "a=rtcp-fb:96 ccm fir\r\na=rtcp-fb:98 nack\r\na=rtpmap:100 H264/90000\r\n"
    parsed = sdp.parse(HEAD + video(f"{CODECS}a=recvonly\r\n{more}"))
    media = parsed.media[0]
    assert media.feedbacks == {"96": ["nack", "nack pli", "ccm fir"], "98": ["nack"]}
    assert list(media.rtpmaps) == ["96", "98", "100"]


def test_extensions_and_codecs_in_two_blocks() -> None:
    extensions = "a=extmap:1 urn:a\r\na=extmap:2 urn:b\r\na=extmap:2 urn:c\r\n"
    parsed = sdp.parse(HEAD + video(f"{extensions}a=recvonly\r\n{CODECS}"))
    assert parsed.media[0].extensions == {"urn:a": 1, "urn:b": 2}
    assert len(parsed.media[0].rtpmaps) == 2


def test_an_error_in_a_block_has_its_line() -> None:
    for _ in range(2):
        with pytest.raises(SdpError) as error:
            sdp.parse(HEAD + video(f"{CODECS}a=rtpmap:200 X/1\r\n{CODECS}"))
        assert error.value.line == 12


def test_kept_blocks_are_bounded() -> None:
    for number in range(1_000):
        sdp.parse(HEAD + video(f"{CODECS}a=fmtp:98 x={number}\r\n"))
    assert sdp._block.cache_info().currsize <= 128
    long = "a=fmtp:98 " + "x" * 9_000
    before = sdp._block.cache_info().misses
    sdp.parse(HEAD + video(f"{CODECS}{long}\r\n"))
    assert sdp._block.cache_info().misses == before
