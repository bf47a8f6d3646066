"""Each diagnostic command with the facilities of Linux disabled.

An audit hook ends the process of a command when ``sfukit.probe`` opens ``/proc`` or ``/sys``.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.interop.coturn import LOOPBACK, USER, coturn
from tests.interop.server import Server
from tests.ready import first_document

FIXTURES = Path(__file__).parents[1] / "fixtures" / "ice"
_RUN_S = 60.0

WITHOUT_LINUX = """
import os, sys
from sfukit.probe import system
system._linux = False
def audit(event, arguments):
    if event != "open" or not str(arguments[0]).startswith(("/proc/", "/sys/", "/run/netns")):
        return
    frame = sys._getframe(1)
    while frame is not None:
        if os.sep + os.path.join("sfukit", "probe") + os.sep in frame.f_code.co_filename:
            os.write(2, f"opened {arguments[0]}\\n".encode())
            os._exit(99)
        frame = frame.f_back
sys.addaudithook(audit)
from sfukit.cli.app import main
sys.exit(main(sys.argv[1:]))
"""


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", WITHOUT_LINUX, *arguments]


@pytest.fixture
def run_without_linux(tmp_path: Path) -> Callable[..., tuple[int, str]]:
    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            command(*arguments),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_RUN_S,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        )
        assert "Traceback" not in done.stdout
        return done.returncode, done.stdout

    return run


@pytest.fixture
def stun_uri() -> Iterator[str]:
    both = ("--listen", "127.0.0.1", "--listen", "127.0.0.2", "--port", "0")
    serving = command("stun-serve", *both, "--alternate-port", "0", "--json", "-")
    with subprocess.Popen(
        serving, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as running:
        assert running.stdout is not None
        try:
            yield f"stun:{first_document(running.stdout)['addresses'][0]}"
        finally:
            running.send_signal(signal.SIGTERM)
    assert running.returncode == 0


def test_the_audit_hook_ends_the_process() -> None:
    reading = "import sfukit.probe.environment.facts as f; f._text('/proc/net/route')"
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_LINUX.replace("from sfukit.cli.app import main", reading)],
        capture_output=True,
        text=True,
        timeout=_RUN_S,
    )
    assert (done.returncode, done.stderr) == (99, "opened /proc/net/route\n")


def test_nat_probe_and_stun_serve(
    run_without_linux: Callable[..., tuple[int, str]], stun_uri: str
) -> None:
    tests = "mapping,filtering,alloc,hairpin,pooling,mtu,frag,path,portmap,ports,ipv6"
    code, text = run_without_linux("nat-probe", stun_uri, "--tests", tests)
    assert code == 0, text
    assert "none: servers see this machine's own address" in text
    assert "not_checked: needs Linux" in text


def test_turn_probe(run_without_linux: Callable[..., tuple[int, str]], tmp_path: Path) -> None:
    with coturn(tmp_path, *USER, LOOPBACK) as server:
        code, text = run_without_linux("turn-probe", server.uri, "--user", "u", "--password", "p")
    assert code == 0, text
    assert "2 of 2 variants relay" in text


def test_check(run_without_linux: Callable[..., tuple[int, str]], server: Server) -> None:
    code, text = run_without_linux("check", server.http)
    assert code == 0, text
    assert "PASS" in text


@pytest.mark.parametrize("name", ["no-udp.internals.json", "connected.offer.sdp"])
def test_ice_explain(run_without_linux: Callable[..., tuple[int, str]], name: str) -> None:
    code, text = run_without_linux("ice-explain", str(FIXTURES / name))
    assert code == (3 if name.startswith("no-udp") else 0), text


def test_nat_lab_simulates_and_refuses_namespaces(
    run_without_linux: Callable[..., tuple[int, str]],
) -> None:
    code, text = run_without_linux("nat-lab", "matrix", "--runs", "100")
    assert code == 0, text
    assert "pairs met" in text
    code, text = run_without_linux("nat-lab", "matrix", "--backend", "netns", "--runs", "1")
    assert code == 2, text
    assert "needs Linux" in text
    assert "--backend sim" in text
