"""Access tokens."""

import time

import jwt
import msgspec
import pytest

from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import Claims, VideoGrants, claims_for, read_unverified, sign, verify

SECRET = "a-secret-of-at-least-thirty-two-bytes"
KEYS = {"key": SECRET}


def reason_of(token: str) -> str:
    with pytest.raises(Refusal) as caught:
        verify(token, KEYS)
    return caught.value.reason


def test_a_token_comes_back_as_it_was_signed() -> None:
    claims = claims_for(
        "key", "ann", VideoGrants(room="demo", room_join=True), valid_s=60, name="Ann"
    )
    assert verify(sign(claims, SECRET), KEYS) == claims


def test_a_token_has_livekits_shape() -> None:
    grants = VideoGrants(room="demo", room_join=True, can_publish=False)
    content = read_unverified(sign(claims_for("key", "ann", grants, valid_s=60), SECRET))
    assert content["video"] == {"room": "demo", "roomJoin": True, "canPublish": False}
    assert {"iss", "sub", "nbf", "exp"} <= content.keys()


def test_a_token_of_livekits_tool_is_understood() -> None:
    payload = {
        "exp": int(time.time()) + 60,
        "iss": "key",
        "nbf": int(time.time()) - 5,
        "sub": "ann",
        "name": "Ann",
        "metadata": "{}",
        "video": {"room": "demo", "roomJoin": True, "canPublish": True, "ingressAdmin": False},
    }
    claims = verify(jwt.encode(payload, SECRET, algorithm="HS256"), KEYS)
    assert (claims.sub, claims.video.room, claims.video.can_subscribe) == ("ann", "demo", None)


@pytest.mark.parametrize("algorithm", ["none", "HS384", "HS512"])
def test_no_other_algorithm_is_taken(algorithm: str) -> None:
    payload = {"iss": "key", "sub": "ann", "exp": int(time.time()) + 60, "video": {}}
    key = "" if algorithm == "none" else SECRET * 2
    token = jwt.encode(payload, key, algorithm=algorithm)
    with pytest.raises(Refusal, match="token_invalid"):
        verify(token, {"key": SECRET * 2})


def test_wrong_secrets_keys_and_times_are_refused() -> None:
    claims = claims_for("key", "ann", VideoGrants(), valid_s=60)
    assert reason_of(sign(claims, SECRET + "!")) == "token_invalid"
    assert reason_of(sign(msgspec.structs.replace(claims, iss="other"), SECRET)) == "token_invalid"
    assert reason_of(sign(msgspec.structs.replace(claims, exp=1), SECRET)) == "token_expired"
    later = int(time.time()) + 3600
    assert reason_of(sign(msgspec.structs.replace(claims, nbf=later), SECRET)) == "token_invalid"


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "e30.e30.e30"])
def test_what_is_no_token_is_refused(text: str) -> None:
    assert reason_of(text) == "token_invalid"


def test_a_token_without_an_end_is_refused() -> None:
    assert reason_of(sign(Claims("key", "ann"), SECRET)) == "token_invalid"


def test_grants_of_the_wrong_type_are_refused() -> None:
    payload = {"iss": "key", "sub": "a", "exp": int(time.time()) + 60, "video": {"room": 5}}
    assert reason_of(jwt.encode(payload, SECRET, algorithm="HS256")) == "token_invalid"
