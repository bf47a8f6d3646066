"""Candidates, priorities, pairs: the numbers of RFC 8445, and the articles' score beside them."""

import pytest

from sfukit.probe.ice import candidate, pairs, priority
from sfukit.probe.ice.candidate import IceCandidate
from sfukit.probe.ice.case import Case, Check, new_case
from sfukit.probe.ice.priority import Priority

HOST = "candidate:1 1 udp 2130706431 192.168.1.20 50000 typ host"
SRFLX = "candidate:2 1 udp 1694498815 203.0.113.7 61001 typ srflx raddr 192.168.1.20 rport 50000"
RELAY = "candidate:3 1 udp 16777215 198.51.100.9 52000 typ relay raddr 203.0.113.7 rport 61001"
ACTIVE = "candidate:4 1 tcp 1518214911 192.168.1.20 9 typ host tcptype active"
PASSIVE = "candidate:5 1 tcp 1518280447 203.0.113.30 443 typ host tcptype passive"
SIX = "candidate:6 1 udp 2130706431 2001:db8::1 50000 typ host"
SECOND = "candidate:7 2 udp 2130706430 203.0.113.30 7082 typ host"
FAR = "candidate:8 1 udp 2130706431 203.0.113.30 7081 typ host"


def case_of(local: list[str], remote: list[str]) -> Case:
    case = new_case("test")
    case.local.candidates = [candidate.parse(line) for line in local]
    case.remote.candidates = [candidate.parse(line) for line in remote]
    return case


def test_a_line_with_its_extensions() -> None:
    found = candidate.parse(f"a={SRFLX} generation 0 ufrag abcd network-id 1 network-cost 10")
    assert found.related_address == "192.168.1.20"
    assert (found.related_port, found.ufrag, found.network) == (50000, "abcd", "wlan")


def test_a_priority_taken_apart() -> None:
    parts = Priority.of(2130706431)
    assert parts == Priority(126, 65535, 1)
    assert parts.usual_for("host", "udp")
    assert not parts.usual_for("relay", "udp")


def test_the_priority_of_a_pair() -> None:
    """2^32 min(G, D) + 2 max(G, D) + (G > D)."""
    assert priority.of_pair(2, 1) == 2**32 + 5
    assert priority.of_pair(1, 2) == 2**32 + 4


@pytest.mark.parametrize(
    ("kind", "network", "rtt_ms", "score"),
    [
        ("host", "eth", None, 115),
        ("srflx", "wlan", 50, 165),
        ("relay", "tun", 300, 50),
        ("host", None, 0, 200),
    ],
)
def test_the_score_of_the_articles(
    kind: str, network: str | None, rtt_ms: float | None, score: float
) -> None:
    found = IceCandidate(kind=kind, transport="udp", address="::1", port=1, network=network)
    assert priority.score(found, rtt_ms) == score


def test_the_order_and_the_pruned_pairs() -> None:
    formed = pairs.form(case_of([RELAY, SRFLX, HOST], [FAR]))
    assert [(pair.local_kind, pair.rank) for pair in formed] == [
        ("host", 1),
        ("relay", 2),
        ("srflx", None),
    ]
    assert formed[2].pruned == "the same base as the host candidate"


@pytest.mark.parametrize(
    ("local", "remote", "reason"),
    [
        (HOST, PASSIVE, "udp and tcp"),
        (HOST, SIX, "IPv4 and IPv6"),
        (HOST, SECOND, "components 1 and 2"),
        (ACTIVE, PASSIVE, None),
        (ACTIVE, ACTIVE, "tcp active and active"),
        ("candidate:9 1 udp 1 fe80::1 5 typ host", SIX, "a link-local address and another"),
        ("candidate:9 1 udp 1 127.0.0.1 5 typ host", FAR, "a loopback address and another"),
    ],
)
def test_candidates_that_form_no_pair(local: str, remote: str, reason: str | None) -> None:
    (pair,) = pairs.form(case_of([local], [remote]))
    assert pair.pruned == reason


def test_at_most_a_hundred_pairs() -> None:
    lines = [f"candidate:1 1 udp {2**30 + n} 10.0.0.{n} 5000 typ host" for n in range(20)]
    formed = pairs.form(case_of(lines, [line.replace("10.0.0", "10.0.1") for line in lines]))
    assert sum(pair.pruned is None for pair in formed) == pairs.LIMIT
    assert formed[-1].pruned == "beyond the limit of 100 pairs"


def test_the_two_rankings_may_differ() -> None:
    case = case_of([HOST, RELAY], [FAR])
    case.checks = [
        Check(local=local, remote=case.remote.candidates[0], state="succeeded", rtt_ms=rtt_ms)
        for local, rtt_ms in zip(case.local.candidates, (190.0, 20.0), strict=True)
    ]
    ranks = {pair.local_kind: (pair.rank, pair.score_rank) for pair in pairs.form(case)}
    assert ranks == {"host": (1, 2), "relay": (2, 1)}


def test_a_pair_that_the_browser_checked_is_kept() -> None:
    case = case_of([HOST, SRFLX], [FAR])
    case.checks = [
        Check(local=case.local.candidates[1], remote=case.remote.candidates[0], state="succeeded")
    ]
    kept = [pair for pair in pairs.form(case) if pair.pruned is None]
    assert [pair.local_kind for pair in kept] == ["srflx"]
