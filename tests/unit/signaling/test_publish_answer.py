"""Answers to publish offers."""

import pytest

from sfukit.signaling import extensions, sdp
from sfukit.signaling.publish_answer import (
    Encoding,
    PublishAnswer,
    PublishRules,
    answer_publisher,
)
from sfukit.signaling.refusal import Refusal
from tests.unit.signaling.descriptions import LOCAL, audio, offer_of, text_of, video

ROOM = PublishRules()
SIMULCAST_IDS = f"a=extmap:1 {extensions.MID}\r\na=extmap:2 {extensions.RID}\r\n"
WHIP = PublishRules(max_audio=1, max_video=1, whole=True)


def answered(text: str, rules: PublishRules = ROOM) -> tuple[PublishAnswer, sdp.Session]:
    answer = answer_publisher(sdp.parse(text), LOCAL, rules)
    return answer, sdp.parse(answer.sdp)


def test_the_answer_receives_passively_with_everything_it_needs() -> None:
    _, session = answered(text_of("chromium-simulcast-offer"))
    assert session.bundled == ["0", "1"]
    assert session.common.ice_lite
    for media in session.media:
        assert (media.direction, media.setup, media.rtcp_mux) == ("recvonly", "passive", True)
        assert (media.ice_ufrag, media.fingerprints) == ("localfrag123", [LOCAL.fingerprint])
    first, second = session.media
    assert (len(first.candidates), first.end_of_candidates) == (2, True)
    assert (len(second.candidates), second.end_of_candidates) == (0, False)


def test_simulcast_is_received_in_the_order_of_the_offer() -> None:
    answer, session = answered(text_of("chromium-simulcast-offer"))
    assert session.media[1].simulcast == {"recv": ["q", "h", "f"]}
    assert {rid.direction for rid in session.media[1].rids.values()} == {"recv"}
    assert answer.tracks[1].encodings == [Encoding(rid, None, None) for rid in "qhf"]


def test_extension_ids_are_those_of_the_offer_and_only_what_is_used() -> None:
    answer, session = answered(text_of("chromium-simulcast-offer"))
    video_media = session.media[1].extensions
    assert video_media == answer.tracks[1].extensions
    assert video_media[extensions.MID] == 4
    assert video_media[extensions.RID] == 10
    assert "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay" not in video_media


def test_transport_wide_feedback_excludes_remb() -> None:
    answer, _ = answered(text_of("chromium-simulcast-offer"))
    assert answer.tracks[1].feedback == ("nack", "nack pli", "ccm fir", "transport-cc")
    remb_only = video() + "a=rtcp-fb:96 goog-remb\r\na=rtcp-fb:96 transport-cc\r\n"
    answer, _ = answered(offer_of(remb_only))
    assert answer.tracks[0].feedback == ("goog-remb",)


def test_ssrcs_are_taken_from_an_offer_that_names_them() -> None:
    named = video().replace(" 96\r\n", " 96 97\r\n", 1) + (
        "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"
        "a=ssrc-group:FID 11 22\r\na=ssrc:11 cname:x\r\na=ssrc:22 cname:x\r\n"
    )
    answer, _ = answered(offer_of(named))
    assert answer.tracks[0].encodings == [Encoding(None, 11, 22)]
    assert answer.tracks[0].rtx_payload_type == 97


_RTX = "a=rtpmap:97 rtx/90000\r\na=fmtp:97 apt=96\r\n"


def _with_rtx(lines: str) -> str:
    return video().replace(" 96\r\n", " 96 97\r\n", 1) + _RTX + lines


def test_fid_groups_of_rids_are_passed_on_since_packets_may_not_tell() -> None:
    named = _with_rtx(
        f"{SIMULCAST_IDS}"
        "a=rid:q send\r\na=rid:h send\r\na=simulcast:send q;h\r\n"
        "a=ssrc-group:FID 11 22\r\na=ssrc-group:FID 33 44\r\na=ssrc-group:FID 5\r\n"
    )
    track = answered(offer_of(named))[0].tracks[0]
    assert track.encodings == [Encoding("q", None, None), Encoding("h", None, None)]
    assert track.fid_groups == [(11, 22), (33, 44)]
    # Without a payload type for them there are no retransmissions.
    without = named.replace(_RTX, "")
    assert answered(offer_of(without))[0].tracks[0].fid_groups == []


def test_no_more_fid_groups_are_passed_on_than_encodings_may_have() -> None:
    groups = "".join(f"a=ssrc-group:FID {ssrc} {ssrc + 1}\r\n" for ssrc in range(2, 102, 2))
    track = answered(offer_of(_with_rtx(groups)))[0].tracks[0]
    assert track.fid_groups == [(ssrc, ssrc + 1) for ssrc in range(2, 34, 2)]


def test_a_sim_group_has_its_encodings() -> None:
    named = _with_rtx(
        "a=ssrc-group:SIM 11 33 55\r\na=ssrc-group:FID 11 22\r\na=ssrc-group:FID 33 44\r\n"
        + "".join(f"a=ssrc:{ssrc} cname:x\r\n" for ssrc in (11, 22, 33, 44, 55))
    )
    answer, session = answered(offer_of(named))
    assert answer.tracks[0].encodings == [
        Encoding("0", 11, 22),
        Encoding("1", 33, 44),
        Encoding("2", 55, None),
    ]
    # The rids are ours alone.
    assert (session.media[0].rids, session.media[0].simulcast) == ({}, {})


