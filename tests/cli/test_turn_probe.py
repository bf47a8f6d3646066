"""``sfukit turn-probe``: bad input, its schema, its text."""

import json
from pathlib import Path

import pytest

from sfukit import report
from sfukit.cli.app import main
from sfukit.probe.turn.report import TurnReport

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "turn-probe.json"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("SFUKIT_ALLOW_HOSTS", raising=False)


@pytest.mark.parametrize(
    ("arguments", "says", "remedy"),
    [
        (["stun:h"], "this is no TURN URI", "turns:HOST"),
        (["turn:h", "--variants", "dtls"], "dtls is not supported", "udp,tcp,tls"),
        (["turn:h", "--user", "u"], "give both", "--secret"),
        (["turn:h", "--secret", "s", "--password", "p"], "exclude each other", "secret"),
        (["turn:h", "--family", "5"], "--family 5", "4, 6, both"),
        (["turn:h", "--timeout", "0s"], "--timeout", "more than 0"),
        (["turn:h", "--throughput", "--rate", "fast"], "--rate", "1.7M"),
        (["turn:127.0.0.1", "--throughput", "--size", "1M"], "--size 1M", "65000"),
        (["turn:h", "--allocations", "-1"], "--allocations -1", "0 to 10000"),
        (["turn:h", "-T", "relay.rtt<3"], "no metric relay.rtt", "relay.rtt_ms"),
        (["turn:h", "--password", "@/nowhere/p", "--user", "u"], "/nowhere/p", ""),
        (["turn:h", "--peer", "a b"], "--peer", "HOST"),
        (["turn:192.0.2.1", "--security"], "192.0.2.1 is not this machine", "--allow-host"),
        (["turn:192.0.2.1", "--allocations", "11"], "11 allocations need permission", "192.0.2.1"),
        (["turns:127.0.0.1:1", "--ca", "/nowhere/ca"], "--ca /nowhere/ca", "no certificates"),
    ],
)
def test_bad_input(
    arguments: list[str], says: str, remedy: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["turn-probe", *arguments]) == 2
    shown = capsys.readouterr().err
    assert says in shown
    assert remedy in shown
    assert "Traceback" not in shown


def test_a_name_that_does_not_resolve(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["turn-probe", "turn:no-such-host.invalid?transport=udp"]) == 4
    shown = capsys.readouterr().out.splitlines()
    assert shown[1] == "udp     FAILED  at dns: name_unknown"
    assert shown[-1] == "FAIL    0 of 1 variants relay"


def test_json_on_standard_output_and_the_same_text_again(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["turn-probe", "turn:no-such-host.invalid", "--json", "-"]) == 4
    first = capsys.readouterr()
    document = json.loads(first.out)
    assert list(document)[:6] == ["schema", "tool", "version", "command", "verdict", "exit_code"]
    assert document["servers"][0]["variants"][0]["cause"] == "name_unknown"
    assert main(["report", "turn-probe"]) == 0
    assert capsys.readouterr().out == first.err


def test_the_published_schema_is_that_of_the_report() -> None:
    """When it was meant to change: write the schema there again."""
    assert json.loads(SCHEMA.read_text()) == report.schema(TurnReport)
