"""Redundant audio (RED, RFC 2198) in offers and answers."""

import itertools

import msgspec
import pytest

from sfukit.signaling import sdp
from sfukit.signaling.play_answer import PlayAnswer, Source, answer_viewer
from sfukit.signaling.publish_answer import PublishAnswer, PublishRules, answer_publisher
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.send_section import PayloadTypes
from tests.unit.signaling.descriptions import LOCAL, answer_to, audio, offer_of, video
from tests.unit.signaling.test_subscribe_offer import OPUS, exchange, offers_of, track

RED_LINES = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 {0}\r\n"


def with_red(text: str, formats: str, blocks: str = "111/111") -> str:
    """Add RED to the audio of an offer, with these formats."""
    opus = "a=rtpmap:111 opus/48000/2\r\n"
    assert opus in text
    assert " 111\r\n" in text
    text = text.replace(" 111\r\n", f" {formats}\r\n", 1)
    return text.replace(opus, opus + RED_LINES.format(blocks), 1)


def published(text: str) -> tuple[PublishAnswer, sdp.Section]:
    answer = answer_publisher(sdp.parse(text), LOCAL, PublishRules())
    return answer, sdp.parse(answer.sdp).media[0]


def test_a_publisher_that_prefers_red_sends_it() -> None:
    answer, media = published(with_red(offer_of(audio()), "63 111"))
    (track,) = answer.tracks
    assert track.codec_name == "opus"
    assert (track.codec.payload_type, track.red and track.red.payload_type) == (111, 63)
    assert media.formats == ["63", "111"]
    assert media.rtpmaps["63"] == ("red", 48_000, 2)
    assert media.fmtps["63"] == "111/111"


@pytest.mark.parametrize(
    ("formats", "blocks"),
    [
        ("111 63", "111/111"),  # the usual order of browsers: RED is possible, not preferred
        ("63 111", "112/112"),
        ("63 111", "111/0"),
        ("63 111", ""),
        ("63 111", "111/111/" * 40),
        ("63 111", "apt=111"),
    ],
)
def test_without_preference_or_with_other_blocks_opus_is_sent(formats: str, blocks: str) -> None:
    answer, media = published(with_red(offer_of(audio()), formats, blocks))
    assert answer.tracks[0].red is None
    assert media.formats == ["111"]


def test_the_payload_type_of_red_has_one_meaning() -> None:
    text = with_red(offer_of(audio(), video()), "63 111")
    number = sdp.parse(text).media[1].formats[0]
    with pytest.raises(Refusal, match=rf"payload type {number} is .* in "):
        published(text.replace(" 63 ", f" {number} ").replace(":63 ", f":{number} "))


def test_a_subscriber_is_offered_the_red_of_a_publisher_and_may_take_opus_alone() -> None:
    red = msgspec.structs.replace(track(1, OPUS), red=True)
    offers = offers_of(red, track(2, OPUS))
    offered, answered = exchange(offers)
    assert [media.formats for media in offered.media] == [["63", "111"], ["97"]]
    assert offered.media[0].fmtps["63"] == "111/111"
    assert [entry.numbers for entry in answered.accepted] == [
        PayloadTypes(111, None, 63),
        PayloadTypes(97, None),
    ]
    offers = offers_of(red)
    answer = answer_to(offers.offer()).replace(" 63 111\r\n", " 111\r\n")
    (accepted,) = offers.answer(sdp.parse(answer)).accepted
    assert accepted.numbers == PayloadTypes(111, None)


def test_the_numbers_of_red_are_reused() -> None:
    red = [msgspec.structs.replace(track(number, OPUS), red=True) for number in (1, 2)]
    offered, _ = exchange(offers_of(*red))
    assert [media.formats for media in offered.media] == [["63", "111"]] * 2


def played(text: str, *, red: bool) -> tuple[PlayAnswer, sdp.Section]:
    source = Source(1, "audio", "opus", OPUS, {}, "s", "c", red)
    ssrcs = itertools.count(1)
    answer = answer_viewer(sdp.parse(text), {"audio": source}, LOCAL, lambda: next(ssrcs))
    return answer, sdp.parse(answer.sdp).media[0]


def test_a_viewer_that_offers_red_gets_that_of_the_publisher() -> None:
    text = with_red(offer_of(audio(direction="recvonly")), "111 63")
    answer, media = played(text, red=True)
    assert answer.played[0].numbers == PayloadTypes(111, None, 63)
    assert media.formats == ["63", "111"]
    answer, media = played(text, red=False)
    assert (answer.played[0].numbers, media.formats) == (PayloadTypes(111, None), ["111"])
