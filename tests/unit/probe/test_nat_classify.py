"""The classifiers, from recorded answers; an unknown has a reason."""

import pytest

from sfukit.probe.nat import allocation, filtering, hairpin, lifetime, mapping, path, pooling
from sfukit.probe.nat.allocation import Sample
from sfukit.probe.nat.filtering import FilteringAnswers
from sfukit.probe.nat.mapping import Seen
from sfukit.probe.resolve import Address

LOCAL = Address("10.0.0.2", 5000)
P, Q, R, S = (Address("198.51.100.1", port) for port in (40_001, 40_002, 40_003, 40_004))
A, B = Address("192.0.2.1", 3478), Address("192.0.2.2", 3478)


@pytest.mark.parametrize(
    ("x", "value", "dependent"),
    [
        ((P, P, P, P), "EIM", False),
        ((P, P, None, None), "EIM", False),
        ((P, Q, Q, P), "ADM", True),
        ((P, Q, Q, None), "ADM", True),
        ((P, Q, None, P), "ADM", True),
        ((P, Q, R, S), "APDM", True),
        ((P, Q, R, None), "APDM", True),
        ((P, Q, None, R), "APDM", True),
        ((P, P, R, S), "unknown", True),  # a coincidence of one socket
        ((P, Q, Q, R), "unknown", True),
        ((P, Q, None, None), "unknown", True),
        ((P, None, None, P), "unknown", None),
        ((None, P, P, P), "unknown", None),
    ],
)
def test_the_mapping_of_one_socket(
    x: tuple[Address | None, ...], value: str, dependent: bool | None
) -> None:
    result = mapping.classify(Seen(LOCAL, *x))
    assert (result.value, result.endpoint_dependent) == (value, dependent)
    assert (result.reason is None) == (value != "unknown")


EIM, ADM, APDM = Seen(LOCAL, P, P, P, P), Seen(LOCAL, P, Q, Q, P), Seen(LOCAL, P, Q, R, S)
SILENT, CHANCE = Seen(LOCAL, None), Seen(LOCAL, P, P, R, S)


@pytest.mark.parametrize(
    ("seen", "value", "agreeing"),
    [
        ((EIM, EIM), "EIM", 2),
        ((EIM, SILENT), "EIM", 1),
        ((APDM, CHANCE), "APDM", 1),
        ((EIM, ADM), "unknown", 0),
        ((EIM, ADM, ADM), "ADM", 2),
        ((SILENT, SILENT), "unknown", 0),
        ((), "unknown", 0),
    ],
)
def test_several_sockets_outvote_a_coincidence(
    seen: tuple[Seen, ...], value: str, agreeing: int
) -> None:
    result = mapping.combine(seen)
    assert (result.value, result.agreeing) == (value, agreeing)


def test_plain_servers_on_two_networks_tell_as_much_as_they_can() -> None:
    assert mapping.compare_servers(LOCAL, [(A, P), (B, P)]).value == "EIM"
    differing = mapping.compare_servers(LOCAL, [(A, P), (B, Q)])
    assert (differing.value, differing.endpoint_dependent) == ("unknown", True)
    one = mapping.compare_servers(LOCAL, [(A, P)])
    assert (one.value, one.endpoint_dependent) == ("unknown", None)
    assert mapping.compare_servers(LOCAL, [(A, LOCAL)]).value == "EIM"
    assert mapping.compare_servers(LOCAL, []).value == "unknown"


def test_two_ports_of_one_server_are_one_destination_address() -> None:
    result = mapping.compare_servers(LOCAL, [(A, P), (Address(A.ip, 3479), P)])
    assert result.value == "unknown"


@pytest.mark.parametrize(
    ("heard", "value", "certain"),
    [
        (FilteringAnswers(True, True), "EIF", True),
        (FilteringAnswers(True, False), "EIF", True),
        (FilteringAnswers(False, True, control=True), "ADF", True),
        (FilteringAnswers(False, True, control=None), "ADF", False),
        (FilteringAnswers(False, False, control=True), "APDF", True),
        (FilteringAnswers(False, False, control=None), "APDF", False),
        (FilteringAnswers(False, False, control=False), "unknown", False),
        (FilteringAnswers(False, True, control=False), "unknown", False),
        (FilteringAnswers(False, False, ignored=True, control=True), "unknown", False),
        (FilteringAnswers(True, True, ignored=True), "unknown", False),
        (FilteringAnswers(False, False, refused=True), "unknown", False),
    ],
)
def test_the_filtering(heard: FilteringAnswers, value: str, certain: bool) -> None:
    result = filtering.classify(heard)
    assert (result.value, result.certain) == (value, certain)
    assert (result.reason is None) == (value != "unknown")


