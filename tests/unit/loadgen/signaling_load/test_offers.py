"""Answers of a client without media, made by copying lines."""

from sfukit.loadgen.signaling_load import offers
from sfukit.signaling import sdp

OFFER = (
    "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0 1\r\na=ice-lite\r\n"
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendonly\r\n"
    "a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10\r\na=ssrc:7 cname:x\r\n"
    "m=video 9 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=mid:1\r\na=inactive\r\n"
    "a=rtpmap:96 VP8/90000\r\n"
)


def test_an_answer_receives_what_is_sent() -> None:
    identity = offers.new_identity()
    answer = sdp.parse(offers.answer(OFFER, identity))
    assert [(media.mid, media.direction) for media in answer.media] == [
        ("0", "recvonly"),
        ("1", "inactive"),
    ]
    assert answer.bundled == ["0", "1"]
    audio = answer.media[0]
    assert (audio.ice_ufrag, audio.setup) == (identity.ufrag, "active")
    assert audio.fingerprints == [f"sha-256 {identity.fingerprint}"]
    assert audio.rtpmaps == {"111": ("opus", 48_000, 2)}
    assert audio.ssrcs == []


def test_any_text_has_an_answer() -> None:
    for text in ("", "x", "\nm=", "v=0\nm=\nm=a"):
        assert offers.answer(text, offers.new_identity()).startswith("v=0\r\n")
