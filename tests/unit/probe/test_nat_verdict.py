"""Conclusions from measurements; untested ports are never claimed."""

import pytest

from sfukit.probe.nat import verdict
from sfukit.probe.nat.lifetime import Bounds, Lifetime
from sfukit.probe.nat.report import Nat, PortResult

PEERS = ("open", "full_cone", "address_restricted", "port_restricted", "symmetric")


def nat(mapping: str, filtering: str, dependent: bool | None) -> Nat:
    return Nat(present=True, mapping=mapping, filtering=filtering, endpoint_dependent=dependent)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("described", "works", "turn"),
    [
        (nat("EIM", "EIF", False), "yes yes yes yes yes", "no"),
        (nat("EIM", "ADF", False), "yes yes yes yes yes", "no"),
        (nat("EIM", "APDF", False), "yes yes yes yes no", "symmetric_peers"),
        (nat("EIM", "unknown", False), "yes yes yes yes unknown", "unknown"),
        (nat("APDM", "APDF", True), "yes yes yes no no", "most_peers"),
        (nat("ADM", "APDF", True), "yes yes yes no no", "most_peers"),
        (nat("unknown", "unknown", True), "yes yes yes no no", "most_peers"),
        (nat("unknown", "unknown", None), "unknown unknown unknown unknown unknown", "unknown"),
    ],
)
def test_peers_by_kind(described: Nat, works: str, turn: str) -> None:
    found = verdict.peers(described, "yes")
    assert [found[peer] for peer in PEERS] == works.split()
    assert verdict.turn(found, "yes") == turn


def test_blocked_udp_leaves_a_relay() -> None:
    found = verdict.peers(Nat(), "blocked")
    assert set(found.values()) == {"no"}
    assert verdict.turn(found, "blocked") == "always"
    assert verdict.sfu([], None, "blocked")[0] == "no"


@pytest.mark.parametrize(
    ("present", "mapping", "filtering", "dependent", "name"),
    [
        (True, "EIM", "EIF", False, "full cone"),
        (True, "EIM", "ADF", False, "address-restricted cone"),
        (True, "EIM", "APDF", False, "port-restricted cone"),
        (True, "EIM", "unknown", False, "cone"),
        (True, "APDM", "APDF", True, "symmetric"),
        (True, "unknown", "unknown", True, "symmetric"),
        (True, "unknown", "unknown", None, "unknown"),
        (False, "EIM", "EIF", False, "open internet"),
        (False, "EIM", "APDF", False, "firewall"),
        (False, "EIM", "unknown", False, "no NAT"),
    ],
)
def test_classic_names(
    present: bool, mapping: str, filtering: str, dependent: bool | None, name: str
) -> None:
    assert verdict.classic(present, mapping, filtering, dependent) == name


def port(number: int, state: str) -> PortResult:
    return PortResult(transport="udp", host="192.0.2.1", port=number, state=state)  # type: ignore[arg-type]


def test_an_sfu_is_likely_reachable_only_where_low_and_high_ports_all_are() -> None:
    some = [port(3478, "open"), port(443, "reached")]
    assert verdict.sfu(some, None, "yes")[0] == "unknown"
    assert verdict.sfu([*some, port(50_000, "silent")], None, "yes")[0] == "unknown"
    assert verdict.sfu([*some, port(50_000, "reached")], None, "yes")[0] == "likely"
    assert verdict.sfu([], port(7081, "open"), "yes")[0] == "yes"
    assert verdict.sfu([], port(7081, "silent"), "yes")[0] == "unknown"


def test_only_answering_ports_are_called_open() -> None:
    works = verdict.works(
        Nat(),
        udp="yes",
        ports=[port(3478, "open"), port(443, "reached")],
        sfu_port=None,
        lifetime=None,
    )
    assert works.open_ports == [3478]
    assert works.keepalive_s is None


@pytest.mark.parametrize(("lives_s", "keepalive_s"), [(180, 25), (30, 15), (5, 2), (1, 1)])
def test_a_keepalive_is_half_the_lifetime_and_25_s_at_most(
    lives_s: float, keepalive_s: int
) -> None:
    assert verdict.keepalive_s(Lifetime(oneshot=Bounds(at_least_s=lives_s))) == keepalive_s


def test_an_early_end_of_mappings_is_warned_of() -> None:
    short = Lifetime(oneshot=Bounds(at_least_s=5, below_s=10))
    works = verdict.works(
        nat("EIM", "APDF", False), udp="yes", ports=[], sfu_port=None, lifetime=short
    )
    assert any("expire within 10 s" in advice for advice in works.advice)
