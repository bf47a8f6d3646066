"""The client address behind reverse proxies."""

import pytest

from sfukit.errors import UsageError
from sfukit.server.proxies import TrustedProxies
from sfukit.server.settings import Limits, Rate
from tests.unit.server.stage import StageMaker

TRUSTED = TrustedProxies(["10.0.0.0/8", "2001:db8:5::/48", "192.0.2.9"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5, 10.9.9.9, 192.0.2.9"], "203.0.113.5"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, unknown"], "10.0.0.1"),
        ("10.0.0.1", ["unknown, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.5:4711"], "203.0.113.5"),
        ("10.0.0.1", ["[2001:db8:9::1]:4711"], "2001:db8:9::1"),
        ("10.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("2001:db8:5::7", ["2001:db8:9::1"], "2001:db8:9::1"),
        ("203.0.113.9", ["198.51.100.1"], "203.0.113.9"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_the_rightmost_untrusted_address_is_the_clients(
    peer: str, forwarded_for: list[str], client: str
) -> None:
    assert TRUSTED.client_address(peer, forwarded_for) == client


def test_without_trusted_proxies_forwarded_headers_are_ignored() -> None:
    assert TrustedProxies([]).client_address("127.0.0.1", ["198.51.100.1"]) == "127.0.0.1"


def test_an_invalid_network_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="--trusted-proxy proxy"):
        TrustedProxies(["proxy"])


async def test_refusals_behind_a_proxy_are_counted_by_client(
    make_stage: StageMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sfukit.server.app._MAX_DELAY_S", 0.01)
    stage = await make_stage(
        api_keys={"key": "s" * 32},
        trusted_proxies=("127.0.0.0/8",),
        limits=Limits(refusals=Rate(1e-3, 1)),
    )
    statuses = []
    for client in ("203.0.113.5", "203.0.113.5", "203.0.113.6", "9.9.9.9, 203.0.113.5"):
        headers = {"X-Forwarded-For": client}
        async with stage.session.post(stage.url("/whip/demo"), headers=headers) as response:
            statuses.append(response.status)
    assert statuses == [401, 429, 401, 429]
