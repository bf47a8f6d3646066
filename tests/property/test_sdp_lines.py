"""No text of a publisher becomes a separate line in an answer or in a subscriber's offer."""

import re
from collections.abc import Iterator

import pytest
from aiortc.sdp import SessionDescription
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfukit.signaling import descriptions, extensions, sdp
from sfukit.signaling.play_answer import Source, answer_viewer
from sfukit.signaling.publish_answer import Published, PublishRules, answer_publisher
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.subscribe_offer import SubscribeOffers, Track
from tests.unit.signaling.descriptions import FINGERPRINT, LOCAL, text_of
from tests.unit.signaling.line_grammar import foreign_lines

LINE_ENDS = ("\r", "\n", "\r\n", "\x85", "\u2028", "\u2029", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e")
INJECTED = (
    "a=ice-pwd:stolenstolenstolenstolen",
    "a=ice-ufrag:stolen",
    "a=candidate:1 1 udp 2130706431 203.0.113.66 6666 typ host",
    "a=fingerprint:sha-256 " + ":".join(["66"] * 32),
    "a=setup:active",
    "m=video 9 UDP/TLS/RTP/SAVPF 96",
)
VIEWER = text_of("chromium-viewer-offer")

injections = st.builds(
    lambda before, end, line, after: f"{before}{end}{line}{after}",
    st.sampled_from(["", "42e01f", "1", "10;"]),
    st.sampled_from(LINE_ENDS),
    st.sampled_from(INJECTED),
    st.sampled_from(["", "\r", "\u2028", ";x=1"]),
)
values = st.one_of(
    injections, st.sampled_from(["1", "42e01f", "422001f", "x", "0 1"]), st.text(max_size=12)
)
CODECS = ("H264/90000", "VP8/90000", "VP9/90000", "AV1/90000")
PARAMETERS = (
    "profile-level-id",
    "packetization-mode",
    "profile-id",
    "profile",
    "tier",
    "level-idx",
)


@st.composite
def offers(draw: st.DrawFn) -> str:
    """An offer of one Opus and one video m-line with hostile text in one or several places."""
    hostile = draw(st.lists(st.integers(0, 11), min_size=1, max_size=3, unique=True))

    def text(place: int, usual: str) -> str:
        return draw(values) if place in hostile else usual

    codec = draw(st.sampled_from(CODECS))
    parameters = ";".join(f"{key}={text(0, '1')}" for key in draw(st.permutations(PARAMETERS))[:3])
    transport = f"a=ice-ufrag:abcd\r\na=ice-pwd:{'x' * 24}\r\na=fingerprint:{FINGERPRINT}\r\n"
    return (
        f"v=0\r\no={text(1, '- 1 1 IN IP4 127.0.0.1')}\r\ns={text(2, '-')}\r\nt=0 0\r\n"
        f"a=group:BUNDLE 0 {text(3, '1')}\r\n{transport}a=setup:actpass\r\n"
        f"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendonly\r\na=rtcp-mux\r\n"
        "a=rtpmap:111 opus/48000/2\r\n"
        f"a=fmtp:111 minptime={text(4, '10')};usedtx={text(4, '1')}\r\n"
        f"a=msid:{text(5, 'cam')} {text(6, 'mic')}\r\n"
        f"m=video 9 UDP/TLS/RTP/{text(7, 'SAVPF')} 96 97\r\n"
        "a=mid:1\r\na=sendonly\r\na=rtcp-mux\r\n"
        f"a=rtpmap:96 {codec}\r\na=fmtp:96 {parameters};{text(8, 'x')}={text(8, 'y')}\r\n"
        f"a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\na=rtcp-fb:96 {text(9, 'nack')}\r\n"
        f"a=extmap:4 {extensions.MID}\r\na=extmap:10 {extensions.RID}\r\n"
        f"a=extmap:5 {text(10, extensions.VIDEO_ORIENTATION)}\r\n"
        f"a=rid:h send\r\na=rid:{text(11, 'q')} send\r\na=simulcast:send h;{text(11, 'q')}\r\n"
        f"a=ssrc:7 cname:{text(11, 'c')}\r\n"
    )


def described(tracks: list[Published]) -> Iterator[str]:
    """The SDP for subscribers of these tracks: a WHEP answer, and an offer in a room."""
    names = {"stream_id": "s1-0", "cname": "c1"}
    sources = {
        track.kind: Source(
            publication=number,
            kind=track.kind,
            codec_name=track.codec_name,
            codec=track.codec,
            extensions=track.extensions,
            **names,
        )
        for number, track in enumerate(tracks)
    }
    try:
        yield answer_viewer(sdp.parse(VIEWER), sources, LOCAL, lambda: 7).sdp
    except Refusal as refusal:
        assert refusal.reason == "codec_unsupported"
    room = SubscribeOffers(LOCAL)
    for number, track in enumerate(tracks):
        ids = extensions.to_subscriber(track.extensions, extensions.OFFERED_IDS)
        room.add(
            Track(
                publication=number,
                kind=track.kind,
                codec_name=track.codec_name,
                codec=track.codec,
                extensions=ids,
                track_id=f"p{number}",
                ssrc=10 + number,
                rtx_ssrc=20 + number,
                **names,
            )
        )
    yield room.offer()


@settings(max_examples=400, suppress_health_check=[HealthCheck.too_slow])
@given(offers())
def test_every_line_of_every_description_is_one_of_ours(offer: str) -> None:
    try:
        answer = answer_publisher(sdp.parse(offer), LOCAL, PublishRules())
    except (sdp.SdpError, Refusal):
        return
    assert foreign_lines(answer.sdp, to_subscriber=False) == []
    for text in described(answer.tracks):
        assert foreign_lines(text, to_subscriber=True) == []
        assert "stolen" not in text and "203.0.113.66" not in text


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize("injected", INJECTED)
@pytest.mark.parametrize("parameter", ["profile-level-id", "packetization-mode", "x-unknown"])
def test_another_parser_finds_our_transport_alone(parameter: str, injected: str, end: str) -> None:
    offer = (
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-ufrag:abcd\r\n"
        f"a=ice-pwd:{'x' * 24}\r\na=fingerprint:{FINGERPRINT}\r\na=setup:actpass\r\n"
        "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=sendonly\r\na=rtcp-mux\r\na=rtpmap:96 H264/90000\r\n"
        f"a=fmtp:96 level-asymmetry-allowed=1;{parameter}=1{end}{injected}\r\n"
    )
    try:
        answer = answer_publisher(sdp.parse(offer), LOCAL, PublishRules())
    except (sdp.SdpError, Refusal):
        return
    for text in (answer.sdp, *described(answer.tracks)):
        for media in SessionDescription.parse(text).media:
            assert media.ice.usernameFragment == LOCAL.credentials.ufrag
            assert media.ice.password == LOCAL.credentials.pwd
            assert {entry.ip for entry in media.ice_candidates} <= {"192.0.2.7", "127.0.0.1"}
            assert media.dtls is not None
            assert [entry.value for entry in media.dtls.fingerprints] == [FINGERPRINT[8:]]


@pytest.mark.parametrize("end", ["\r", "\x0b", "\x0c", "\x1c", "\x00", "\x7f"])
def test_control_characters_are_refused_at_their_line(end: str) -> None:
    text = f"v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=a{end}b\r\n"
    with pytest.raises(sdp.SdpError) as caught:
        sdp.parse(text)
    assert caught.value.line == 3


ANSWER_LINE = re.compile(
    r"v=0|o=- 1 1 IN IP4 127\.0\.0\.1|s=-|t=0 0|c=IN IP4 0\.0\.0\.0|a=group:BUNDLE .*"
    r"|a=(?:mid|ice-ufrag|ice-pwd|fingerprint|setup|rtpmap|fmtp|rtcp-fb|extmap):[!-~ ]+"
    r"|a=(?:rtcp-mux|rtcp-rsize|recvonly|inactive|extmap-allow-mixed|msid-semantic:WMS \*)"
    r"|m=[!-~]+ [09] [!-~]+(?: [!-~]+)+"
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(offers())
def test_a_bot_answers_in_lines_of_its_own(offer: str) -> None:
    try:
        described = descriptions.read_offer(offer)
    except sdp.SdpError:
        return
    answer = descriptions.play_answer(described, LOCAL.credentials, FINGERPRINT)
    assert answer.isascii()
    assert answer.splitlines() == answer.removesuffix("\r\n").split("\r\n")
    assert [line for line in answer.splitlines() if not ANSWER_LINE.fullmatch(line)] == []
    for name in ("ice-ufrag", "ice-pwd", "fingerprint", "setup"):
        assert len(set(re.findall(rf"^a={name}:.*$", answer, re.MULTILINE))) == 1
