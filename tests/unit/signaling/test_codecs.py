"""Which codecs are forwarded, and which descriptions mean the same bitstream."""

import pytest

from sfukit.signaling import format_parameters, sdp
from sfukit.signaling.codecs import (
    h264_profile,
    negotiate,
    received_opus,
    same_bitstream,
    sent_parameters,
)
from sfukit.signaling.sdp import Codec
from tests.unit.signaling.descriptions import text_of


def codec(name: str, fmtp: str = "", rate: int = 90_000, number: int = 96) -> Codec:
    return Codec(number, name, rate, 1, fmtp, format_parameters.read(fmtp), ())


def h264(profile: str, mode: int = 1, asymmetric: int = 1) -> Codec:
    return codec(
        "H264",
        f"level-asymmetry-allowed={asymmetric};packetization-mode={mode};profile-level-id={profile}",
    )


def test_the_first_forwarded_codec_of_the_offer_is_chosen_with_its_rtx() -> None:
    offered = sdp.parse(text_of("chromium-simulcast-offer")).media[1].codecs()
    agreed = negotiate("video", offered)
    assert agreed is not None
    assert (agreed.codec.name, agreed.rtx_payload_type) == ("VP8", 97)
    assert agreed.feedback == ("nack", "nack pli", "ccm fir", "transport-cc", "goog-remb")


def test_the_required_bitstream_is_chosen_among_similar_ones() -> None:
    offered = sdp.parse(text_of("chromium-viewer-offer")).media[1].codecs()
    agreed = negotiate("video", offered, h264("42e01f", mode=0))
    assert agreed is not None
    assert agreed.codec.payload_type == 115
    assert negotiate("video", offered, h264("640c1f")) is None


def test_a_codec_that_is_not_forwarded_is_not_chosen() -> None:
    assert negotiate("video", [codec("H263"), codec("rtx", "apt=96")]) is None
    assert negotiate("audio", [codec("PCMU", rate=8000), codec("red", rate=48_000)]) is None
    assert negotiate("application", [codec("VP8")]) is None


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        ("42001f", "baseline"),
        ("42e01f", "constrained-baseline"),
        ("42401f", "constrained-baseline"),
        ("4d001f", "main"),
        ("4d801f", "constrained-baseline"),
        ("58c01f", "constrained-baseline"),
        ("58801f", "baseline"),
        ("58001f", "extended"),
        ("64001f", "high"),
        ("640c1f", "constrained-high"),
        ("f4001f", "f400"),
        ("nonsense", "constrained-baseline"),
    ],
)
def test_h264_profiles_have_the_names_of_the_standard(profile: str, name: str) -> None:
    assert h264_profile(h264(profile))[0] == name


@pytest.mark.parametrize(
    ("receiver", "sender", "same"),
    [
        (codec("VP8"), codec("vp8"), True),
        (codec("VP8"), codec("VP9"), False),
        (codec("VP9"), codec("VP9", "profile-id=0"), True),
        (codec("VP9", "profile-id=2"), codec("VP9"), False),
        (codec("AV1", "profile=0;tier=0;level-idx=5"), codec("AV1"), True),
        (codec("AV1", "profile=1"), codec("AV1"), False),
        (codec("AV1", "tier=1"), codec("AV1"), False),
        (h264("42e01f"), h264("42e01f"), True),
        (h264("42e01f"), h264("42c020"), True),
        (h264("42e01f"), h264("42e034"), True),
        (h264("42e01f", asymmetric=0), h264("42e034"), False),
        (h264("42e034", asymmetric=0), h264("42e01f"), True),
        (h264("42e01f", mode=0), h264("42e01f", mode=1), False),
        (h264("42001f"), h264("42e01f"), False),
        (codec("opus", rate=48_000), codec("opus", "stereo=1", rate=48_000), True),
        (codec("opus", rate=48_000), codec("opus", rate=16_000), False),
    ],
)
def test_the_same_bitstream_under_two_descriptions(
    receiver: Codec, sender: Codec, same: bool
) -> None:
    assert same_bitstream(receiver, sender) is same


@pytest.mark.parametrize(
    ("offered", "wanted"),
    [
        ("", ""),
        ("minptime=10;useinbandfec=1", "minptime=10;useinbandfec=1"),
        (
            "stereo=1;sprop-stereo=1;maxaveragebitrate=510000;usedtx=1",
            "usedtx=1;stereo=1;maxaveragebitrate=510000",
        ),
        ("sprop-stereo=1", "stereo=1"),
        ("x-google-something=7", ""),
    ],
)
def test_an_answer_has_the_offered_parameters_of_opus(offered: str, wanted: str) -> None:
    assert received_opus(codec("opus", offered, 48_000)) == wanted


def described(name: str, fmtp: str) -> dict[str, str]:
    return sent_parameters(name, codec(name, fmtp))


@pytest.mark.parametrize(
    ("name", "fmtps"),
    [
        ("VP8", ("", "max-fr=30", "max-fs=12288;max-fr=60", "x=\x85a=ice-pwd:y")),
        ("VP9", ("", "profile-id=0", "PROFILE-ID = 0 ", "profile-id=-1", "profile-id=99999")),
        ("AV1", ("", "level-idx=5;profile=0;tier=0", "tier=0; profile=0", "profile=x")),
        (
            "H264",
            (
                "profile-level-id=42e01f;packetization-mode=1",
                "packetization-mode=1 ; PROFILE-LEVEL-ID=42E01F",
                "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42c01f",
                "packetization-mode=1;profile-level-id=zz;sprop-parameter-sets=Z0LAHtoC",
            ),
        ),
        ("opus", ("minptime=10;useinbandfec=1", "usedtx=1", "minptime=60", "maxaveragebitrate=1")),
        ("opus", ("stereo=1", "sprop-stereo=1;minptime=3", "STEREO=1;sprop-stereo=0")),
    ],
)
def test_one_bitstream_is_described_by_one_text(name: str, fmtps: tuple[str, ...]) -> None:
    texts = {tuple(described(name, fmtp).items()) for fmtp in fmtps}
    assert len(texts) == 1


def test_other_bitstreams_are_described_by_other_texts() -> None:
    assert described("VP9", "profile-id=2") == {"profile-id": "2"}
    assert described("AV1", "profile=1;level-idx=8") == {
        "profile": "1",
        "tier": "0",
        "level-idx": "8",
    }
    assert described("H264", "profile-level-id=640c29") == {
        "level-asymmetry-allowed": "1",
        "packetization-mode": "1",
        "profile-level-id": "640c29",
    }
    assert described("H264", "profile-level-id=f4001f")["profile-level-id"] == "f4001f"
    assert described("opus", "stereo=1") == {"stereo": "1", "sprop-stereo": "1"}
