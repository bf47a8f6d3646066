"""The offers of the subscribe connection: m-lines that are used again, answers that decide."""

import pytest

from sfukit.signaling import extensions, format_parameters, sdp
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec
from sfukit.signaling.subscribe_offer import MAX_SLOTS, Answered, SubscribeOffers, Track
from tests.unit.signaling.descriptions import LOCAL, answer_to

OPUS = Codec(111, "opus", 48_000, 2, "minptime=10", {"minptime": "10"}, ())
VP8 = Codec(100, "VP8", 90_000, 1, "", {}, ())


def h264(profile: str) -> Codec:
    fmtp = f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile}"
    return Codec(120, "H264", 90_000, 1, fmtp, format_parameters.read(fmtp), ())


def track(number: int, codec: Codec = VP8) -> Track:
    kind = "audio" if codec is OPUS else "video"
    ids = extensions.to_subscriber(
        [extensions.AUDIO_LEVEL if kind == "audio" else extensions.VIDEO_ORIENTATION],
        extensions.OFFERED_IDS,
    )
    rtx = 20_000 + number if kind == "video" else None
    return Track(
        number, kind, codec.name, codec, ids, "s1-0", f"p{number}", "c1", 10_000 + number, rtx
    )


def offers_of(*tracks: Track) -> SubscribeOffers:
    offers = SubscribeOffers(LOCAL)
    for entry in tracks:
        offers.add(entry)
    return offers


def exchange(offers: SubscribeOffers, *reject: str) -> tuple[sdp.Session, Answered]:
    text = offers.offer()
    answered = offers.answer(sdp.parse(answer_to(text, reject=frozenset(reject))))
    return sdp.parse(text), answered


def test_an_offer_has_all_attributes_for_a_receiver() -> None:
    session = sdp.parse(offers_of(track(1, OPUS), track(2)).offer())
    audio_media, video_media = session.media
    assert session.bundled == ["0", "1"]
    assert [media.setup for media in session.media] == ["actpass"] * 2
    assert [media.direction for media in session.media] == ["sendonly"] * 2
    assert video_media.ssrc_groups == [("FID", [10_002, 20_002])]
    assert video_media.ssrcs == [10_002, 20_002]
    assert video_media.msid == [("s1-0", "p2")]
    assert audio_media.end_of_candidates
    assert len(audio_media.candidates) == 2
    assert [codec.name for codec in video_media.codecs()] == ["VP8", "rtx"]


def test_one_extension_id_means_one_uri_on_all_m_lines() -> None:
    session = sdp.parse(offers_of(track(1, OPUS), track(2), track(3, OPUS)).offer())
    used: dict[int, str] = {}
    for media in session.media:
        assert extensions.MID in media.extensions
        for uri, number in media.extensions.items():
            assert used.setdefault(number, uri) == uri


def test_one_payload_type_means_one_bitstream() -> None:
    tracks = [track(1), track(2, h264("42e01f")), track(3, h264("64001f")), track(4)]
    session = sdp.parse(offers_of(*tracks).offer())
    meanings: dict[int, tuple[str, str]] = {}
    for media in session.media:
        for codec in media.codecs():
            meaning = (codec.name, codec.fmtp)
            assert meanings.setdefault(codec.payload_type, meaning) == meaning
    assert session.media[0].formats == session.media[3].formats
    assert session.media[1].formats != session.media[2].formats


def test_the_answer_starts_accepted_tracks_and_ends_rejected_ones() -> None:
    offers = offers_of(track(1, OPUS), track(2))
    _, answered = exchange(offers, "1")
    assert [accepted.track.publication for accepted in answered.accepted] == [1]
    assert [refused.publication for refused in answered.refused] == [2]
    assert answered.remote is not None
    assert answered.remote.ufrag == "wxyz"


def test_an_answer_without_the_codec_is_a_rejection() -> None:
    offers = offers_of(track(1))
    answer = answer_to(offers.offer()).replace("SAVPF 96 97", "SAVPF 120")
    assert [refused.publication for refused in offers.answer(sdp.parse(answer)).refused] == [1]


def test_an_answer_without_rtx_goes_without() -> None:
    offers = offers_of(track(1))
    answer = answer_to(offers.offer()).replace("SAVPF 96 97", "SAVPF 96")
    accepted = offers.answer(sdp.parse(answer)).accepted[0]
    assert accepted.numbers.rtx_payload_type is None


