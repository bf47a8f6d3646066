"""``sfukit check``: the step and cause of each fault, and success against several servers."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.conftest import in_namespaces
from tests.interop import command
from tests.interop.check_faults import FAULTS, Fault, failure
from tests.interop.command import CommandResult, Invocation, interrupted
from tests.interop.server import serving
from tests.on_a_thread import on_a_thread

KEY, SECRET = "north", "a secret that is long enough for HS256"
KEYS = ("--api-key", KEY, "--api-secret", SECRET)


def run(folder: Path, *arguments: str) -> CommandResult:
    return command.run("check", Invocation(arguments), folder)


@pytest.fixture(params=["rooms", "whip"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    with serving(tmp_path) as server:
        yield server.http if request.param == "rooms" else server.url("/whip/demo")


@pytest.mark.parametrize("fault", in_namespaces(FAULTS))
def test_the_cause_of_each_fault(fault: Fault, tmp_path: Path) -> None:
    with fault.provoke(tmp_path) as invocation:
        result = command.run("check", invocation, tmp_path)
    assert failure(result) == (fault.step, fault.cause), result.text
    assert result.exit_code == 4
    assert "Traceback" not in result.text
    assert result.text.splitlines()[-1].startswith(f"FAIL    {fault.step} fails: {fault.cause}")
    failed = result.report["steps"][-1]
    assert (failed["name"], failed["state"]) == (fault.step, "failed")
    assert failed["fix"]
    assert result.report["timings_ms"]["total"] < 10_000


def test_media_is_received(target: str, tmp_path: Path) -> None:
    result = run(tmp_path, target)
    assert result.exit_code == 0, result.text
    times = result.report["timings_ms"]
    for step in ("dns", "tcp", "http", "sdp", "ice", "dtls", "media"):
        assert times[step] is not None, step
    assert times["total"] < 5000
    assert any(candidate["answers"] for candidate in result.report["candidates"])
    assert result.text.splitlines()[-1].startswith("PASS    reachable in ")


def test_whip_media_is_received_by_whep(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        play = server.url("/whep/{room}")
        result = run(tmp_path, server.url("/whip/{room}"), "--play", play)
        assert result.exit_code == 0, result.text
        assert "first RTP packet received of the stream" in result.text
        assert not any(room["participants"] for room in server.rooms()["rooms"])


def test_a_token_is_accepted_for_its_room(tmp_path: Path) -> None:
    grants = VideoGrants(room="demo", room_join=True, room_create=True)
    token = tmp_path / "token"
    token.write_text(sign(claims_for(KEY, "ann", grants, valid_s=600), SECRET))
    with serving(tmp_path, *KEYS) as server:
        result = run(tmp_path, server.http, "--token", f"@{token}")
        assert result.exit_code == 0, result.text
        assert [one["found"] for one in result.report["steps"] if one["name"] == "token"] == [
            "accepted"
        ]
        assert run(tmp_path, server.url("/whip/demo"), *KEYS).exit_code == 0
    assert token.read_text() not in json.dumps(result.report) + result.text


def test_an_unreachable_candidate_is_no_failure_if_another_works(tmp_path: Path) -> None:
    with serving(tmp_path, "--advertise", "10.255.1.2", "--advertise", "127.0.0.1") as server:
        result = run(tmp_path, server.http)
    assert result.exit_code == 0, result.text
    # the address of the HTTP connection is the first candidate
    assert [candidate["answers"] for candidate in result.report["candidates"]] == [True, False]
    assert "1 of 2 addresses unreachable" in result.text


def test_gates_on_timings(tmp_path: Path) -> None:
    with serving(tmp_path) as server:
        met = run(tmp_path, server.http, "-T", "timings_ms.total<30s", "-T", "kind==sfukit")
        missed = run(tmp_path, server.http, "-T", "timings_ms.total<1ms")
        unknown = run(tmp_path, server.http, "-T", "timings_ms.tls<1s")
    assert (met.exit_code, missed.exit_code, unknown.exit_code) == (0, 3, 5)
    assert "NOT MET" in missed.text


def test_an_independent_stack_with_full_ice(tmp_path: Path) -> None:
    from tests.interop.aiortc_whip import aiortc_whip

    with on_a_thread(aiortc_whip()) as url:
        result = run(tmp_path, url)
    assert result.exit_code == 0, result.text
    assert result.report["kind"] == "whip"


def test_sigint_writes_the_report(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        result = interrupted("check", Invocation([url]), tmp_path, after="tls ")
    assert result.exit_code == 130
    assert [step["name"] for step in result.report["steps"]] == ["dns", "tcp", "tls"]
    assert "INTERRUPTED" in result.text
