"""``sfukit ice-explain``: what is shown, exit codes, JSON, standard input, refusals."""

import io
import json
import sys
from pathlib import Path

import pytest

from sfukit import report
from sfukit.cli.app import main
from sfukit.probe.ice.explain import IceExplainReport

FIXTURES = Path(__file__).parents[1] / "fixtures" / "ice"
SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "ice-explain.json"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_the_verdict_comes_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ice-explain", str(FIXTURES / "older-chromium.internals.json")]) == 3
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "connection 1234-7 of https://meet.example/ (from webrtc-internals)"
    assert lines[-1].startswith("FAIL    failed, no pair of 1 worked: turn:turn.example:3478")
    assert "ice          checking 1200 ms > failed 16.2 s" in lines


def test_a_connection_that_works_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ice-explain", str(FIXTURES / "connected.stats.json")]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1].startswith("OK      connected over ")
    assert " RFC score  pair" in shown
    assert "126/30/1" in shown


def test_a_dump_of_several_connections_ends_with_a_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ice-explain", str(FIXTURES / "one-way.internals.json")]) == 3
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "FAIL    2 of 2 connections: one_way_firewall, no_answer_from_peer"


def test_candidates_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pasted = io.TextIOWrapper(io.BytesIO((FIXTURES / "symmetric.txt").read_bytes()))
    monkeypatch.setattr(sys, "stdin", pasted)
    assert main(["ice-explain", "-"]) == 0
    assert "symmetric_nat: the local side is behind a symmetric NAT" in capsys.readouterr().out


def test_the_far_side_in_a_file_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    near, far = (
        str(FIXTURES / f"{name}.sdp") for name in ("connected.offer", "sfu-in-docker.answer")
    )
    assert main(["ice-explain", near, "--remote", far]) == 3
    shown = capsys.readouterr().out
    assert "sfu_private_host_candidate: the remote side offers only 172.17.0.2" in shown
    assert "Docker's default bridge" in shown


def test_json_on_standard_output(capsys: pytest.CaptureFixture[str]) -> None:
    record = str(FIXTURES / "turn-expired.internals.json")
    server = "turn:10.77.0.1:3478?transport=udp,1700000000:ann"
    assert main(["ice-explain", record, "--ice-server", server, "--json", "-"]) == 3
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert list(document)[:6] == ["schema", "tool", "version", "command", "verdict", "exit_code"]
    assert document["connections"][0]["cause"] == "turn_credential_expired"
    assert "turn_credential_expired" in captured.err


def test_the_run_is_kept_and_printed_again(capsys: pytest.CaptureFixture[str]) -> None:
    main(["ice-explain", str(FIXTURES / "one-way.internals.json")])
    first = capsys.readouterr().out
    assert main(["report", "ice-explain"]) == 0
    assert capsys.readouterr().out == first


def test_the_published_schema_is_that_of_the_report() -> None:
    """When it was meant to change: write the schema there again."""
    assert json.loads(SCHEMA.read_text()) == report.schema(IceExplainReport)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["/nowhere"], "/nowhere"),
        ([str(FIXTURES)], "directory"),
        ([str(Path(__file__))], "no ICE data"),
        ([str(FIXTURES / "tcp-only.sdp"), "--ice-server", "http://x"], "--ice-server"),
        ([str(FIXTURES / "tcp-only.sdp"), "--remote", "/nowhere"], "/nowhere"),
    ],
)
def test_refusals(options: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ice-explain", *options]) == 2
    assert says in capsys.readouterr().err