def test_a_video_m_line_idles_under_its_mid_and_is_taken_up_again() -> None:
    offers = offers_of(track(1, OPUS), track(2))
    exchange(offers)
    offers.remove(2)
    idle, _ = exchange(offers)
    assert (idle.media[1].direction, idle.media[1].rejected) == ("inactive", False)
    offers.add(track(3))
    again, answered = exchange(offers)
    assert len(again.media) == 2
    assert again.media[1].mid == idle.media[1].mid
    assert list(again.media[1].ssrcs) == [10_003, 20_003]
    assert answered.accepted[0].track.publication == 3


def test_an_audio_m_line_is_turned_off_and_its_place_gets_a_new_mid() -> None:
    offers = offers_of(track(1), track(2, OPUS))
    exchange(offers)
    offers.remove(2)
    off, _ = exchange(offers)
    assert off.media[1].rejected
    assert off.bundled == ["0"]
    offers.add(track(3, OPUS))
    again, _ = exchange(offers)
    assert len(again.media) == 2
    assert (again.media[1].mid, again.bundled) == ("2", ["0", "2"])


def test_the_first_m_line_is_never_turned_off_since_it_carries_the_transport() -> None:
    offers = offers_of(track(1, OPUS), track(2))
    exchange(offers)
    offers.remove(1)
    session, _ = exchange(offers)
    assert (session.media[0].direction, session.media[0].rejected) == ("inactive", False)
    offers.add(track(3, OPUS))
    assert len(sdp.parse(offers.offer()).media) == 3


def test_an_m_line_is_not_used_again_before_the_peer_knows_that_it_ended() -> None:
    offers = offers_of(track(1))
    exchange(offers)
    offers.remove(1)
    offers.add(track(2))
    assert [media.direction for media in sdp.parse(offers.offer()).media] == [
        "inactive",
        "sendonly",
    ]


def test_what_changes_while_an_offer_is_outstanding_is_left_for_the_next() -> None:
    offers = offers_of(track(1), track(2))
    first = offers.offer()
    offers.remove(1)
    offers.add(track(3))
    answered = offers.answer(sdp.parse(answer_to(first)))
    assert [accepted.track.publication for accepted in answered.accepted] == [2]
    assert offers.changed
    session, answered = exchange(offers)
    assert [media.direction for media in session.media] == ["inactive", "sendonly", "sendonly"]
    assert [accepted.track.publication for accepted in answered.accepted] == [3]
    assert not offers.changed


def test_a_rejected_m_line_comes_back_under_a_new_mid() -> None:
    offers = offers_of(track(1, OPUS), track(2))
    exchange(offers, "1")
    off, _ = exchange(offers, "1")
    assert off.media[1].rejected
    offers.add(track(3))
    assert [media.mid for media in sdp.parse(offers.offer()).media] == ["0", "2"]


@pytest.mark.parametrize("version", [0, 1, 3])
def test_only_the_newest_offer_is_answered(version: int) -> None:
    offers = offers_of(track(1))
    exchange(offers)
    offers.add(track(2))
    answer = sdp.parse(answer_to(offers.offer()))
    with pytest.raises(Refusal, match="stale_offer"):
        offers.answer(answer, version)
    assert offers.outstanding
    assert offers.answer(answer, 2).accepted


def test_an_answer_without_an_offer_is_refused() -> None:
    offers = offers_of(track(1))
    answer = sdp.parse(answer_to(offers.offer()))
    offers.answer(answer)
    with pytest.raises(Refusal, match="no_offer_outstanding"):
        offers.answer(answer)


@pytest.mark.parametrize("change", ["mid", "count", "setup"])
def test_an_answer_to_something_else_is_refused_and_the_offer_stays(change: str) -> None:
    offers = offers_of(track(1), track(2))
    answer = answer_to(offers.offer(), setup="actpass" if change == "setup" else "active")
    if change == "mid":
        answer = answer.replace("a=mid:1", "a=mid:7").replace("BUNDLE 0 1", "BUNDLE 0 7")
    elif change == "count":
        answer = answer[: answer.rindex("m=")].replace("BUNDLE 0 1", "BUNDLE 0")
    with pytest.raises(Refusal):
        offers.answer(sdp.parse(answer))
    assert offers.outstanding


