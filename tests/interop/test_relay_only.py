"""``sfukit loadtest --relay-only`` through Debian's coturn, by UDP, TCP and TLS."""

import asyncio
import os
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import msgspec
import pytest

from sfukit.loadgen.latency.result import LatencyReport
from tests.conftest import find_program
from tests.integration.loadtest_command import Loadtest
from tests.interop.coturn import LOOPBACK, SECRET, USER, Coturn, coturn, free_ports

pytestmark = pytest.mark.realtime

_OPENSSL = "on Debian: apt-get install openssl"
# Saturation of a busy machine is no failure of the relay.
_MEASURED = (0, 5)
_LOAD = ("-c", "2", "--relay-only", "--warmup", "0.5s", "-d", "2s", "--seed", "7")


def account(server: Coturn, uri: str) -> tuple[str, ...]:
    return ("--turn", uri, "--turn-user", "u", "--turn-password", "p")


def certificate(folder: Path) -> tuple[str, str]:
    cert, key = str(folder / "cert.pem"), str(folder / "key.pem")
    name = ("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1")
    command = [find_program("openssl", _OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes"]
    subprocess.run(
        [*command, "-keyout", key, "-out", cert, "-days", "2", *name],
        check=True,
        capture_output=True,
    )
    return cert, key


@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
async def test_all_media_passes_the_relay(tmp_path: Path, protocol: str) -> None:
    cert, key = certificate(tmp_path)
    files = ("--cert", cert, "--pkey", key)
    with coturn(tmp_path, *USER, LOOPBACK, *files) as server:
        uri = server.tls if protocol == "tls" else f"{server.uri}?transport={protocol}"
        given = (*account(server, uri), "--cacert", cert)
        outcome = await Loadtest(tmp_path)(*_LOAD, *given, "-T", "turn_allocate_ms.count==4")
    report = outcome.measured
    assert outcome.code in _MEASURED, outcome.out
    assert report.metrics["joins"].avg == report.metrics["tracks"].avg == 1.0
    assert report.errors == []
    # each client has a connection for either direction
    assert report.relay is not None
    assert (report.relay.protocol, report.relay.allocations) == (protocol, 4)
    assert report.relay.failures == {}
    assert f"relay           {uri} by {protocol}: 4 allocations (p95 " in outcome.out
    assert "--turn-password '***'" in report.command_line


@pytest.mark.parametrize("protocol", ["udp", "tcp", "tls"])
async def test_a_server_that_names_another_one_is_left_for_it(
    tmp_path: Path, protocol: str
) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    cert, key = certificate(tmp_path)
    options = (*USER, LOOPBACK, "-v", "--cert", cert, "--pkey", key)
    with coturn(folders[1], *options) as second:
        names = (
            f"--alternate-server={second.host}:{second.port}",
            f"--tls-alternate-server={second.host}:{second.tls_port}",
        )
        with coturn(folders[0], *options, *names) as first:
            uri = first.tls if protocol == "tls" else f"{first.uri}?transport={protocol}"
            given = (*account(first, uri), "--cacert", cert, "-c", "3")
            outcome = await Loadtest(tmp_path)(*_LOAD, *given)
            logs = [(folder / "turnserver.log").read_text() for folder in folders]
    report = outcome.measured
    assert outcome.code in _MEASURED, outcome.out
    assert report.metrics["joins"].avg == report.metrics["tracks"].avg == 1.0
    assert report.relay is not None and report.relay.allocations == 6
    assert "error 300" in logs[0] and "ALLOCATE processed, success" in logs[1]
    assert "ALLOCATE processed, success" not in logs[0]


async def test_servers_that_name_each_other_or_are_not_allowed_are_named(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("first", "second")]
    for folder in folders:
        folder.mkdir()
    *_, port = free_ports(9)  # the first server takes the lowest ones
    with coturn(folders[0], *USER, LOOPBACK, f"--alternate-server=127.0.0.1:{port}") as first:
        names = f"--alternate-server=127.0.0.1:{first.port}"
        with coturn(folders[1], *USER, LOOPBACK, names, port=port):
            loop = await Loadtest(tmp_path)(*_LOAD, *account(first, first.udp), "-c", "3")
    with coturn(tmp_path, *USER, LOOPBACK, "--alternate-server=192.0.2.7:3478") as server:
        denied = await Loadtest(tmp_path)(*_LOAD, *account(server, server.udp), "-c", "3")
    for outcome, code, text in (
        (loop, "turn_alternate_loop", "the TURN servers name each other"),
        (denied, "turn_alternate_not_allowed", "--allow-host: 192.0.2.7"),
    ):
        assert outcome.code in (3, 4), outcome.out
        assert outcome.measured.relay is not None
        assert outcome.measured.relay.failures[code] > 0
        assert text in outcome.out


async def test_a_handover_is_a_new_allocation(tmp_path: Path) -> None:
    with coturn(tmp_path, *SECRET, LOOPBACK) as server:
        given = ("--turn", server.udp, "--turn-secret", "north", "--handover", "1s")
        outcome = await Loadtest(tmp_path)(*_LOAD, *given, "-d", "3s")
    report = outcome.measured
    assert outcome.code in _MEASURED, outcome.out
    changes = report.metrics["handovers"]
    assert changes.count and changes.avg == 1.0
    assert report.relay is not None and report.relay.allocations == 4 + changes.count


@pytest.mark.parametrize(
    ("options", "login", "code"),
    [
        ((LOOPBACK,), ("u", "wrong"), "turn_unauthorized"),
        ((LOOPBACK, "--user-quota", "1"), ("u", "p"), "turn_allocation_quota_reached"),
        (("--denied-peer-ip=0.0.0.0-255.255.255.255",), ("u", "p"), "turn_forbidden"),
    ],
)
async def test_failures_are_named_by_their_cause(
    tmp_path: Path, options: tuple[str, ...], login: tuple[str, str], code: str
) -> None:
    with coturn(tmp_path, *USER, *options) as server:
        given = ("--turn", server.udp, "--turn-user", login[0], "--turn-password", login[1])
        outcome = await Loadtest(tmp_path)(*_LOAD, *given)
    report = outcome.measured
    assert outcome.code in (3, 4), outcome.out
    assert report.relay is not None and report.relay.failures[code] > 0
    assert code in {one.code for one in report.errors}


async def test_a_certificate_that_is_not_trusted_and_a_closed_port_are_named(
    tmp_path: Path,
) -> None:
    cert, key = certificate(tmp_path)
    with coturn(tmp_path, *USER, LOOPBACK, "--cert", cert, "--pkey", key) as server:
        untrusted = await Loadtest(tmp_path)(*_LOAD, *account(server, server.tls))
    assert untrusted.code == 4, untrusted.out
    assert "self signed certificate (turn_tls_failed)" in untrusted.out.replace("self-", "self ")
    closed = await Loadtest(tmp_path)(*_LOAD, *account(server, f"{server.uri}?transport=tcp"))
    assert closed.code == 4, closed.out
    assert "refused the TCP connection (turn_connection_refused)" in closed.out


async def test_some_clients_of_a_scenario_file_pass_the_relay(tmp_path: Path) -> None:
    load = tmp_path / "load.toml"
    load.write_text(
        '[[group]]\nname = "direct"\nclients = 1\n'
        '[[group]]\nname = "relayed"\nclients = 1\nrelay_only = true\n'
    )
    pages = {name: tmp_path / f"report.{name}" for name in ("html", "md")}
    written = ("--html", str(pages["html"]), "--markdown", str(pages["md"]))
    window = ("--warmup", "0.5s", "-d", "2s", "--seed", "7")
    with coturn(tmp_path, *USER, LOOPBACK) as server:
        given = (*account(server, server.udp), "--scenario", str(load))
        outcome = await Loadtest(tmp_path)(*window, *given, *written)
    report = outcome.measured
    assert outcome.code in _MEASURED, outcome.out
    assert report.relay is not None
    assert (report.relay.clients, report.relay.allocations) == (1, 2)
    assert report.metrics["tracks"].avg == 1.0
    for text in (outcome.out, *(page.read_text() for page in pages.values())):
        assert "2 allocations (p95" in text.replace("\\", "")
        assert "for 1 of 2 clients" in text
        assert "--turn-password p" not in text


async def test_latency_is_measured_through_the_relay(tmp_path: Path) -> None:
    page = tmp_path / "latency.html"
    with coturn(tmp_path, *USER, LOOPBACK) as server:
        relayed = ("--relay-only", *account(server, server.udp))
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sfukit", "latency", "-d", "2s", "--seed", "7"),
            *(*relayed, "--json", str(tmp_path / "run.json"), "--html", str(page)),
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        )
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    assert process.returncode in _MEASURED, out + err
    report = msgspec.json.decode((tmp_path / "run.json").read_bytes(), type=LatencyReport)
    assert report.relay is not None
    assert (report.relay.clients, report.relay.allocations) == (2, 2)
    assert report.metrics["e2e_frame_ms"].count > 20
    assert f"{server.udp} by udp: 2 allocations" in out.decode()
    assert f"{server.udp} by udp: 2 allocations" in page.read_text()
