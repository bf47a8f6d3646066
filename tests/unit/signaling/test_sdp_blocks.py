"""Blocks of codec and extension lines, whose result is kept for the next offer with the same."""

import pytest

from sfukit.signaling import sdp
from sfukit.signaling.sdp import SdpError

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
CODECS = (
    "a=rtpmap:96 VP8/90000\r\na=rtcp-fb:96 nack\r\na=rtcp-fb:96 nack pli\r\n"
    "a=rtpmap:98 VP9/90000\r\na=fmtp:98 profile-id=0\r\n"
)


def video(lines: str, mid: str = "0") -> str:
    """Write an m-line with its attributes."""
    return f"m=video 9 UDP/TLS/RTP/SAVPF 96 98\r\na=mid:{mid}\r\n{lines}"


def test_a_repeated_block_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + video(CODECS)
    first, again = sdp.parse(text), sdp.parse(text)
    monkeypatch.setattr(sdp, "_SHORTEST_BLOCK", 1_000)
    assert first == again == sdp.parse(text)
    assert [codec.name for codec in first.media[0].codecs()] == ["VP8", "VP9"]


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
