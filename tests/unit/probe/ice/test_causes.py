"""Each way to fail is named by its cause."""

import gzip
from pathlib import Path

import pytest

from sfukit.probe.ice import explain, inputs
from sfukit.probe.ice.explain import ConnectionReport

FIXTURES = Path(__file__).parents[3] / "fixtures" / "ice"
NOW_S = 1_795_262_400.0  # when the fixtures were recorded, to the hour


def told(
    name: str, *, remote: str | None = None, servers: tuple[str, ...] = ()
) -> ConnectionReport:
    _, cases = inputs.read((FIXTURES / name).read_bytes(), name)
    if remote:
        inputs.add_remote(cases, (FIXTURES / remote).read_bytes(), remote)
    if servers:
        cases[0].servers = inputs.servers(servers)
    return explain.explain(cases[0], NOW_S)


def names(connection: ConnectionReport, *states: str) -> set[str]:
    wanted = states or ("bad", "warning")
    return {each.name for each in connection.findings if each.state in wanted}


@pytest.mark.parametrize(
    ("name", "outcome", "cause"),
    [
        ("connected.internals.json", "connected", None),
        ("connected.stats.json", "connected", None),
        ("wrong-address.internals.json", "failed", "sfu_private_host_candidate"),
        ("no-udp.internals.json", "failed", "udp_blocked"),
        ("turn-expired.internals.json", "unknown", "turn_credential_refused"),
        ("turn-refused.internals.json", "unknown", "turn_credential_refused"),
        ("one-way.internals.json", "failed", "one_way_firewall"),
        ("one-way.stats.json", "checking", "one_way_firewall"),
        ("consent-lost.internals.json", "lost", "consent_lost"),
        ("consent-lost.stats.json", "lost", "consent_lost"),
        ("no-answer.internals.json", "unknown", "no_remote_description"),
        ("firefox-failed.txt", "failed", "sfu_private_host_candidate"),
        ("firefox-log.txt", "failed", "role_conflict"),
        ("older-chromium.internals.json", "failed", "turn_credential_refused"),
        ("sfu-in-docker.answer.sdp", "unknown", "sfu_private_host_candidate"),
    ],
)
def test_the_cause_of_each_record(name: str, outcome: str, cause: str | None) -> None:
    connection = told(name)
    assert (connection.outcome, connection.cause) == (outcome, cause)


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("mdns-only.offer.sdp", "mdns_only"),
        ("tcp-only.sdp", "tcp_only"),
        ("symmetric.txt", "symmetric_nat"),
        ("no-udp.internals.json", "no_srflx"),
        ("no-udp.internals.json", "no_relay"),
        ("wrong-address.answer.sdp", "sfu_private_host_candidate"),
    ],
)
def test_further_findings(name: str, finding: str) -> None:
    assert finding in names(told(name))


def test_an_expired_credential_is_distinguished_from_a_wrong_one() -> None:
    """Chromium leaves user names out of its dumps: --ice-server brings them back."""
    url = "turn:10.77.0.1:3478?transport=udp"
    expired = told("turn-expired.internals.json", servers=(f"{url},1700000000:ann",))
    assert expired.cause == "turn_credential_expired"
    wrong = told("turn-refused.internals.json", servers=(f"{url},4102444800:ann",))
    assert wrong.cause == "turn_credential_refused"
    assert "has not expired" in (wrong.findings[0].fix or "")


def test_the_far_record_tells_which_way_is_shut() -> None:
    assert told("one-way.far.stats.json").cause == "no_answer_from_peer"
    both = told("one-way.far.stats.json", remote="one-way.stats.json")
    assert both.cause == "one_way_firewall"
    assert "none of its packets is received here" in both.summary


def test_a_silent_server_is_named() -> None:
    (silent,) = [f for f in told("no-udp.internals.json").findings if f.name == "no_srflx"]
    assert "stun:10.77.0.1:3478 did not answer" in silent.text


def test_one_silent_server_of_two_does_not_mean_that_udp_is_blocked() -> None:
    data = (FIXTURES / "no-udp.internals.json").read_text()
    port = data.partition("10.77.0.1 ")[2].split()[0]
    heard = data.replace(f"10.77.0.1 {port} typ host", f"203.0.113.9 {port} typ srflx")
    _, cases = inputs.read(heard.encode(), "dump")
    assert explain.explain(cases[0], NOW_S).cause == "no_answer_from_peer"


def test_two_offers_are_a_role_conflict() -> None:
    both = told("connected.offer.sdp", remote="mdns-only.offer.sdp")
    assert both.cause == "role_conflict"


def test_two_controlling_records_are_a_role_conflict() -> None:
    both = told("one-way.stats.json", remote="consent-lost.stats.json")
    assert "role_conflict" in names(both, "bad")


def test_a_pair_of_descriptions_makes_pairs() -> None:
    both = told("connected.offer.sdp", remote="connected.answer.sdp")
    assert [(pair.rank, pair.pruned is None) for pair in both.pairs] == [(1, True), (None, False)]
    assert both.cause is None


def test_both_ends_in_one_text_are_the_same_as_two_files() -> None:
    texts = [(FIXTURES / f"connected.{end}.sdp").read_bytes() for end in ("offer", "answer")]
    kind, (case,) = inputs.read(b"".join(texts), "both")
    assert (kind, len(case.local.candidates), len(case.remote.candidates)) == ("sdp", 2, 1)


def test_candidates_of_another_description_are_noticed() -> None:
    data = (FIXTURES / "connected.offer.sdp").read_text()
    strange = data.replace("generation 0", "generation 0 ufrag OLD1")
    _, cases = inputs.read(strange.encode(), "sdp")
    assert "ufrag_mismatch" in names(explain.explain(cases[0], NOW_S))


def test_compressed_dumps_are_read_as_chromium_writes_them() -> None:
    data = (FIXTURES / "one-way.internals.json").read_bytes()
    kind, cases = inputs.read(gzip.compress(data), "dump.gz")
    assert (kind, len(cases)) == ("webrtc-internals", 2)


def test_the_states_carry_their_times() -> None:
    events = told("consent-lost.internals.json").events
    ice = [(m.value, m.at_ms) for m in events if m.type == "ice"]
    assert [value for value, _ in ice] == ["checking", "connected", "disconnected"]
    times = [at_ms for _, at_ms in ice if at_ms is not None]
    assert times == sorted(times)
    assert 3_000 < times[2] - times[1] < 15_000


def test_no_password_is_in_a_report() -> None:
    for path in FIXTURES.glob("*.sdp"):
        password = path.read_text().partition("a=ice-pwd:")[2].split()[0]
        assert password not in repr(told(path.name))
