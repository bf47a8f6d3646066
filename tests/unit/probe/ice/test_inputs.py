"""Inputs of users: each format is read or refused by name, each line read or counted."""

import json
from pathlib import Path

import pytest

from sfukit.cli.ice_explain_text import render
from sfukit.errors import UsageError
from sfukit.probe.ice import candidate, explain, inputs, unix_time
from sfukit.probe.ice.case import MAX_UNREAD, Case, Side
from sfukit.probe.ice.explain import ConnectionReport

FIXTURES = Path(__file__).parents[3] / "fixtures" / "ice"
NOW_S = 1_795_270_000.0


def read(name: str) -> tuple[str, list[Case]]:
    return inputs.read((FIXTURES / name).read_bytes(), name)


def told(case: Case) -> ConnectionReport:
    return explain.explain(case, NOW_S)


def names(connection: ConnectionReport) -> set[str]:
    return {finding.name for finding in connection.findings}


@pytest.mark.parametrize(
    ("name", "kind", "causes", "exit_code"),
    [
        ("no-answer.rtcstats.jsonl", "rtcstats", ["no_answer_from_peer", None], 3),
        ("native-nested.stats.json", "getStats()", ["no_answer_from_peer"], 3),
        ("native-microseconds.stats.json", "getStats()", ["no_answer_from_peer"], 3),
        ("turn-401-over-udp.internals.json", "webrtc-internals",
         ["turn_credential_refused", None], 3),
        ("odd-candidates.txt", "candidates", [None], 0),
    ],
)  # fmt: skip
def test_each_form_has_its_verdict(
    name: str, kind: str, causes: list[str | None], exit_code: int
) -> None:
    recognised, cases = read(name)
    result = explain.conclude(recognised, cases, NOW_S)
    assert recognised == kind
    assert [one.cause for one in result.connections] == causes
    assert result.exit_code == exit_code
    assert all(line.isprintable() for line, _ in render(result))


def test_a_dump_of_rtcstats_is_put_together() -> None:
    _, (first, second) = read("no-answer.rtcstats.jsonl")
    assert [check.requests_sent for check in first.checks] == [31]  # of the second report
    assert [(m.at_ms, m.value) for m in first.events if m.type == "ice"] == [
        (160.0, "checking"),
        (16_160.0, "failed"),
    ]
    assert first.servers is not None
    assert first.servers[0].url == "turn:turn.example:3478"
    assert first.recorded_s == pytest.approx(1_795_262_416.303)
    assert [found.port for found in second.local.candidates] == [50201]


def test_a_dump_of_rtcstats_needs_no_mark() -> None:
    lines = (FIXTURES / "no-answer.rtcstats.jsonl").read_text().splitlines()[2:]
    kind, cases = inputs.read("\n".join(lines).encode(), "cut")
    assert (kind, len(cases)) == ("rtcstats", 2)


@pytest.mark.parametrize("rest", ["", '{"fileFormat": 9}\n{"what": "else"}', "[1, 2]\n[[]]"])
def test_a_dump_of_rtcstats_of_another_form_is_refused_by_name(rest: str) -> None:
    with pytest.raises(UsageError, match="a dump of rtcstats without an event"):
        inputs.read(f"RTCStatsDump\n{rest}\n".encode(), "dump")


def test_descriptions_of_firefox_without_its_headings_are_descriptions() -> None:
    described = (
        "v=0\no=mozilla...THIS_IS_SDPARTA-99.0 1 0 IN IP4 0.0.0.0\n"
        "a=ice-ufrag:{}\na=candidate:1 1 UDP 2130706431 10.0.0.{} 7 typ host\n"
    )
    both = described.format("aa", 1) + described.format("bb", 2)
    kind, [case] = inputs.read(both.encode(), "x")
    assert kind == "sdp"
    assert (case.local.ufrags, case.remote.ufrags) == (["aa"], ["bb"])
    assert [found.address for found in case.remote.candidates] == ["10.0.0.2"]


