"""Any input of ``ice-explain`` ends in a report or in a usage error."""

import json
import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfukit.cli.ice_explain_text import render
from sfukit.errors import UsageError
from sfukit.probe.ice import candidate, candidate_lines, explain, inputs, pairs

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures" / "ice").glob("*.*"))
MUTATIONS = 25


def survive(data: bytes) -> None:
    try:
        kind, cases = inputs.read(data, "input")
    except UsageError:
        return
    inputs_again = inputs.read(data, "input")[1]
    result = explain.conclude(kind, cases, 1e9)
    assert msgspec.json.decode(msgspec.json.encode(result), type=explain.IceExplainReport)
    assert list(render(result))
    assert len(inputs_again) == len(cases)


@given(st.binary(max_size=2000))
def test_any_bytes(data: bytes) -> None:
    survive(data)


@given(st.text(max_size=500))
def test_any_text_after_a_beginning_that_is_known(text: str) -> None:
    for beginning in (
        "v=0\r\n",
        "candidate:",
        '{"PeerConnections":',
        "Local SDP\nv=0\n",
        "ICE-PEER(",
    ):
        survive((beginning + text).encode("utf-8", "replace"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=20,
)
FIELDS = st.sampled_from(
    ["type", "id", "state", "port", "address", "priority", "localCandidateId", "remoteCandidateId"]
)
STAT = st.dictionaries(FIELDS, JSON, max_size=6).map(
    lambda stat: {"type": "candidate-pair", **stat}
)


@given(JSON)
def test_any_json(document: Any) -> None:
    survive(json.dumps(document).encode())
    survive(json.dumps({"PeerConnections": document}).encode())
    survive(json.dumps({"PeerConnections": {"1": document}}).encode())


@given(st.dictionaries(st.text(max_size=5), STAT, max_size=5), JSON)
def test_any_statistics(stats: dict[str, Any], log: Any) -> None:
    survive(json.dumps(stats).encode())
    connection = {"stats": stats, "updateLog": log, "rtcConfiguration": log, "url": log}
    survive(json.dumps({"PeerConnections": {"1-1": connection}}).encode())


@pytest.mark.parametrize("path", FIXTURES, ids=lambda path: path.name)
def test_damaged_records(path: Path) -> None:
    chance = random.Random(path.name)
    whole = path.read_bytes()
    for _ in range(MUTATIONS):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        begin = chance.randrange(len(data))
        del data[begin : begin + chance.choice((0, 1, 50, len(data) // 2))]
        survive(bytes(data))


LINE = st.builds(
    "candidate:{} {} {} {} {} {} typ {} {}".format,
    st.text(max_size=8),
    st.integers(0, 300),
    st.sampled_from(["udp", "tcp", "UDP", "sctp"]),
    st.integers(0, 2**33),
    st.sampled_from(["10.0.0.1", "fe80::1", "x.local", "::", "999.1.1.1", "203.0.113.9"]),
    st.integers(0, 70_000),
    st.sampled_from(["host", "srflx", "relay", "prflx", "zzz"]),
    st.sampled_from(["", "raddr 0.0.0.0 rport 0", "raddr", "tcptype active", "rport ٣ raddr x"]),
)


@settings(max_examples=200)
@given(st.lists(LINE, max_size=12), st.lists(LINE, max_size=12))
@example([], ["candidate:SDPARTA 0 udp 0 10.0.0.1 0 typ host "])
@example([], ["candidate:about:webrtc 0 udp 0 10.0.0.1 0 typ host "])
@example([], ["candidate:ICE-PEER( 0 udp 0 10.0.0.1 0 typ host "])
def test_any_candidates_make_an_ordered_list(local: list[str], remote: list[str]) -> None:
    def side(lines: list[str]) -> str:
        return "v=0\n" + "".join(f"a={line}\n" for line in lines)

    _, (case,) = inputs.read((side(local) + side(remote)).encode(), "input")
    formed = pairs.form(case)
    ranked = [pair for pair in formed if pair.rank is not None]
    assert [pair.rank for pair in ranked] == sorted(pair.rank or 0 for pair in ranked)
    numbers = [pair.priority or 0 for pair in ranked]
    assert numbers == sorted(numbers, reverse=True)


def test_inputs_are_bounded() -> None:
    line = "candidate:1 1 udp 1 10.0.0.1 {} typ host\n"
    many = "".join(line.format(port) for port in range(60_000))
    assert len(list(candidate_lines.read(many))) == candidate.MAX_CANDIDATES
    survive(many.encode())
    with pytest.raises(UsageError, match="MiB"):
        inputs.read(b" " * (inputs.MAX_BYTES + 1), "input")


def test_a_bomb_of_gzip_is_refused() -> None:
    import gzip

    bomb = gzip.compress(b" " * (inputs.MAX_BYTES + 1))
    with pytest.raises(UsageError, match="MiB"):
        inputs.read(bomb, "input")
    with pytest.raises(UsageError, match="gzip"):
        inputs.read(bomb[:2] + b"nonsense", "input")


def test_deep_json_is_no_traceback() -> None:
    survive(b"[" * 200_000)
    survive(b'{"PeerConnections":' + b"[" * 200_000)