@pytest.mark.parametrize(
    ("group", "encodings"),
    [
        ("11", [Encoding(None, 11, None)]),
        ("11 11", [Encoding(None, 11, None)]),
        ("11 99", [Encoding(None, 11, None)]),
        ("33 11", [Encoding("0", 33, None), Encoding("1", 11, None)]),
    ],
    ids=["one", "twice", "undeclared", "order"],
)
def test_only_declared_ssrcs_of_a_sim_group_are_encodings(
    group: str, encodings: list[Encoding]
) -> None:
    ssrcs = "a=ssrc:11 cname:x\r\na=ssrc:33 cname:x\r\n"
    answer, _ = answered(offer_of(video() + f"a=ssrc-group:SIM {group}\r\n{ssrcs}"))
    assert answer.tracks[0].encodings == encodings


def test_without_ssrcs_the_mid_will_tell() -> None:
    answer, _ = answered(offer_of(video()))
    assert answer.tracks[0].encodings == [Encoding(None, None, None)]


def test_rids_that_no_header_extension_can_carry_are_left_out() -> None:
    long = "x" * 17
    lines = f"{SIMULCAST_IDS}a=rid:{long} send\r\na=rid:h send\r\na=simulcast:send {long};h\r\n"
    answer, session = answered(offer_of(video() + lines))
    assert [encoding.rid for encoding in answer.tracks[0].encodings] == ["h"]
    assert session.media[0].simulcast == {"recv": ["h"]}


def test_stereo_is_asked_for_as_offered() -> None:
    _, session = answered(offer_of(audio("minptime=10;stereo=1;sprop-stereo=1")))
    assert session.media[0].fmtps["111"] == "minptime=10;stereo=1"


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_an_idle_m_line_is_kept_but_publishes_nothing(direction: str) -> None:
    answer, session = answered(offer_of(audio(), video(direction=direction)))
    assert [track.kind for track in answer.tracks] == ["audio"]
    assert (session.media[1].direction, session.media[1].rejected) == ("inactive", False)
    assert session.bundled == ["0", "1"]


def test_a_room_turns_off_what_it_does_not_understand() -> None:
    unknown = "m=application 9 UDP/BFCP *\r\n"
    answer, session = answered(offer_of(video(), unknown, video("H263/90000")))
    assert [media.rejected for media in session.media] == [False, True, True]
    assert session.bundled == ["0"]
    assert len(answer.tracks) == 1


@pytest.mark.parametrize(
    ("media", "reason"),
    [
        ([video(), video()], "too_many_media"),
        ([audio(), audio()], "too_many_media"),
        ([video(), "m=text 9 UDP/TLS/RTP/SAVPF 98\r\n"], "too_many_media"),
        (["m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n"], "nothing_to_publish"),
        ([video("H263/90000")], "codec_unsupported"),
        ([video(direction="recvonly")], "nothing_to_publish"),
    ],
)
def test_whip_refuses_the_whole_offer_never_one_m_line(media: list[str], reason: str) -> None:
    with pytest.raises(Refusal) as caught:
        answered(offer_of(*media), WHIP)
    assert (caught.value.reason, caught.value.status) == (reason, 422)


def test_the_maximum_bitrate_is_in_the_answer() -> None:
    answer, _ = answered(offer_of(audio(), video()), PublishRules(max_bitrate_bps=800_000))
    assert answer.sdp.count("b=TIAS:800000\r\n") == 1


@pytest.mark.parametrize(
    ("codec", "fmtp", "name"),
    [
        ("VP8/90000", "", "VP8"),
        ("VP9/90000", "profile-id=0", "VP9"),
        ("AV1/90000", "profile=0", "AV1"),
        ("h264/90000", "packetization-mode=1;profile-level-id=64001f", "H264"),
    ],
)
def test_each_forwarded_codec_is_answered_as_offered(codec: str, fmtp: str, name: str) -> None:
    answer, session = answered(offer_of(video(codec, fmtp)))
    assert answer.tracks[0].codec_name == name
    assert session.media[0].fmtps.get("96", "") == fmtp


ORIENTATION = f"a=extmap:3 {extensions.VIDEO_ORIENTATION}\r\n"


def mid_under(number: int) -> str:
    return f"a=extmap:{number} {extensions.MID}\r\n"


def test_one_extension_id_has_one_meaning_on_all_m_lines() -> None:
    offer = offer_of(audio() + mid_under(3), video() + ORIENTATION + mid_under(5))
    first, second = answered(offer)[1].media
    assert first.extensions == {extensions.MID: 3}
    assert second.extensions == {}
    offer = offer_of(video() + ORIENTATION + mid_under(3))
    assert answered(offer)[1].media[0].extensions == {extensions.VIDEO_ORIENTATION: 3}


def test_an_extension_keeps_its_id_over_renegotiations() -> None:
    before = {extensions.MID: 3, extensions.AUDIO_LEVEL: 1}
    session = sdp.parse(offer_of(video() + mid_under(4) + ORIENTATION))
    answer = answer_publisher(session, LOCAL, ROOM, in_use=before)
    assert answer.tracks[0].extensions == {}
    assert answer.extensions == before
    session = sdp.parse(offer_of(video() + mid_under(3) + ORIENTATION.replace(":3 ", ":4 ")))
    answer = answer_publisher(session, LOCAL, ROOM, in_use=before)
    assert answer.extensions == before | {extensions.VIDEO_ORIENTATION: 4}


def test_the_group_of_the_answer_is_in_the_order_of_the_offer() -> None:
    offer = offer_of(audio(), video()).replace("BUNDLE 0 1", "BUNDLE 1 0")
    _, session = answered(offer)
    assert session.bundled == ["1", "0"]
    assert [bool(media.candidates) for media in session.media] == [False, True]
