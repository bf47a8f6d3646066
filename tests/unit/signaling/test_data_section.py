"""The m-line of data channels in publish, play and subscribe descriptions."""

import pytest

from sfukit.signaling import sdp
from sfukit.signaling.play_answer import answer_viewer
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.subscribe_offer import MAX_SLOTS
from tests.unit.signaling.descriptions import LOCAL, answer_to, audio, offer_of, video
from tests.unit.signaling.test_play_answer import BOTH
from tests.unit.signaling.test_subscribe_offer import exchange, offers_of, track

PORT = "a=sctp-port:5000\r\n"
DATA = f"m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n{PORT}"


@pytest.mark.parametrize(
    ("line", "longest"),
    [
        (DATA, 65_536),
        (f"{DATA}a=max-message-size:1000\r\n", 1000),
        (f"{DATA}a=max-message-size:0\r\n", 262_144),
        (f"{DATA}a=max-message-size:18446744073709551615\r\n", 262_144),
        (DATA.replace("UDP", "TCP"), 65_536),
        (DATA.replace("5000", "6000"), None),
        (DATA.replace(PORT, "a=sctpmap:5000 webrtc-datachannel 1024\r\n"), None),
        (DATA.replace("UDP/DTLS/SCTP", "DTLS/SCTP"), None),
        (DATA.replace("webrtc-datachannel", "other"), None),
        (DATA.replace(" 9 ", " 0 "), None),
    ],
)
def test_what_is_accepted_in_an_offer(line: str, longest: int | None) -> None:
    media = [video(), line]
    offer = sdp.parse(offer_of(*media, bundle=" 0 " not in line))
    answer = answer_publisher(offer, LOCAL, PublishRules())
    accepted = sdp.parse(answer.sdp).media[1]
    assert answer.data_message_bytes == longest
    assert accepted.rejected == (longest is None)
    if longest is not None:
        assert (accepted.sctp_port, accepted.max_message_size) == (5000, 262_144)
        assert accepted.formats == ["webrtc-datachannel"]


@pytest.mark.parametrize("value", ["x", "-1", "1" * 21, ""])
def test_a_malformed_size_is_named_with_its_line(value: str) -> None:
    with pytest.raises(sdp.SdpError, match="max-message-size"):
        sdp.parse(offer_of(video(), f"{DATA}a=max-message-size:{value}\r\n"))


def test_an_offer_of_data_channels_alone_is_answered() -> None:
    answer = answer_publisher(sdp.parse(offer_of(DATA)), LOCAL, PublishRules())
    session = sdp.parse(answer.sdp)
    assert session.bundled == ["0"]
    assert session.media[0].candidates
    assert answer.tracks == []


def test_a_second_m_line_of_data_channels_is_rejected() -> None:
    answer = answer_publisher(sdp.parse(offer_of(DATA, video(), DATA)), LOCAL, PublishRules())
    assert [media.rejected for media in sdp.parse(answer.sdp).media] == [False, False, True]


def test_a_viewer_has_data_channels_beside_what_it_plays() -> None:
    offer = sdp.parse(offer_of(DATA, audio(direction="recvonly")))
    answer = answer_viewer(offer, BOTH, LOCAL, lambda: 1)
    session = sdp.parse(answer.sdp)
    assert [media.rejected for media in session.media] == [False, False]
    assert session.bundled == ["0", "1"]
    assert session.media[0].candidates
    assert answer.data_message_bytes == 65_536


def test_a_subscribe_offer_appends_them_once_and_keeps_them() -> None:
    offers = offers_of(track(1))
    exchange(offers)
    offers.add_data()
    offers.add_data()
    assert offers.changed
    session, answered = exchange(offers)
    assert [media.kind for media in session.media] == ["video", "application"]
    assert answered.data_message_bytes == 65_536
    assert not offers.changed
    offers.remove(1)
    session, answered = exchange(offers)
    assert [media.kind for media in session.media] == ["video", "application"]
    assert answered.data_message_bytes == 65_536
    assert session.media[1].mid == "1"


def test_they_may_be_the_first_m_line_and_be_rejected() -> None:
    offers = offers_of()
    offers.add_data()
    session = sdp.parse(offers.offer())
    assert session.media[0].candidates
    answered = offers.answer(sdp.parse(answer_to(offers.offer(), reject=frozenset("0"))))
    assert (answered.remote, answered.data_message_bytes) == (None, None)
    for number in range(MAX_SLOTS - 1):
        offers.add(track(number))
    assert not offers.has_capacity(track(99))
