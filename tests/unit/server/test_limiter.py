"""Request limits in virtual time; sampling of logged refusals."""

from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from sfukit.server import app
from sfukit.server.limiter import RequestLimiter, is_loopback
from sfukit.server.refusal_log import RefusalLog
from sfukit.server.settings import Limits, Rate
from sfukit.signaling.refusal import Refusal
from sfukit.signaling.token import Claims
from tests.unit.server.stage import StageMaker, until

ADDRESS = "198.51.100.7"


def admitted(ask: Callable[[], None], times: int) -> int:
    """Return the number of requests admitted before the first refusal."""
    for number in range(times):
        try:
            ask()
        except Refusal as refusal:
            assert refusal.reason == "rate_limited"
            assert refusal.retry_after_s is not None and refusal.retry_after_s >= 1
            return number
    return times


def test_five_thousand_sockets_with_tokens_from_one_address_pass_the_defaults() -> None:
    limiter = RequestLimiter(Limits(), is_open=False)
    for number in range(5_000):
        limiter.admit(Claims("key", f"user{number}"), "127.0.0.1", 0.0)  # the upgrade
        limiter.admit(Claims("key", f"user{number}"), "127.0.0.1", 0.0)  # the join


@pytest.mark.computes
def test_a_hundred_joins_a_second_from_one_address_pass_the_defaults_for_an_hour() -> None:
    limiter = RequestLimiter(Limits(), is_open=False)
    for number in range(360_000):
        for _ in range(2):
            limiter.admit(Claims("key", f"user{number % 5_000}"), "127.0.0.1", number / 100)


def test_an_identity_is_limited_and_others_behind_its_address_are_not() -> None:
    limiter = RequestLimiter(Limits(identity=Rate(1, 5)), is_open=False)
    assert admitted(lambda: limiter.admit(Claims("key", "ann"), ADDRESS, 0.0), 10) == 5
    assert admitted(lambda: limiter.admit(Claims("key", "bob"), ADDRESS, 0.0), 5) == 5
    assert admitted(lambda: limiter.admit(Claims("other", "ann"), ADDRESS, 0.0), 5) == 5
    limiter.admit(Claims("key", "ann"), ADDRESS, 1.0)


def test_an_api_key_is_limited_over_all_its_identities() -> None:
    limiter = RequestLimiter(Limits(api_key=Rate(1, 5)), is_open=False)
    names = iter(range(100))
    ask = lambda: limiter.admit(Claims("key", f"user{next(names)}"), ADDRESS, 0.0)  # noqa: E731
    assert admitted(ask, 10) == 5
    limiter.admit(Claims("other", "ann"), ADDRESS, 0.0)


def test_authenticated_requests_do_not_count_for_their_address() -> None:
    limiter = RequestLimiter(Limits(refusals=Rate(1, 5)), is_open=False)
    while limiter.count_refusal(ADDRESS, 0.0) == 0:
        pass
    assert admitted(lambda: limiter.admit(Claims("key", "ann"), ADDRESS, 0.0), 100) == 100


@pytest.mark.parametrize("address", ["127.0.0.1", "127.8.9.1", "::1", "::ffff:127.0.0.1"])
def test_without_keys_the_loopback_has_no_limit(address: str) -> None:
    assert is_loopback(address)
    limiter = RequestLimiter(Limits(address=Rate(1, 1), refusals=Rate(1, 1)), is_open=True)
    assert admitted(lambda: limiter.admit(None, address, 0.0), 1_000) == 1_000
    assert [limiter.count_refusal(address, 0.0) for _ in range(10)] == [0.0] * 10


def test_without_keys_an_address_behind_a_proxy_is_limited() -> None:
    limiter = RequestLimiter(Limits(address=Rate(1, 3)), is_open=True)
    assert admitted(lambda: limiter.admit(None, "2001:db8::1", 0.0), 10) == 3
    assert admitted(lambda: limiter.admit(None, "2001:db8::2", 0.0), 10) == 0
    assert admitted(lambda: limiter.admit(None, "2001:db8:0:1::", 0.0), 10) == 3


async def test_refusals_without_a_token_are_limited_by_address_and_others_are_not(
    make_stage: StageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "_MAX_DELAY_S", 0.01)
    limits = Limits(refusals=Rate(1e-3, 3))
    stage = await make_stage(api_keys={"key": "s" * 32}, limits=limits)
    statuses = []
    for path in ("/whip/demo", "/debug/rooms", "/wibble", "/whip/demo", "/debug/rooms"):
        method = "POST" if path == "/whip/demo" else "GET"
        async with stage.session.request(method, stage.url(path)) as response:
            statuses.append(response.status)
            if response.status == 429:
                assert (await response.json())["reason"] == "rate_limited"
                assert int(response.headers["Retry-After"]) >= 1
                assert response.headers["Connection"] == "close"
    assert statuses == [401, 401, 404, 429, 429]
    stage.context.rooms.draining = True
    async with stage.session.get(stage.url("/readyz")) as response:
        assert response.status == 503  # a state, not a refusal
    for path in ("/livez", "/", "/metrics"):
        async with stage.session.get(stage.url(path)) as response:
            assert response.status == 200


async def test_posts_of_one_identity_are_limited_and_deletes_are_not(
    make_stage: StageMaker,
) -> None:
    from sfukit.signaling.token import VideoGrants, claims_for, sign
    from tests.unit.server.stage import offer_text

    stage = await make_stage(api_keys={"key": "s" * 32}, limits=Limits(identity=Rate(0.5, 1)))
    grants = VideoGrants(room_join=True, room_create=True)
    token = sign(claims_for("key", "ann", grants, valid_s=60), "s" * 32)
    headers = {"Content-Type": "application/sdp", "Authorization": f"Bearer {token}"}
    url = stage.url("/whip/demo")
    session = await stage.session.post(url, data=offer_text(), headers=headers)
    assert session.status == 201
    refused = await stage.session.post(url, data=offer_text(), headers=headers)
    assert (refused.status, (await refused.json())["reason"]) == (429, "rate_limited")
    assert int(refused.headers["Retry-After"]) in (1, 2)
    assert (await stage.session.delete(stage.url(session.headers["Location"]))).status == 200


async def test_the_first_refusals_of_a_reason_are_logged_then_their_number() -> None:
    with capture_logs() as lines:
        refusals = RefusalLog(3, 0.02)
        for number in range(1_000):
            refusals.log("token_missing", method="join", detail=f"{number}")
        refusals.log("draining", method="join", detail="")
        assert [line["detail"] for line in lines] == ["0", "1", "2", ""]
        await until(lambda: len(lines) == 5)
        assert lines[4] == {
            "event": "refusals_suppressed",
            "reason": "token_missing",
            "count": 997,
            "log_level": "info",
        }
        refusals.log("token_missing", method="join", detail="again")
        assert lines[5]["detail"] == "again"
        refusals.flush()
    assert len(lines) == 6
