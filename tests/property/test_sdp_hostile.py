"""Any SDP, JSON, fragment or token ends in a result or in a named error."""

import random
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfukit.signaling import candidates, jsonrpc, sdp, sdpfrag
from sfukit.signaling.jsonrpc import RpcError
from sfukit.signaling.play_answer import Source, answer_viewer
from sfukit.signaling.publish_answer import PublishRules, answer_publisher
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.room_messages import JoinParams, MessageParams, TrickleParams
from sfukit.signaling.sdp import Codec
from sfukit.signaling.token import verify
from tests.unit.signaling.descriptions import LOCAL, answer_to, text_of

OFFERS = [text_of("chromium-simulcast-offer"), text_of("chromium-viewer-offer")]
SOURCES = {
    "audio": Source(1, "audio", "opus", Codec(111, "opus", 48_000, 2, "", {}, ()), {}, "s", "c"),
    "video": Source(2, "video", "VP8", Codec(96, "VP8", 90_000, 1, "", {}, ()), {}, "s", "c"),
}
RULES = [PublishRules(), PublishRules(1, 1, True)]
LINES = sorted({line for offer in OFFERS for line in offer.split("\r\n")})
MUTATIONS = 3_000


def survive(text: str) -> None:
    """Parse and negotiate; nothing but the named errors may come out, and answers parse again."""
    try:
        session = sdp.parse(text)
    except sdp.SdpError as error:
        assert 0 <= error.line <= sdp.MAX_LINES + 1
        return
    for rules in RULES:
        try:
            sdp.parse(answer_publisher(session, LOCAL, rules).sdp)
        except Refusal as refusal:
            assert refusal.status in (400, 422)
    try:
        sdp.parse(answer_viewer(session, SOURCES, LOCAL, lambda: 7).sdp)
    except Refusal as refusal:
        assert refusal.status == 422


@given(st.text(max_size=2_000))
def test_any_text_as_sdp(text: str) -> None:
    survive(text)
    survive("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n" + text)


@given(st.lists(st.sampled_from(LINES), max_size=60))
def test_any_order_of_real_lines(lines: list[str]) -> None:
    survive("\r\n".join(["v=0", "o=- 1 1 IN IP4 0.0.0.0", *lines]))


@given(st.lists(st.tuples(st.sampled_from(LINES), st.text(max_size=12)), max_size=20))
def test_real_lines_with_other_ends(parts: list[tuple[str, str]]) -> None:
    lines = [line[: len(line) // 2] + tail for line, tail in parts]
    survive(
        "\r\n".join(["v=0", "o=- 1 1 IN IP4 0.0.0.0", "m=video 9 UDP/TLS/RTP/SAVPF 96", *lines])
    )


def cut(text: str, dice: random.Random) -> str:
    return text[: dice.randrange(len(text))]


def flip(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + chr(dice.choice([0, 10, 32, 47, 48, 57, 58, 255, 0x2028])) + text[at + 1 :]


def drop(text: str, dice: random.Random) -> str:
    lines = text.split("\r\n")
    del lines[dice.randrange(len(lines))]
    return "\r\n".join(lines)


def double(text: str, dice: random.Random) -> str:
    lines = text.split("\r\n")
    at = dice.randrange(len(lines))
    return "\r\n".join([*lines[:at], lines[at], *lines[at:]])


def swap(text: str, dice: random.Random) -> str:
    lines = text.split("\r\n")
    one, other = dice.randrange(len(lines)), dice.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return "\r\n".join(lines)


def inflate(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + text[at : at + 5] * dice.randrange(1, 200) + text[at:]


@pytest.mark.parametrize("mutate", [cut, flip, drop, double, swap, inflate])
def test_mutations_of_real_offers(mutate: Callable[[str, random.Random], str]) -> None:
    dice = random.Random(mutate.__name__)
    for _ in range(MUTATIONS // 6):
        text = dice.choice(OFFERS)
        for _ in range(dice.randrange(1, 5)):
            text = mutate(text, dice) or "v=0"
        survive(text)


@given(st.text(max_size=500))
def test_any_text_as_candidate_or_fragment(text: str) -> None:
    for given_text in (text, f"candidate:{text}", f"a=candidate:1 1 udp {text}"):
        try:
            candidates.parse(given_text)
        except ValueError as error:
            assert str(error)
        try:
            sdpfrag.parse(given_text)
        except Refusal as refusal:
            assert refusal.reason == "sdpfrag_malformed"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=20,
)


@given(
    st.one_of(
        st.binary(max_size=200),
        st.text(max_size=200).map(str.encode),
        JSON.map(msgspec.json.encode),
    )
)
def test_any_bytes_as_a_frame(frame: bytes) -> None:
    try:
        entries = jsonrpc.parse_frame(frame).entries
    except RpcError as error:
        assert error.code in (-32700, -32600)
        return
    for entry in entries:
        if isinstance(entry, RpcError):
            assert msgspec.json.decode(jsonrpc.error(None, entry))["error"]["code"] == entry.code


@given(JSON, st.sampled_from([JoinParams, MessageParams, TrickleParams]))
def test_any_json_as_parameters(value: object, kind: type[msgspec.Struct]) -> None:
    try:
        msgspec.json.decode(msgspec.json.encode(value), type=kind)
    except msgspec.ValidationError as error:
        assert str(error)


@given(st.text(max_size=200))
def test_any_text_as_a_token(text: str) -> None:
    with pytest.raises(Refusal, match="token_"):
        verify(text, {"key": "s" * 32})


def test_answers_of_ours_are_offers_that_parse() -> None:
    offer = answer_publisher(sdp.parse(OFFERS[0]), LOCAL, RULES[0]).sdp
    assert sdp.parse(answer_to(offer)).media