@pytest.mark.parametrize("name", ["native-nested.stats.json", "native-microseconds.stats.json"])
def test_native_statistics_are_those_of_a_browser(name: str) -> None:
    _, [case] = read(name)
    [check] = case.checks
    assert (check.requests_sent, check.responses_received, check.nominated) == (27, 0, False)
    assert (case.remote.candidates[0].port, case.remote.candidates[0].priority) == (
        7081,
        2130706431,
    )
    assert case.role == "controlling"
    assert case.recorded_s == pytest.approx(1_795_262_400.654321)


def test_a_credential_that_outlives_a_record_in_microseconds_has_not_expired() -> None:
    _, [case] = read("native-microseconds.stats.json")
    case.servers = inputs.servers(["turn:turn.example:3478,1795266000:ann"])
    assert "turn_credential_expired" not in names(told(case))
    case.servers = inputs.servers(["turn:turn.example:3478,1795262000:ann"])
    assert "turn_credential_expired" in names(told(case))


@pytest.mark.parametrize(
    "members", [{"members": {"iceRole": "controlled"}}, {"values": {"iceRole": "controlled"}}]
)
def test_members_below_a_statistic(members: dict[str, object]) -> None:
    pair = {"id": "P", "type": "candidate-pair"}
    document = {"T": {"id": "T", "type": "transport", "timestamp_us": 1795262400_000000} | members}
    _, [case] = inputs.read(json.dumps({**document, **_candidates(), "P": pair}).encode(), "x")
    assert (case.role, case.recorded_s) == ("controlled", 1_795_262_400.0)


def _candidates() -> dict[str, object]:
    found = {"type": "local-candidate", "address": "10.0.7.1", "port": "7", "protocol": "udp"}
    return {"L": found}


def test_a_401_over_udp_proves_that_udp_passes() -> None:
    _, (case, _) = read("turn-401-over-udp.internals.json")
    connection = told(case)
    assert "udp_blocked" not in names(connection)
    [silent] = [one for one in connection.findings if one.name == "no_srflx"]
    assert "turn:turn.example:3478?transport=udp answered 401 Unauthorized" in silent.text
    assert "stun:typo.example:3478 was not found" in silent.text
    assert {"server_name_unknown", "remote_candidate_refused"} <= names(connection)


@pytest.mark.parametrize(
    ("url", "text", "is_blocked"),
    [
        ("turn:turn.example:3478?transport=udp", "Unauthorized", False),
        ("turn:turn.example:3478?transport=tcp", "Unauthorized", True),
        ("turns:turn.example:5349", "Unauthorized", True),
    ],
)
def test_only_a_response_over_udp_proves_udp(url: str, text: str, is_blocked: bool) -> None:
    data = (FIXTURES / "turn-401-over-udp.internals.json").read_text()
    changed = data.replace("turn:turn.example:3478?transport=udp", url)
    _, (case, _) = inputs.read(changed.encode(), "dump")
    assert ("udp_blocked" in names(told(case))) == is_blocked


def test_a_failed_lookup_is_no_silent_server() -> None:
    data = (FIXTURES / "turn-401-over-udp.internals.json").read_text()
    changed = data.replace("STUN binding request timed out.", "STUN host lookup received error.")
    changed = changed.replace("transport=udp", "transport=tcp")
    _, (case, _) = inputs.read(changed.encode(), "dump")
    assert "udp_blocked" not in names(told(case))


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("candidate:1 1 udp 9 10.0.7.8 5 typ host network-cost 900", "host udp 10.0.7.8:5"),
        ("a=candidate:2 1 ssltcp 9 198.51.100.7 443 typ host", "host ssltcp 198.51.100.7:443"),
        ("candidate:3 1 TCP-ACT 9 10.0.7.8 5 typ host", "host tcp 10.0.7.8:5 active"),
        ("candidate:3 1 TCP-PASS 9 10.0.7.8 5 typ host", "host tcp 10.0.7.8:5 passive"),
        ("candidate:3 1 TCP-SO 9 10.0.7.8 5 typ host", "host tcp 10.0.7.8:5 so"),
        ("candidate:4  1  UDP  9  10.0.7.8  5  typ  host", "host udp 10.0.7.8:5"),
        ("a=candidate:5 1 udp 9 fe80::1%eth0 5 typ host", "host udp [fe80::1%eth0]:5"),
        ("candidate:6 1 UDP 9 2001:db8::7 5 typ host raddr ::/0 rport 0",
         "host udp [2001:db8::7]:5"),
        ("candidate:8 1 udp 9 relay.example 5 typ relay raddr 10.0.7.8 rport 9",
         "relay udp relay.example:5"),
        ("9 1 udp 9 10.0.7.12 5 typ host", "host udp 10.0.7.12:5"),
        ("candidate:10 1 udp 9 10.0.7.13 5 typ host\\r\\n", "host udp 10.0.7.13:5"),
        ('{"candidate": "candidate:11 1 udp 9 10.0.7.14 5 typ host"}', "host udp 10.0.7.14:5"),
    ],
)  # fmt: skip
def test_candidate_lines_that_are_read(line: str, shown: str) -> None:
    side = Side()
    [found] = side.read(line)
    assert " ".join(filter(None, (str(found), found.tcp_type))) == shown
    assert side.unread_count == 0


