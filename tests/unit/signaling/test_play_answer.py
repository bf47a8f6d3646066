"""Answering a WHEP viewer."""

import itertools
from collections.abc import Mapping

import pytest

from sfukit.signaling import extensions, sdp
from sfukit.signaling.play_answer import PlayAnswer, Source, answer_viewer
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec
from tests.unit.signaling.descriptions import LOCAL, audio, offer_of, text_of, video

OPUS = Codec(111, "opus", 48_000, 2, "sprop-stereo=1", {"sprop-stereo": "1"}, ())
VP8 = Codec(100, "VP8", 90_000, 1, "", {}, ())
PUBLISHED = {extensions.MID: 4, extensions.RID: 10, extensions.VIDEO_ORIENTATION: 13}


def source(number: int, kind: str, codec: Codec) -> Source:
    return Source(number, kind, codec.name, codec, PUBLISHED, "s1-0", "c1")


BOTH = {"audio": source(1, "audio", OPUS), "video": source(2, "video", VP8)}


def answered(text: str, sources: Mapping[str, Source] = BOTH) -> tuple[PlayAnswer, sdp.Session]:
    ssrcs = itertools.count(1000)
    answer = answer_viewer(sdp.parse(text), sources, LOCAL, lambda: next(ssrcs))
    return answer, sdp.parse(answer.sdp)


def test_the_answer_sends_under_the_numbers_of_the_viewer() -> None:
    answer, session = answered(text_of("chromium-viewer-offer"))
    assert [media.direction for media in session.media] == ["sendonly"] * 2
    assert [line.numbers.payload_type for line in answer.played] == [111, 96]
    video_media = session.media[1]
    assert video_media.formats == ["96", "97"]
    assert video_media.ssrc_groups == [("FID", [1001, 1002])]
    assert video_media.msid == [("s1-0", "p2")]
    assert video_media.extensions == {
        extensions.MID: 4,
        extensions.TRANSPORT_WIDE_CC: 3,
        extensions.VIDEO_ORIENTATION: 13,
    }
    assert session.media[0].fmtps["111"] == "stereo=1;sprop-stereo=1"
    assert {media.setup for media in session.media} == {"passive"}


def test_rtx_only_where_the_viewer_knows_it() -> None:
    answer, session = answered(offer_of(video(direction="recvonly")))
    assert answer.played[0].rtx_ssrc is None
    assert list(session.media[0].ssrcs) == [1000]


def test_what_is_not_published_stays_idle() -> None:
    answer, session = answered(text_of("chromium-viewer-offer"), {"video": BOTH["video"]})
    assert [line.kind for line in answer.played] == ["video"]
    assert (session.media[0].direction, session.media[0].rejected) == ("inactive", False)
    assert session.media[0].end_of_candidates  # the first of the BUNDLE group speaks for all


def test_a_kind_is_played_once() -> None:
    offer = offer_of(video(direction="recvonly"), video(direction="recvonly"))
    answer, session = answered(offer)
    assert len(answer.played) == 1
    assert session.media[1].direction == "inactive"


def test_an_unsupported_m_line_is_rejected() -> None:
    data = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"
    _, session = answered(offer_of(audio(direction="recvonly"), data))
    assert session.media[1].rejected
    assert session.bundled == ["0"]


@pytest.mark.parametrize(
    ("media", "sources", "reason"),
    [
        ([video(direction="sendonly")], BOTH, "nothing_to_play"),
        ([video(direction="recvonly")], {"audio": BOTH["audio"]}, "nothing_to_play"),
        ([video("VP9/90000", direction="recvonly")], BOTH, "codec_unsupported"),
    ],
)
def test_an_offer_that_can_play_nothing_is_refused(
    media: list[str], sources: Mapping[str, Source], reason: str
) -> None:
    with pytest.raises(Refusal, match=reason):
        answered(offer_of(*media), sources)


def test_a_mismatch_of_one_kind_leaves_the_other() -> None:
    offer = offer_of(audio(direction="recvonly"), video("VP9/90000", direction="recvonly"))
    answer, session = answered(offer)
    assert [line.kind for line in answer.played] == ["audio"]
    assert session.media[1].direction == "inactive"
