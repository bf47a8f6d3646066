"""``sfukit nat-probe``: screens, JSON, gates, exit codes, redaction."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from sfukit.cli import nat_probe_text
from sfukit.cli.app import main
from sfukit.probe import system
from sfukit.probe.nat import report as reports
from sfukit.probe.nat.report import NatReport
from sfukit.probe.resolve import Address
from sfukit.probe.stunserver.run import Settings, serving
from tests.on_a_thread import on_a_thread

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "nat-probe.json"


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


@pytest.fixture(scope="module")
def server() -> Iterator[Address]:
    """A server on a thread, since the command runs its own loop."""
    with on_a_thread(serving(Settings(("127.0.0.1", "127.0.0.2"), 0, 0, burst=100_000))) as running:
        yield running.primary


def test_json_begins_with_the_envelope_and_has_its_schema(
    server: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nat-probe", f"stun:{server}", "--quick", "--json", "-"]) == 0
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert list(document)[:6] == ["schema", "tool", "version", "command", "verdict", "exit_code"]
    assert document["schema"] == "sfukit/nat-probe/2"
    assert document["nat"]["mapping"] == "EIM"
    assert document["nat"]["present"] is False
    assert "NAT" in captured.err


def test_the_published_schema_is_that_of_the_report() -> None:
    """When it was meant to change: write the schema there again."""
    assert json.loads(SCHEMA.read_text()) == reports.schema()


@pytest.mark.parametrize(
    ("gate", "code"),
    [
        ("nat.mapping==EIM", 0),
        ("nat.mapping==APDM", 3),
        ("nat.mapping!=APDM", 0),
        ("nat.present==false", 0),
        ("lifetime.oneshot.at_least_s>30", 5),
        ("nat.filtering==EIF", 5),  # not asked for by --quick
        ("server.rtt_ms<10s", 0),
    ],
)
def test_expectations_decide(server: Address, gate: str, code: int) -> None:
    assert main(["nat-probe", f"stun:{server}", "--quick", "-T", gate]) == code


def test_every_path_of_a_gate_is_in_the_report() -> None:
    definitions = reports.schema()["$defs"]

    def known(name: str, rest: list[str]) -> bool:
        properties = definitions[name]["properties"]
        if rest[0] not in properties:
            return False
        if len(rest) == 1:
            return True
        inner = re.findall(r"#/\$defs/(\w+)", json.dumps(properties[rest[0]]))
        return known(inner[0], rest[1:]) if inner else rest[0] == "p2p_by_peer_type"

    assert [p for p in reports.catalogue() if not known("NatReport", p.split("."))] == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["-T", "nat.maping==EIM"], "nat.mapping"),
        (["-T", "nat.mapping<3"], "no order"),
        (["-T", "nat.mapping==XYZ"], "one of EIM, ADM, APDM, unknown"),
        (["-T", "nat.mapping!=eim"], "one of EIM, ADM, APDM, unknown"),
        (["-T", "nat.present==yes"], "one of true, false"),
        (["-T", "works.p2p_by_peer_type.symmetric==maybe"], "one of yes, no, unknown"),
        (["-T", "lifetime.inbound_refresh==maybe"], "one of yes, no, unknown"),
        (["--tests", "mapping,magic"], "magic"),
        (["--quick", "--full"], "choose one"),
        (["--family", "5"], "4, 6, both"),
        (["--bind", "nowhere"], "--bind"),
        (["stun:host:99999"], "no address"),
        (["--proxy", "socks5://127.0.0.1:1"], "HTTP proxy"),
        (["--proxy", "http://[x"], "no URL"),
        (["--proxy", "a..b:3128"], "no URL"),
        (["--proxy", "http://p:99999"], "no URL"),
        (["--sfu", "https://[x"], "--sfu"),
        (["--sfu", "https://"], "--sfu"),
        (["--sfu", "host:99999"], "--sfu"),
        (["--bind", "192.0.2.77", "stun:127.0.0.1"], "cannot bind"),
    ],
)
def test_invalid_options_are_usage_errors(
    capsys: pytest.CaptureFixture[str], arguments: list[str], says: str
) -> None:
    assert main(["nat-probe", *arguments]) == 2
    assert says in capsys.readouterr().err


def test_no_address_to_send_from_is_no_nat(server: Address) -> None:
    arguments = ["nat-probe", f"stun:{server}", "--quick", "--bind", "0.0.0.0"]
    assert main([*arguments, "-T", "nat.present==false"]) == 0


def test_a_silent_server_is_the_targets_fault(
    capsys: pytest.CaptureFixture[str], server: Address
) -> None:
    closed = Address("127.0.0.3", server.port)
    assert main(["nat-probe", f"stun:{closed}", "--quick", "--timeout", "50ms"]) == 4
    assert "Server" in capsys.readouterr().out


def test_a_name_without_an_address_is_said_without_a_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["nat-probe", "stun:no-such-host.invalid"]) == 4
    captured = capsys.readouterr()
    assert "Server   no-such-host.invalid" in captured.out
    assert "Traceback" not in captured.err


def test_a_redacted_screen_names_no_address_it_sent_from(
    server: Address, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sfukit.probe.environment.facts.usable_addresses", lambda _family: ["192.0.2.7"]
    )
    monkeypatch.setattr("sfukit.probe.nat.run.probe", _nothing_found)
    arguments = ["nat-probe", f"stun:{server}", "--all-interfaces", "--redact"]
    assert main(arguments) == 4
    shown = capsys.readouterr().out
    assert "From     private-" in shown
    assert "192.0.2.7" not in shown


async def _nothing_found(*_: object) -> NatReport:
    return msgspec.structs.replace(behind_a_nat(), exit_code=4)


def test_each_address_of_this_machine_is_probed_by_itself(
    server: Address, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "sfukit.probe.environment.facts.usable_addresses", lambda _family: ["127.0.0.5", "::1"]
    )
    assert main(["nat-probe", f"stun:{server}", "--quick", "--all-interfaces"]) == 0
    shown = capsys.readouterr().out
    assert "From     127.0.0.5" in shown
    assert "has no IPv6 address" in shown
    assert "Changed" not in shown


def test_the_run_is_kept_and_printed_again(
    server: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["nat-probe", f"stun:{server}", "--quick"])
    first = capsys.readouterr().out.splitlines()
    assert main(["report", "last"]) == 0
    assert capsys.readouterr().out.splitlines() == first


def test_each_test_is_explained_with_its_evidence(
    server: Address, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["nat-probe", f"stun:{server}", "--tests", "filtering", "--explain", "-v"]) == 0
    shown = capsys.readouterr().out
    assert "Mapping: does one socket keep one mapped address" in shown
    assert "so: EIF (confidence high)" in shown
    assert "response from 127.0.0.2:" in shown
    assert "mapping.1.III" in shown


def test_without_linux_it_runs_and_says_so(
    server: Address, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(system, "_linux", False)
    tests = "mapping,filtering,alloc,pooling,mtu,frag,path,ports"
    assert main(["nat-probe", f"stun:{server}", "--tests", tests]) == 0
    assert "not_checked: needs Linux" in capsys.readouterr().out


def behind_a_nat() -> NatReport:
    return msgspec.convert(
        {
            "schema": reports.SCHEMA,
            "command": "nat-probe",
            "verdict": "pass",
            "exit_code": 0,
            "started": "2026-01-01T00:00:00+00:00",
            "duration_ms": 1.0,
            "level": "default",
            "servers": [{"name": "stun.example.org:3478", "address": "8.8.8.8:3478"}],
            "local": "192.168.1.9:5000",
            "mapped": [{"server": "8.8.8.8:3478", "address": "9.9.9.9:5000"}],
            "environment": [],
            "ports": [],
            "tests": [],
            "warnings": ["stun.example.org:3478: an answer came from 8.8.4.4:1"],
            "gates": [],
            "nat": {
                "present": True,
                "mapping": "EIM",
                "filtering": "APDF",
                "classic": "port-restricted cone",
                "allocation": {"kind": "port_preservation"},
            },
        },
        NatReport,
    )


def test_a_repeated_probe_says_what_changed() -> None:
    before = behind_a_nat()
    moved = msgspec.structs.replace(
        before, mapped=[reports.Mapped(server="8.8.8.8:3478", address="9.9.9.10:5000")]
    )
    assert nat_probe_text.changes(None, before) == []
    assert nat_probe_text.changes(before, before) == []
    assert nat_probe_text.changes(before, moved) == ["public address: 9.9.9.9 -> 9.9.9.10"]


def test_the_screen_behind_a_usual_nat() -> None:
    lines = [str(line) for line in nat_probe_text.lines(behind_a_nat())]
    assert lines[0] == "NAT      port-restricted cone (EIM / APDF), preserves ports"
    assert lines[1].startswith("Public   9.9.9.9 (CGNAT unknown)")
