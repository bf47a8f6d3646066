"""Clients behind a TURN server: the account of each, and why allocations failed."""

import base64
import hashlib
import hmac
from pathlib import Path

import msgspec
import pytest

from sfukit.cli import relay_options
from sfukit.errors import UsageError
from sfukit.loadgen import relay
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.relay import RelayOptions
from sfukit.loadgen.relays import Relays
from sfukit.loadgen.scenario import plan
from sfukit.swarm.messages import Allocated, TransportState
from sfukit.targets.access import Access
from sfukit.turn import uri
from sfukit.turn.credentials import Login

GIVEN = {
    "relay_only": True,
    "turn": "turn:192.0.2.1",
    "turn_user": "u",
    "turn_password": "p",
    "turn_secret": None,
}


def options(text: str, login: Login) -> RelayOptions:
    return RelayOptions(uri=uri.parse(text), login=login, address="192.0.2.1", now_s=lambda: 1e9)


def state(transport: int, reason: str) -> TransportState:
    return TransportState(
        transport=transport,
        state="failed",
        reason=reason,
        srtp_profile=None,
        ice_ms=None,
        dtls_ms=None,
        at_ns=5,
    )


def test_one_account_is_that_of_all_clients_and_a_secret_makes_one_for_each() -> None:
    shared = options("turn:host", Login("u", "p"))
    accounts = [shared.account(number, run_s=60.0) for number in (1, 2)]
    assert {(one.username, one.password) for one in accounts} == {("u", "p")}
    assert (accounts[0].ip, accounts[0].port, accounts[0].protocol) == ("192.0.2.1", 3478, "udp")
    own = options("turns:host", Login(secret="north")).account(7, run_s=60.0)
    assert own.username == "1000003660:sfukit-7"
    digest = hmac.new(b"north", own.username.encode(), hashlib.sha1).digest()
    assert own.password == base64.b64encode(digest).decode()
    assert (own.port, own.protocol, own.server_name) == (5349, "tls", "host")
    assert "north" not in repr(own) and own.password not in repr(own)


def test_the_options_name_the_server_and_an_account(tmp_path: Path) -> None:
    found = relay_options.relay(GIVEN)
    assert found is not None and (found.variant, str(found.uri)) == ("udp", "turn:192.0.2.1")
    assert relay_options.relay({}) is None
    secret = tmp_path / "secret"
    secret.write_text("north\n")
    other = {"turn_user": None, "turn_password": None, "turn_secret": f"@{secret}"}
    found = relay_options.relay(GIVEN | other)
    assert found is not None and found.login.secret == "north"


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"turn": None}, "without a TURN server"),
        ({"turn_password": None}, "without an account"),
        ({"turn_secret": "s"}, "exclude each other"),
        ({"relay_only": False}, "--turn without --relay-only"),
        (
            {"turn": None, "relay_only": False, "relayed_at": "s.toml:8: group[2].relay_only"},
            "relay_only = true: no TURN server",
        ),
        ({"relay_only": False, "turn": None}, "--turn-user without --relay-only"),
        ({"turn": "http://host"}, "no TURN URI"),
        ({"turn": "turns:host?transport=udp"}, "DTLS is not supported"),
    ],
)
def test_contradictions_are_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        relay_options.relay(GIVEN | given)


async def test_a_server_elsewhere_needs_permission() -> None:
    elsewhere = options("turn:192.0.2.1", Login("u", "p"))
    command = ("sfukit", "loadtest", "--turn-password", "p")
    with pytest.raises(UsageError, match="the allocations of 3 clients need permission") as refused:
        await relay.resolved(elsewhere, 3, Access(), command)
    assert "--turn-password '***' --allow-host 192.0.2.1" in (refused.value.hint or "")
    allowed = Access(allow_hosts=frozenset(["192.0.2.1"]))
    assert (await relay.resolved(elsewhere, 3, allowed, command)).address == "192.0.2.1"
    assert (await relay.resolved(elsewhere, 2, Access(), command)).ca_file is None


async def test_servers_that_it_may_name_are_allowed_hosts_or_for_few_clients_any() -> None:
    server = options("turn:192.0.2.1", Login("u", "p"))
    hosts = frozenset(["192.0.2.1", "[2001:DB8::1]", "localhost", "name.invalid"])
    many = (await relay.resolved(server, 3, Access(allow_hosts=hosts), ())).account(1, 60)
    assert {"192.0.2.1", "2001:db8::1", "127.0.0.1"} <= set(many.alternates)
    assert not many.any_alternate
    few = (await relay.resolved(server, 2, Access(), ())).account(1, 60)
    assert (few.alternates, few.any_alternate) == ([], True)


async def test_tls_trusts_the_given_certificates_or_none() -> None:
    local = options("turns:127.0.0.1", Login("u", "p"))
    insecure = await relay.resolved(local, 1, Access(insecure=True), ())
    assert insecure.ca_file is None
    with pytest.raises(UsageError, match=r"--cacert /nowhere\.pem"):
        await relay.resolved(local, 1, Access(ca_file="/nowhere.pem"), ())


def test_failures_have_the_words_of_the_field_and_keep_the_detail() -> None:
    record = Relays()
    code, message = record.failed("turn_tls_failed: self signed certificate")
    assert code == "turn_tls_failed" and message.endswith("to trust: self signed certificate")
    assert record.failed("turn_allocation_quota_reached")[1].startswith("486: ")
    denied = record.failed("turn_alternate_not_allowed: 192.0.2.9")[1]
    assert denied.endswith("allow it by --allow-host: 192.0.2.9")
    assert record.failed("turn_something") == (
        "turn_something",
        "the TURN server could not be used",
    )
    for number in range(100):
        record.failed(f"turn_{number}")
    assert len(record.failures) <= 33, "a server cannot name codes without end"


def test_allocations_and_failures_are_of_the_client() -> None:
    whole = plan(LoadOptions(clients=2, seed=1))
    ledger = Ledger(whole)
    for number, bot in enumerate(whole.bots, 1):
        ledger.scheduled(bot, 0)
        ledger.opened(number, bot, decides=True)
    event = Allocated(transport=1, ip="192.0.2.1", port=5, allocate_ms=3.0, at_ns=1)
    ledger.on_event(event)
    ledger.on_event(msgspec.structs.replace(event, transport=99))
    assert list(ledger.relays.allocate_ms()) == [3.0]
    assert list(ledger.relays.allocate_ms({1})) == []
    ledger.on_event(state(2, "turn_unauthorized"))
    assert ledger.join_records[1].failure == "turn_unauthorized"
    assert [(one.code, one.first) for one in ledger.faults] == [("turn_unauthorized", "room-1 p2")]
    assert dict(ledger.relays.failures) == {"turn_unauthorized": 1}
