"""Parsing session descriptions: what is read, and what is refused at which line."""

import pytest

from sfukit.signaling import sdp
from tests.unit.signaling.descriptions import offer_of, text_of, video

HEAD = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
M_LINE = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n"


def test_a_browsers_offer_is_read_whole() -> None:
    session = sdp.parse(text_of("chromium-simulcast-offer"))
    audio_media, video_media = session.media
    assert session.bundled == ["0", "1"]
    assert [media.kind for media in session.media] == ["audio", "video"]
    assert (audio_media.mid, audio_media.direction, audio_media.setup) == (
        "0",
        "sendonly",
        "actpass",
    )
    assert (audio_media.ice_ufrag, audio_media.ice_pwd) == ("8hQW", "qMwL3X1oYbHq0Jx7Gf9sZ2Vt")
    assert audio_media.fingerprints[0].startswith("sha-256 6B:8B:")
    assert list(audio_media.ssrcs) == [2364478372]
    assert video_media.simulcast == {"send": ["q", "h", "f"]}
    assert list(video_media.rids) == ["q", "h", "f"]
    assert video_media.extensions["urn:ietf:params:rtp-hdrext:sdes:mid"] == 4


def test_codecs_come_in_the_order_of_preference_with_all_that_is_said_of_them() -> None:
    video_media = sdp.parse(text_of("chromium-simulcast-offer")).media[1]
    codecs = video_media.codecs()
    assert [codec.payload_type for codec in codecs[:4]] == [96, 97, 103, 104]
    assert codecs[0].feedback == ("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli")
    assert codecs[1].parameters == {"apt": "96"}
    assert codecs[2].parameters["packetization-mode"] == "1"


def test_feedback_for_all_payload_types_counts_for_each() -> None:
    media = sdp.parse(offer_of(video() + "a=rtcp-fb:* nack\r\na=rtcp-fb:96 ccm fir\r\n")).media[0]
    assert media.codecs()[0].feedback == ("ccm fir", "nack")


def test_session_level_attributes_apply_to_every_m_line() -> None:
    media = sdp.parse(offer_of(video(), video())).media
    assert {entry.ice_ufrag for entry in media} == {"abcd"}
    assert {entry.setup for entry in media} == {"actpass"}


def test_bare_newlines_are_lines_too() -> None:
    text = text_of("chromium-simulcast-offer")
    assert sdp.parse(text.replace("\r\n", "\n")) == sdp.parse(text)


def test_unknown_attributes_are_ignored() -> None:
    assert sdp.parse(HEAD + M_LINE + "a=wibble:wobble\r\na=x-thing\r\n").media[0].kind == "video"


def test_a_paused_stream_and_alternatives_name_the_first_rid() -> None:
    media = sdp.parse(HEAD + M_LINE + "a=simulcast:send ~1;2,3 recv 4\r\n").media[0]
    assert media.simulcast == {"send": ["1", "2"], "recv": ["4"]}


def test_extension_ids_that_are_not_in_use_yet_are_left_out() -> None:
    media = sdp.parse(HEAD + M_LINE + "a=extmap:4100 urn:x\r\na=extmap:7/sendonly urn:y\r\n")
    assert media.media[0].extensions == {"urn:y": 7}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", 1),
        ("v=1\r\n", 1),
        ("v=0\r\ns=-\r\n", 1),
        (HEAD + "hello\r\n", 5),
        (HEAD + "\r\n m=video 9 x 96\r\n", 6),
        (HEAD + "m=video 9\r\n", 5),
        (HEAD + "m=video nine UDP/TLS/RTP/SAVPF 96\r\n", 5),
        (HEAD + "m=video 70000 UDP/TLS/RTP/SAVPF 96\r\n", 5),
        (HEAD + M_LINE + "a=rtpmap:96\r\n", 6),
        (HEAD + M_LINE + "a=rtpmap:200 VP8/90000\r\n", 6),
        (HEAD + M_LINE + "a=rtpmap:96 VP8/٣\r\n", 6),
        (HEAD + M_LINE + "a=ssrc:99999999999 cname:x\r\n", 6),
        (HEAD + M_LINE + "a=ssrc-group:FID 1 x\r\n", 6),
        (HEAD + M_LINE + "a=setup:maybe\r\n", 6),
        (HEAD + M_LINE + "a=extmap:x urn:y\r\n", 6),
        (HEAD + M_LINE + "a=rid:q sideways\r\n", 6),
        (HEAD + M_LINE + "a=rid:q!x send\r\n", 6),
        (HEAD + M_LINE + "a=simulcast:send\r\n", 6),
        (HEAD + M_LINE + "a=simulcast:send \x7f\r\n", 6),
        (HEAD + M_LINE + "a=mid:\r\n", 6),
        (HEAD + M_LINE + "a=ice-ufrag:a b\r\n", 6),
        (HEAD + M_LINE + "a=mid:0\r\n" + M_LINE + "a=mid:0\r\n", 7),
    ],
)
def test_malformed_text_is_refused_at_its_line(text: str, line: int) -> None:
    with pytest.raises(sdp.SdpError) as caught:
        sdp.parse(text)
    assert caught.value.line == line


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "a=x\r\n" * 20_000,
        HEAD + "a=x:" + "y" * sdp.MAX_BYTES + "\r\n",
        HEAD + M_LINE * (sdp.MAX_MEDIA + 1),
        HEAD + M_LINE + "a=x\r\n" * (sdp.MAX_SECTION_LINES + 1),
        HEAD + "m=video 9 x " + "96 " * 129 + "\r\n",
        HEAD + "a=x\r\n" * (sdp.MAX_LINES + 1),
    ],
)
def test_sizes_are_bounded(text: str) -> None:
    with pytest.raises(sdp.SdpError):
        sdp.parse(text)
