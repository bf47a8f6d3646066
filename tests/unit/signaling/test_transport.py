"""What is demanded of a peer's transport, and what is said of ours."""

import pytest

from sfukit.signaling import sdp
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.transport import remote_of_offer
from tests.unit.signaling.descriptions import FINGERPRINT, LOCAL, audio, offer_of, video


def reason_of(text: str) -> str:
    with pytest.raises(Refusal) as caught:
        remote_of_offer(sdp.parse(text))
    return caught.value.reason


def test_credentials_and_fingerprints_are_those_of_the_group() -> None:
    remote = remote_of_offer(sdp.parse(offer_of(audio(), video())))
    assert (remote.ufrag, remote.fingerprints) == ("abcd", [FINGERPRINT])


def test_several_m_lines_have_to_be_bundled_and_one_need_not() -> None:
    assert reason_of(offer_of(audio(), video(), bundle=False)) == "bundle_required"
    assert remote_of_offer(sdp.parse(offer_of(video(), bundle=False))).ufrag == "abcd"


def test_rejected_m_lines_need_not_be_bundled() -> None:
    text = offer_of(video()) + "m=audio 0 UDP/TLS/RTP/SAVPF 111\r\na=mid:9\r\n"
    assert remote_of_offer(sdp.parse(text)).ufrag == "abcd"


def test_rtcp_has_to_share_the_port() -> None:
    assert reason_of(offer_of(video(), mux="a=x")) == "rtcp_mux_required"


@pytest.mark.parametrize("changes", [{"ufrag": "abc"}, {"ufrag": "ab$d"}, {"pwd": "short"}])
def test_ice_credentials_have_to_be_whole(changes: dict[str, str]) -> None:
    assert reason_of(offer_of(video(), **changes)) == "ice_missing"


@pytest.mark.parametrize(
    "fingerprint",
    ["sha3-256 AB:CD", "sha-256 AB:CD", "sha-256 " + ":".join(["GG"] * 32), "nothing"],
)
def test_fingerprints_have_to_be_of_a_known_hash_and_length(fingerprint: str) -> None:
    assert reason_of(offer_of(video(), fingerprint=fingerprint)) == "fingerprint_missing"


@pytest.mark.parametrize("name", ["sha-1", "SHA-1", "md5"])
def test_a_weak_hash_alone_is_refused_and_a_strong_one_beside_it_counts(name: str) -> None:
    weak = f"{name} {':'.join(['0A'] * 20)}"
    with pytest.raises(Refusal, match="sha-256") as caught:
        remote_of_offer(sdp.parse(offer_of(video(), fingerprint=weak)))
    assert caught.value.reason == "fingerprint_weak"
    both = offer_of(video(), fingerprint=weak).replace(
        f"a=fingerprint:{weak}", f"a=fingerprint:{weak}\r\na=fingerprint:{FINGERPRINT}"
    )
    assert remote_of_offer(sdp.parse(both)).fingerprints == [FINGERPRINT]


def test_an_offer_without_m_lines_has_no_transport() -> None:
    assert reason_of(offer_of()) == "ice_missing"


def test_all_candidates_are_in_the_description() -> None:
    assert LOCAL.candidates == (
        "a=candidate:1 1 udp 2130706431 192.0.2.7 7081 typ host\r\n"
        "a=candidate:2 1 udp 2130706175 127.0.0.1 7081 typ host\r\n"
        "a=end-of-candidates\r\n"
    )