def test_an_invalid_related_address_is_omitted() -> None:
    found = candidate.parse("6 1 udp 9 2001:db8::7 5 typ srflx raddr ::/0 rport 0")
    assert found.related_address is None


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (f"candidate:{'f' * 33} 1 udp 9 10.0.7.9 5 typ host", "a foundation of 33 characters"),
        ("candidate:1 1 sctp 9 10.0.7.9 5 typ host", "transport 'sctp' is none of"),
        ("candidate:1 1 udp 9 10.0.7.9 65536 typ host", "out of range"),
        ("candidate:1 1 udp 9 10.0.7.9 5 typ server", "type 'server' is none of"),
        ("candidate:1 0 udp 9 10.0.7.9 5 typ host", "component 0 is none of"),
        ("candidate:1 1 udp 9 10.0.7.300 5 typ host", "neither an address nor a name"),
        ("candidate:1 1 udp many 10.0.7.9 5 typ host", "are numbers"),
        ("candidate:1 1 udp 9 10.0.7.9", "a candidate has eight fields"),
        ("candidate:1 1 udp 9 \x1b[2J 5 typ host", "neither an address nor a name"),
    ],
)
def test_candidate_lines_that_are_not_understood(line: str, reason: str) -> None:
    side = Side()
    assert side.read(f"v=0\na={line}\na=mid:0\n") == []
    assert side.unread_count == 1
    assert reason in side.unread[0].reason
    assert side.unread[0].line.isprintable()


@pytest.mark.parametrize("line", ["host_candidate: 10.0.7.x:5", '"candidate": ""', "a=candidate:"])
def test_other_lines_than_candidates_are_not_counted(line: str) -> None:
    side = Side()
    assert side.read(line) == []
    assert side.unread_count == 0


def test_every_line_is_read_or_counted() -> None:
    _, [case] = read("odd-candidates.txt")
    connection = told(case)
    assert (len(connection.candidates), connection.unread_count) == (12, 8)
    [finding] = [f for f in connection.findings if f.name == "candidates_not_understood"]
    assert finding.text.startswith("8 local candidate lines are invalid: ")
    text = "\n".join(line for line, _ in render(explain.conclude("candidates", [case], NOW_S)))
    assert "component 2 (RTCP: unused with rtcp-mux)" in text
    assert "not understood: transport 'sctp'" in text


@pytest.mark.computes
def test_a_side_is_bounded() -> None:
    side = Side()
    for number in range(100_000):
        place = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        for found in side.read(f"candidate:1 1 udp 9 {place} 5 typ host"):
            side.add(found)
        side.read(f"candidate:1 1 udp 9 {place} 5 typ x{number}")
    assert len(side.candidates) == candidate.MAX_CANDIDATES
    assert len(side.unread) == MAX_UNREAD
    assert side.unread_count == 100_000


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1795262400, 1_795_262_400.0),
        (1795262400123.5, 1_795_262_400.1235),
        (1795262400123456.0, 1_795_262_400.123456),
        (1795262400123456789, 1_795_262_400.123456789),
        (1234.5, None),
        (0, None),
        (-1, None),
        (float("nan"), None),
        (1e300, None),
        (True, None),
        ("1795262400", None),
    ],
)
def test_the_unit_of_a_time_is_inferred_from_its_magnitude(
    value: object, seconds: float | None
) -> None:
    assert unix_time.seconds(value) == (None if seconds is None else pytest.approx(seconds))