def test_m_lines_are_bounded() -> None:
    offers = offers_of(*(track(number) for number in range(MAX_SLOTS)))
    with pytest.raises(Refusal, match="too_many_subscriptions"):
        offers.add(track(999))
    assert len(offers.offer()) < sdp.MAX_BYTES


@pytest.mark.computes
def test_a_room_with_a_thousand_joins_and_leaves_keeps_its_sdp_short() -> None:
    offers = SubscribeOffers(LOCAL)
    alive: list[int] = []
    longest = 0
    for number in range(0, 2000, 2):
        offers.add(track(number, OPUS))
        offers.add(track(number + 1))
        alive += [number, number + 1]
        if len(alive) > 20:
            for ended in (alive.pop(0), alive.pop(0)):
                offers.remove(ended)
        session, _ = exchange(offers)
        longest = max(longest, len(session.media))
    assert longest <= 30
    assert len(offers.offer()) < sdp.MAX_BYTES


def levels(count: int, start: int = 0) -> list[Codec]:
    """H.264 under so many descriptions that none is another's bitstream."""
    return [h264(f"{0x42 + number // 200:02x}00{number % 200:02x}") for number in range(count)][
        start:
    ]


def payload_types(session: sdp.Session) -> dict[str, tuple[str, str]]:
    """What each payload type means among the m-lines that are bundled; one meaning each."""
    meanings: dict[str, tuple[str, str]] = {}
    for media in session.media:
        if media.rejected:
            continue
        for codec in media.codecs():
            meaning = (codec.name, codec.fmtp)
            assert meanings.setdefault(str(codec.payload_type), meaning) == meaning
    return meanings


def test_payload_types_are_given_back_when_an_answer_has_confirmed_the_end() -> None:
    offers = offers_of(track(0, OPUS))
    exchange(offers)
    for number, codec in enumerate(levels(300), start=1):
        assert offers.has_capacity(track(number, codec))
        offers.add(track(number, codec))
        session, answered = exchange(offers)
        assert [entry.track.publication for entry in answered.accepted] == [number]
        assert len(payload_types(session)) <= 5
        assert len(session.media) <= 4
        offers.remove(number)
        exchange(offers)


def test_a_payload_type_is_not_given_to_another_codec_before_the_answer() -> None:
    first, second = levels(2)
    offers = offers_of(track(0), track(1, h264("42e01f")), track(2, first))
    offers.offer()
    offers.remove(2)
    offers.add(track(3, second))
    held = next(slot for slot in offers.tracks if slot[1].publication == 3)
    text = offers.offer()
    session = sdp.parse(text)
    payload_types(session)
    assert held[1].publication == 3
    ended, new = session.media[2], session.media[3]
    assert not set(ended.formats) & set(new.formats)


def test_what_was_never_offered_leaves_nothing_behind() -> None:
    offers = offers_of(track(0))
    text = offers.offer()
    for number, codec in enumerate(levels(300), start=1):
        offers.add(track(number, codec))
        offers.remove(number)
    offers.answer(sdp.parse(answer_to(text)))
    assert not offers.changed
    assert len(sdp.parse(offers.offer()).media) == 1


def test_without_payload_types_there_is_no_room_until_one_is_given_back() -> None:
    offers = offers_of()
    fitting = 0
    codecs = levels(60)
    while offers.has_capacity(track(fitting, codecs[fitting])):
        offers.add(track(fitting, codecs[fitting]))
        fitting += 1
    assert 25 <= fitting <= 32
    with pytest.raises(Refusal, match="too_many_subscriptions"):
        offers.add(track(99, codecs[fitting]))
    assert offers.has_capacity(track(99, codecs[0]))
    exchange(offers)
    offers.remove(3)
    assert not offers.has_capacity(track(99, codecs[fitting]))
    exchange(offers)
    assert offers.has_capacity(track(99, codecs[fitting]))


def test_an_m_line_keeps_the_meaning_of_a_payload_type_as_long_as_its_mid() -> None:
    offers = offers_of(track(0))
    meanings: dict[tuple[str, str], tuple[str, str]] = {}
    for number, codec in enumerate((*levels(40), VP8, *levels(80, 40))):
        session, _ = exchange(offers)
        for media in session.media:
            for entry in media.codecs():
                key = (media.mid, str(entry.payload_type))
                meaning = (entry.name, entry.fmtp)
                assert meanings.setdefault(key, meaning) == meaning
        offers.remove(number)
        exchange(offers)
        offers.add(track(number + 1, codec))
