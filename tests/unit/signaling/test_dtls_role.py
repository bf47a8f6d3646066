"""Which end is the DTLS client (RFC 8842): every ``a=setup`` of offers and answers."""

import itertools

import pytest

from sfukit.signaling import sdp
from sfukit.signaling.play_answer import Source, answer_viewer
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.sdp import Codec
from sfukit.signaling.transport import (
    Credentials,
    RemoteParameters,
    remote_of_answer,
    remote_of_offer,
)
from tests.unit.signaling.descriptions import FINGERPRINT, LOCAL, audio, offer_of, text_of, video

OTHER = "sha-256 " + ":".join(["CD"] * 32)
VP8 = Codec(96, "VP8", 90000, 1, "", {}, ())
CAMERA = Source(1, "video", "VP8", VP8, {}, "stream", "cname")


def offered(
    setup: str | None, direction: str = "sendonly", fingerprint: str = FINGERPRINT
) -> sdp.Session:
    """Parse an offer, or an answer, with this setup or with none."""
    lines = audio(direction=direction), video(direction=direction)
    text = offer_of(*lines, setup=setup or "actpass", fingerprint=fingerprint)
    return sdp.parse(text if setup else text.replace("a=setup:actpass\r\n", ""))


def setups_of(text: str) -> set[str]:
    return {media.setup for media in sdp.parse(text).media}


def before(setup: str) -> RemoteParameters:
    return remote_of_offer(offered(setup))


@pytest.mark.parametrize(
    ("setup", "peer", "ours"),
    [
        ("actpass", "active", "passive"),
        ("active", "active", "passive"),
        (None, "active", "passive"),  # RFC 4145 section 4
        ("passive", "passive", "active"),
    ],
)
def test_an_offer_is_answered_in_the_other_role(setup: str | None, peer: str, ours: str) -> None:
    published = answer_publisher(offered(setup), LOCAL, PublishRules())
    assert published.remote.setup == peer
    assert setups_of(published.sdp) == {ours}

    viewing = offered(setup, "recvonly")
    played = answer_viewer(viewing, {"video": CAMERA}, LOCAL, itertools.count(1).__next__)
    assert played.remote.setup == peer
    assert setups_of(played.sdp) == {ours}


@pytest.mark.parametrize(
    ("setup", "peer"),
    [("active", "active"), ("passive", "passive"), (None, "passive")],  # RFC 4145 section 4
)
def test_an_answer_chooses_the_role(setup: str | None, peer: str) -> None:
    assert remote_of_answer(offered(setup)).setup == peer


def test_an_offer_on_hold_is_refused() -> None:
    with pytest.raises(Refusal, match="setup_refused: offer a=setup:actpass, active or passive"):
        remote_of_offer(offered("holdconn"))


@pytest.mark.parametrize(
    ("setup", "words"),
    [("actpass", "an answer chooses"), ("holdconn", "holdconn connects nothing")],
)
def test_an_answer_that_does_not_choose_is_refused(setup: str, words: str) -> None:
    with pytest.raises(Refusal, match=f"setup_refused: .*{words}"):
        remote_of_answer(offered(setup))


@pytest.mark.parametrize("setup", ["active", "passive"])
def test_a_later_offer_of_actpass_keeps_the_roles(setup: str) -> None:
    answer = answer_publisher(offered("actpass"), LOCAL, PublishRules(), 2, before(setup))
    assert answer.remote.setup == setup
    assert setups_of(answer.sdp) == {"passive" if setup == "active" else "active"}


@pytest.mark.parametrize(("first", "later"), [("active", "passive"), ("passive", "active")])
def test_the_roles_of_an_association_do_not_change(first: str, later: str) -> None:
    with pytest.raises(Refusal, match="setup_refused: the DTLS association goes on"):
        remote_of_offer(offered(later), before(first))
    with pytest.raises(Refusal, match="setup_refused: the DTLS association goes on"):
        remote_of_answer(offered(later), before(first))
    assert remote_of_offer(offered(first), before(first)).setup == first
    assert remote_of_answer(offered(first), before(first)).setup == first


@pytest.mark.parametrize(
    ("setup", "peer"), [("actpass", "active"), ("active", "active"), ("passive", "passive")]
)
def test_another_certificate_is_another_association(setup: str, peer: str) -> None:
    other = "passive" if peer == "active" else "active"
    later = offered(setup, fingerprint=OTHER)
    assert remote_of_offer(later, before(other)).setup == peer


def test_an_ice_restart_keeps_role_and_certificate() -> None:
    renewed = before("passive").with_credentials(Credentials("efgh", "z" * 24))
    assert renewed == RemoteParameters("efgh", "z" * 24, [FINGERPRINT], "passive")


def test_the_tagged_m_line_has_the_transport_of_all() -> None:
    offer = offered("passive")
    offer.media[1].setup = "active"
    assert remote_of_offer(offer).setup == "passive"


def test_ffmpeg_offers_passive_and_a_group_with_a_mid_that_is_not_there() -> None:
    answer = answer_publisher(sdp.parse(text_of("ffmpeg-offer")), LOCAL, PublishRules(whole=True))
    session = sdp.parse(answer.sdp)
    assert [(media.mid, media.setup) for media in session.media] == [("1", "active")]
    assert session.bundled == ["1"]
    assert answer.remote.setup == "passive"
