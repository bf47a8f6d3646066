"""The bots' SDP, held against the server's own reading of it."""

import msgspec
import pytest

from sfukit.signaling import descriptions, extensions, sdp
from sfukit.signaling.descriptions import Encoding, OfferParameters
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.sdp import SdpError
from sfukit.signaling.subscribe_offer import SubscribeOffers, Track
from sfukit.signaling.transport import LocalTransport

FINGERPRINT = "sha-256 " + ":".join(["AB"] * 32)
CANDIDATES = (
    "a=candidate:1 1 udp 2130706431 192.0.2.1 7081 typ host\r\n"
    "a=candidate:2 1 udp 2130706175 127.0.0.1 7081 typ host\r\n"
    "a=candidate:3 1 tcp 1518280447 192.0.2.1 9 typ host tcptype active\r\n"
    "a=candidate:4 1 udp 2130706430 a1b2.local 7081 typ host\r\n"
    "a=end-of-candidates\r\n"
)
LOCAL = LocalTransport(descriptions.new_credentials(), FINGERPRINT, CANDIDATES)


def offered(
    video: str | None = "vp8", encodings: int = 3, audio: int | None = 9
) -> OfferParameters:
    several = [
        Encoding(rid, 10 + 2 * rank, 11 + 2 * rank) for rank, rid in enumerate("qhf"[:encodings])
    ]
    return OfferParameters(descriptions.new_credentials(), FINGERPRINT, audio, video, several)


@pytest.mark.parametrize("codec", ["vp8", "h264"])
def test_an_offer_is_taken_with_all_its_encodings(codec: str) -> None:
    text = descriptions.publish_offer(offered(codec))
    answer = answer_publisher(sdp.parse(text), LOCAL, PublishRules())
    audio, video = answer.tracks
    assert (audio.codec_name, audio.encodings[0].ssrc) == ("opus", 9)
    assert video.codec_name == codec.upper()
    assert [encoding.rid for encoding in video.encodings] == ["q", "h", "f"]
    assert video.rtx_payload_type is not None
    assert {extensions.MID, extensions.RID, extensions.REPAIRED_RID} <= video.extensions.keys()


def test_a_single_encoding_is_named_by_its_ssrc() -> None:
    text = descriptions.publish_offer(offered(encodings=1, audio=None))
    [video] = answer_publisher(sdp.parse(text), LOCAL, PublishRules()).tracks
    [encoding] = video.encodings
    assert (encoding.rid, encoding.ssrc, encoding.rtx_ssrc) == (None, 10, 11)


def test_an_answer_has_the_candidates_and_codecs_of_the_server() -> None:
    text = descriptions.publish_offer(offered())
    answer = answer_publisher(sdp.parse(text), LOCAL, PublishRules())
    read = descriptions.read_answer(answer.sdp)
    assert read.peer.candidates == [("192.0.2.1", 7081), ("127.0.0.1", 7081)]
    assert read.peer.ufrag == LOCAL.credentials.ufrag
    assert read.peer.fingerprints == [FINGERPRINT]
    assert read.peer.bot_is_dtls_client
    assert [(line.kind, line.payload_type, line.rtx_payload_type) for line in read.lines] == [
        ("audio", 111, None),
        ("video", 96, 97),
    ]


def subscribed(*tracks: Track) -> SubscribeOffers:
    offers = SubscribeOffers(LOCAL)
    for track in tracks:
        offers.add(track)
    return offers


def track_of(publication: int, kind: str, ssrc: int) -> Track:
    text = descriptions.publish_offer(offered())
    published = answer_publisher(sdp.parse(text), LOCAL, PublishRules()).tracks
    one = next(track for track in published if track.kind == kind)
    ids = {extensions.MID: 4, extensions.TRANSPORT_WIDE_CC: 3}
    rtx = ssrc + 1 if kind == "video" else None
    return Track(
        publication, kind, one.codec_name, one.codec, ids, "stream", "track", "cname", ssrc, rtx
    )


def test_an_offer_of_the_server_is_answered_whole() -> None:
    offers = subscribed(track_of(1, "audio", 100), track_of(2, "video", 200))
    read = descriptions.read_offer(offers.offer())
    assert [(line.kind, line.ssrc, line.rtx_ssrc) for line in read.lines] == [
        ("audio", 100, None),
        ("video", 200, 201),
    ]
    answer = descriptions.play_answer(read, descriptions.new_credentials(), FINGERPRINT)
    taken = offers.answer(sdp.parse(answer))
    assert [accepted.track.publication for accepted in taken.accepted] == [1, 2]
    assert taken.accepted[1].numbers.rtx_payload_type == 97
    assert taken.refused == []


def test_lines_that_ended_are_answered_and_not_received() -> None:
    offers = subscribed(track_of(1, "video", 100), track_of(2, "video", 200))
    credentials = descriptions.new_credentials()
    first = descriptions.read_offer(offers.offer())
    offers.answer(sdp.parse(descriptions.play_answer(first, credentials, FINGERPRINT)))
    offers.remove(1)
    second = descriptions.read_offer(offers.offer())
    assert [line.ssrc for line in second.lines] == [200]
    answer = descriptions.play_answer(second, credentials, FINGERPRINT)
    assert offers.answer(sdp.parse(answer)).refused == []
    assert "a=inactive" in answer


def test_a_player_offers_every_codec_that_bots_receive() -> None:
    text = descriptions.play_offer(
        descriptions.new_credentials(), FINGERPRINT, audio=True, video=True
    )
    audio, video = sdp.parse(text).media
    assert [codec.name for codec in audio.codecs()] == ["opus"]
    assert {codec.name for codec in video.codecs()} == {"VP8", "H264", "VP9", "AV1", "rtx"}
    assert audio.direction == video.direction == "recvonly"


@pytest.mark.parametrize("codec", ["vp8", "h264", "vp9", "av1"])
@pytest.mark.parametrize("capture_time", [True, False])
def test_a_publisher_offers_one_codec_and_capture_times_as_asked_for(
    codec: str, capture_time: bool
) -> None:
    parameters = msgspec.structs.replace(offered(), video=codec, capture_time=capture_time)
    video = sdp.parse(descriptions.publish_offer(parameters)).media[1]
    assert {one.name for one in video.codecs()} == {codec.upper(), "rtx"}
    assert (extensions.ABS_CAPTURE_TIME in video.extensions) == capture_time
    assert (extensions.DEPENDENCY_DESCRIPTOR in video.extensions) == (codec == "av1")


@pytest.mark.parametrize("capture_time", [True, False])
def test_a_player_offers_capture_times_as_asked_for(capture_time: bool) -> None:
    text = descriptions.play_offer(
        *(descriptions.new_credentials(), FINGERPRINT),
        audio=False,
        video=True,
        capture_time=capture_time,
    )
    [video] = sdp.parse(text).media
    assert (extensions.ABS_CAPTURE_TIME in video.extensions) == capture_time


def test_the_codec_of_each_publisher_is_received() -> None:
    text = descriptions.play_offer(
        descriptions.new_credentials(), FINGERPRINT, audio=False, video=True
    ).replace("recvonly", "sendonly")
    for codec in ("h264", "vp9", "av1"):
        read = descriptions.read_offer(text, {"0": codec}.get)
        assert [line.codec for line in read.lines] == [codec.upper()]
    assert descriptions.read_offer(text, {}.get).lines[0].codec == "VP8"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=video 0 UDP/TLS/RTP/SAVPF 96\r\n",
        "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n",
    ],
)
def test_what_cannot_be_used_is_an_sdp_error(text: str) -> None:
    with pytest.raises(SdpError):
        descriptions.read_answer(text)