def samples(*ports: int, kept: bool = False) -> list[Sample]:
    return [Sample(port if kept else 30_000 + n, port) for n, port in enumerate(ports)]


@pytest.mark.parametrize(
    ("made", "kind", "delta"),
    [
        (samples(1, 9000, 512, 33_000, kept=True), "port_preservation", None),
        (samples(100, 101, 102, 103, 104), "sequential", 1),
        (samples(100, 102, 104, 107, 109), "sequential", 2),
        (samples(900, 899, 898, 897), "sequential", -1),
        (samples(100, 101, 9000, 9001, 9002, 9003), "sequential", 1),
        (samples(40_100, 42_000, 40_007, 43_900, 41_111), "block", None),
        (samples(1025, 60_000, 33_000, 20_000, 5000), "random", None),
        (samples(100, 101, 102), "unknown", None),
        ([], "unknown", None),
    ],
)
def test_the_allocation(made: list[Sample], kind: str, delta: int | None) -> None:
    found = allocation.classify(made)
    assert (found.kind, found.delta) == (kind, delta)


def test_one_address_is_paired_and_two_are_arbitrary() -> None:
    assert pooling.classify(["192.0.2.1"] * 8) == "paired"
    assert pooling.classify(["192.0.2.1"] * 7 + ["192.0.2.9"]) == "arbitrary"
    assert pooling.classify(["192.0.2.1"] * 3) == "unknown"


def test_a_hairpin_with_an_internal_source_is_distinguished() -> None:
    inner = [LOCAL, Address("10.0.0.2", 5001)]
    assert hairpin.classify([P], inner) == "yes"
    assert hairpin.classify([inner[1]], inner) == "internal_source"
    assert hairpin.classify([], inner) == "not_observed"


def test_a_lifetime_has_two_borders_and_loss_does_not_widen_it() -> None:
    whole = lifetime.bounds({5: True, 10: True, 30: False, 45: False})
    assert (whole.at_least_s, whole.below_s) == (10, 30)
    lossy = lifetime.bounds({5: True, 10: None, 30: False, 45: True})
    assert (lossy.at_least_s, lossy.below_s) == (5, 30)
    longer = lifetime.bounds({5: True, 10: True})
    assert (longer.at_least_s, longer.below_s) == (10, None)
    assert lifetime.refresh(True, whole, 45) == "yes"
    assert lifetime.refresh(False, whole, 45) == "no"
    assert lifetime.refresh(True, longer, 10) == "unknown"
    assert lifetime.times(20) == [5, 10, 15, 20]


def judged(**changes: object) -> path.Path:
    given = {
        "local_ip": "192.168.1.9",
        "public_ip": "198.51.100.1",
        "router_external": None,
        "hops": ["192.168.1.1", None, "203.0.113.1"],
        "to_self": None,
    }
    return path.judge(**{**given, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "cgnat", "double"),
    [
        ({}, "unknown", "unknown"),
        ({"hops": None}, "unknown", "unknown"),
        ({"hops": ["192.168.1.1", "192.168.0.1"]}, "unknown", "unknown"),
        ({"hops": ["192.168.1.1", "100.64.0.1"]}, "yes", "yes"),
        ({"local_ip": "100.64.0.9", "hops": ["100.64.0.1"]}, "yes", "unknown"),
        ({"to_self": 1}, "no", "no"),
        ({"to_self": 2}, "unknown", "unknown"),
        ({"router_external": "198.51.100.1"}, "no", "no"),
        ({"router_external": "100.66.1.1"}, "yes", "yes"),
        ({"router_external": "10.1.1.1"}, "unknown", "yes"),
        ({"router_external": "8.8.4.4"}, "yes", "yes"),
        ({"router_external": "8.8.4.4", "to_self": 1}, "unknown", "unknown"),
        ({"local_ip": "198.51.100.1"}, "no", "no"),
    ],
)
def test_carrier_nat_is_claimed_by_evidence_alone(
    changes: dict[str, object], cgnat: str, double: str
) -> None:
    found = judged(**changes)
    assert (found.cgnat, found.double_nat) == (cgnat, double)
    assert (found.reason is None) == (cgnat != "unknown")
