"""``sfukit turn-probe`` against coturn: relaying, and the cause of each failure."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sfukit.probe.turn.internal_peers import RANGES_4, RANGES_6
from tests.certificates import self_signed
from tests.conftest import absent, in_namespaces
from tests.interop import command
from tests.interop.command import CommandResult, Invocation, interrupted
from tests.interop.coturn import LOOPBACK, SECRET, USER, coturn
from tests.interop.turn_causes import CASES, Case, failure
from tests.interop.turn_stub import TurnStub

SHIPPED = Path(__file__).parents[2] / "deploy" / "coturn" / "turnserver.conf"
LOGIN = ("--user", "u", "--password", "p")


def run(folder: Path, *arguments: str) -> CommandResult:
    return command.run("turn-probe", Invocation(arguments), folder)


def variants(result: CommandResult) -> list[Any]:
    return [variant for server in result.report["servers"] for variant in server["variants"]]


@pytest.mark.parametrize("case", in_namespaces(CASES))
def test_the_cause_of_each_failure(case: Case, tmp_path: Path) -> None:
    with case.provoke(tmp_path) as invocation:
        result = command.run("turn-probe", invocation, tmp_path)
    assert failure(result) == (case.stage, case.cause)
    assert result.exit_code == case.exit_code
    assert "Traceback" not in result.text
    assert f"FAILED  at {case.stage}: {case.cause}" in result.text


def test_an_expired_credential_has_its_age(tmp_path: Path) -> None:
    expired = next(case for case in CASES if case.name == "expired_credential")
    with expired.provoke(tmp_path) as invocation:
        result = command.run("turn-probe", invocation, tmp_path)
    [variant] = variants(result)
    ago = int(variant["cause"].removeprefix("credential_expired(").removesuffix("s ago)"))
    assert 60 <= ago < 75


def test_every_variant_relays(tmp_path: Path) -> None:
    cert, key = self_signed(tmp_path)
    with coturn(tmp_path, *USER, LOOPBACK, "--cert", str(cert), "--pkey", str(key)) as server:
        result = run(tmp_path, server.uri, server.tls, *LOGIN, "--ca", str(cert))
    assert result.exit_code == 0, result.text
    assert [one["variant"] for one in variants(result)] == ["udp", "tcp", "tls"]
    for variant in variants(result):
        names = [step["name"] for step in variant["steps"] if step["state"] == "ok"]
        assert names[-6:] == ["allocate", "permission", "channel", "echo", "refresh", "delete"]
        assert all(step["ms"] is not None for step in variant["steps"] if step["state"] == "ok")
        figures = variant["figures"]
        assert (figures["received"], figures["loss"]) == (50, 0.0)
        assert 0 < figures["rtt_ms"]["p50"] <= figures["rtt_ms"]["p99"]
    assert "PASS    3 of 3 variants relay" in result.text


def test_ipv6(tmp_path: Path) -> None:
    if not has_ipv6():
        absent("IPv6 on loopback", "give the machine ::1")
    with coturn(tmp_path, *USER, LOOPBACK, host="::1") as server:
        result = run(tmp_path, server.uri, *LOGIN)
        examined = run(tmp_path, server.udp, *LOGIN, "--security")
    states = {one["name"]: one["state"] for one in variants(examined)[0]["security"]}
    assert states["loopback_6"] == "bad"
    assert result.exit_code == 0, result.text
    assert {one["relay_address"].rpartition(":")[0] for one in variants(result)} == {"[::1]"}


def has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6) as probing:
        try:
            probing.bind(("::1", 0))
        except OSError:
            return False
    return True


def test_credentials_of_a_shared_secret(tmp_path: Path) -> None:
    with coturn(tmp_path, *SECRET, LOOPBACK) as server:
        result = run(tmp_path, server.udp, "--secret", "north", "--user", "ann")
    assert result.exit_code == 0, result.text
    assert "north" not in json.dumps(result.report)


def test_throughput_allocations_and_gates(tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, LOOPBACK) as server:
        result = run(
            tmp_path, server.udp, *LOGIN, "--throughput", "--rate", "2M", "--duration", "1s",
            "--allocations", "100", "-T", "relay.loss<1%", "-T", "relay.bitrate_bps>1.5M",
        )  # fmt: skip
    assert result.exit_code == 0, result.text
    [variant] = variants(result)
    assert variant["allocations"]["granted"] == 100
    assert variant["throughput"]["bitrate_bps"] == pytest.approx(2e6, rel=0.2)
    assert [gate["ok"] for gate in result.report["gates"]] == [True, True]


def test_the_cause_of_a_quota(tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, LOOPBACK, "--user-quota", "4") as server:
        result = run(tmp_path, server.udp, *LOGIN, "--allocations", "10")
    assert result.exit_code == 3
    [variant] = variants(result)
    assert variant["allocations"]["granted"] == 3  # the probe has one already
    assert variant["allocations"]["causes"] == {"quota_486": 7}


def test_a_gate_that_is_not_met_fails(tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, LOOPBACK) as server:
        result = run(tmp_path, server.udp, *LOGIN, "-T", "relay.rtt_ms.p95<0.0001ms")
    assert result.exit_code == 3
    assert "NOT MET" in result.text


def test_security_of_an_open_relay(tmp_path: Path) -> None:
    with coturn(tmp_path, "--no-auth", LOOPBACK) as server:
        result = run(tmp_path, server.udp, "--security")
    [variant] = variants(result)
    assert variant["relays"]
    found = {finding["name"]: finding["state"] for finding in variant["security"]}
    assert found["anonymous"] == "bad"
    assert found["loopback"] == "bad"
    assert found["metadata"] == "bad"
    assert result.exit_code == 3


def test_security_of_a_server_that_denies_private_peers(tmp_path: Path) -> None:
    denied = [
        f"--denied-peer-ip={block}"
        for block in (
            "0.0.0.0-0.255.255.255", "10.0.0.0-10.255.255.255", "100.64.0.0-100.127.255.255",
            "169.254.0.0-169.254.255.255", "172.16.0.0-172.31.255.255",
            "192.168.0.0-192.168.255.255", "240.0.0.0-255.255.255.255",
        )
    ]  # fmt: skip
    with coturn(tmp_path, *USER, LOOPBACK, "--no-multicast-peers", *denied) as server:
        result = run(tmp_path, server.udp, *LOGIN, "--security")
    [variant] = variants(result)
    bad = [finding["name"] for finding in variant["security"] if finding["state"] == "bad"]
    assert bad == ["loopback"]  # the peer of this test


def test_the_shipped_configuration_denies_internal_peers_and_has_quotas(tmp_path: Path) -> None:
    families = ("-E", "127.0.0.1", *(("-E", "::1") if has_ipv6() else ()))
    secret = ("--static-auth-secret", "north")
    with coturn(tmp_path, *secret, *families, configuration=SHIPPED) as server:
        result = run(tmp_path, server.uri, "--secret", "north", "--security")
        login = ("--secret", "north", "--user", "ann", "--security")
        many = run(tmp_path, server.udp, *login, "--allocations", "40")
    assert result.exit_code == 0, result.text
    for variant in variants(result):
        assert variant["relays"] is None  # its peer is on loopback
        states = {finding["name"]: finding["state"] for finding in variant["security"]}
        assert set(states.values()) == {"ok"}, result.text
        assert {one.name for one in RANGES_4} <= set(states)
        assert not has_ipv6() or {one.name for one in RANGES_6} <= set(states)
    assert "security denies loopback 127.0.0.0/8, this host 0.0.0.0/8" in result.text
    assert "security allows" not in result.text
    assert "0 of 2 variants relay, 2 not tested" in result.text
    [variant] = variants(many)
    granted = variant["allocations"]["granted"]
    assert 21 <= granted <= 23  # user-quota=24; the probe has one, and had one more for IPv6
    assert variant["allocations"]["causes"] == {"quota_486": 40 - granted}


def test_the_shipped_configuration_accepts_no_credential_before_it_has_a_secret(
    tmp_path: Path,
) -> None:
    with coturn(tmp_path, configuration=SHIPPED) as server:
        result = run(tmp_path, server.udp, "--secret", "north")
        anonymous = run(tmp_path, server.udp)
    assert failure(result) == ("auth", "wrong_password_or_secret")
    assert failure(anonymous) == ("auth", "credentials_missing")


def test_one_of_two_variants_fails(tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, LOOPBACK, "--no-tcp") as server:
        result = run(tmp_path, server.uri, *LOGIN)
    assert [variant["relays"] for variant in variants(result)] == [True, False]
    assert result.exit_code == 3
    assert "1 of 2 variants relay" in result.text


def test_without_udp_a_second_relay_is_the_peer(tmp_path: Path) -> None:
    """A TCP port mapped by a proxy: UDP does not reach the server."""
    script = Path(__file__).parent / "tcp_proxy.py"
    with coturn(tmp_path, *USER, LOOPBACK) as server:
        command = [sys.executable, str(script), str(server.port), "127.0.0.2"]
        proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert proxy.stdout is not None
        try:
            port = proxy.stdout.readline().strip()
            result = run(tmp_path, f"turn:127.0.0.1:{port}?transport=tcp", *LOGIN)
        finally:
            proxy.kill()
            proxy.wait()
            proxy.stdout.close()
    [variant] = variants(result)
    assert result.exit_code == 0, result.text
    assert variant["peer"] != variant["relay_address"]


@pytest.mark.parametrize(
    ("behaviour", "cause"),
    [
        ("truncated", "not_turn"),
        ("short_error", "not_turn"),
        ("short_lifetime", "not_turn"),
        ("error_without_code", "refused_0"),
        ("success_without_relay", "answer_incomplete"),
        ("other_transaction", "no_answer"),
        ("giant", "server_error_500"),
        ("redirect", "try_alternate_300"),
    ],
)
def test_faulty_responses(behaviour: str, cause: str, tmp_path: Path) -> None:
    with TurnStub(behaviour) as stub:
        result = run(tmp_path, stub.uri, *LOGIN, "--timeout", "1s")
    assert failure(result)[1] == cause, result.text
    assert result.exit_code in (3, 4)
    assert "Traceback" not in result.text
    assert "\x1b" not in result.text


def test_sigint_writes_the_report(tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, LOOPBACK) as server:
        load = ("--throughput", "--duration", "60s")
        invocation = Invocation([server.uri, *LOGIN, *load])
        result = interrupted("turn-probe", invocation, tmp_path, after="probe")
    assert result.exit_code == 130
    [variant] = variants(result)
    assert variant["cause"] == "interrupted"
    assert "INTERRUPTED" in result.text
