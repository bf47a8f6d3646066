"""The causes that `sfukit turn-probe` names, each provoked with coturn or with a faulty stub.

`python -m tests.interop.turn_causes` prints the table; test_turn_probe.py runs each row as a test.
"""

import contextlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.certificates import self_signed
from tests.interop.command import CommandResult, Invocation, run
from tests.interop.coturn import LOOPBACK, SECRET, USER, coturn, free_ports
from tests.interop.namespace import ADDRESS, namespace
from tests.interop.turn_stub import TurnStub

_LOGIN = ("--user", "u", "--password", "p")
_RELAY_PORTS = ("--min-port", "62000", "--max-port", "62100")


Provoke = Callable[[Path], contextlib.AbstractContextManager[Invocation]]


@dataclass(frozen=True)
class Case:
    """A failure with its cause, its stage and exit code, and the context that provokes it."""

    name: str
    cause: str
    stage: str
    exit_code: int
    provoke: Provoke
    needs_namespace: bool = False


CASES: list[Case] = []


def case(
    cause: str, stage: str, exit_code: int = 3, *, needs_namespace: bool = False
) -> Callable[[Callable[[Path], Iterator[Invocation]]], None]:
    """Register a case in `CASES`."""

    def register(provoke: Callable[[Path], Iterator[Invocation]]) -> None:
        name = provoke.__name__.strip("_")
        manager = contextlib.contextmanager(provoke)
        CASES.append(Case(name, cause, stage, exit_code, manager, needs_namespace))

    return register


# --- credentials ---------------------------------------------------------------------------------


@case("credentials_missing", "auth")
def no_credentials(folder: Path) -> Iterator[Invocation]:
    with coturn(folder, *USER, LOOPBACK) as server:
        yield Invocation([server.udp])


@case("wrong_password_or_secret", "auth")
def wrong_password(folder: Path) -> Iterator[Invocation]:
    with coturn(folder, *USER, LOOPBACK) as server:
        yield Invocation([server.udp, "--user", "u", "--password", "not-p"])


@case("wrong_password_or_secret", "auth")
def wrong_secret(folder: Path) -> Iterator[Invocation]:
    with coturn(folder, *SECRET, LOOPBACK) as server:
        yield Invocation([server.udp, "--secret", "south"])


@case("credential_expired", "auth")
def expired_credential(folder: Path) -> Iterator[Invocation]:
    with coturn(folder, *SECRET, LOOPBACK) as server:
        ended = str(int(time.time()) - 60)
        yield Invocation([server.udp, "--user", f"{ended}:ann", "--password", "whatever"])


@case("clock_skew", "auth")
def clock_that_is_a_day_behind(folder: Path) -> Iterator[Invocation]:
    with coturn(folder, *SECRET, LOOPBACK) as server:
        yield Invocation([server.udp, "--secret", "north"], program=("-c", _WITH_CLOCK, "-86400"))


@case("realm_missing", "unauthenticated")
def no_realm(folder: Path) -> Iterator[Invocation]:
    with TurnStub("no_realm") as stub:
        yield Invocation([stub.uri, *_LOGIN])


# --- allocation and relay ------------------------------------------------------------------------


@case("quota_486", "allocate")
def quota_used_up(folder: Path) -> Iterator[Invocation]:
    with coturn(folder, *USER, LOOPBACK, "--user-quota", "1") as server, held(server.udp):
        yield Invocation([server.udp, *_LOGIN])


@case("denied_peer_403", "permission")
def peer_denied(folder: Path) -> Iterator[Invocation]:
    with coturn(folder, *USER) as server:  # without loopback peers
        yield Invocation([server.udp, *_LOGIN])


@case("relay_address_private", "allocate", needs_namespace=True)
def private_relay_address(folder: Path) -> Iterator[Invocation]:
    with (
        namespace() as network,
        coturn(
            folder, *USER, LOOPBACK, "-E", "127.0.0.1", host=ADDRESS, prefix=network.prefix
        ) as server,
    ):
        yield Invocation([server.udp, *_LOGIN], network.prefix)


@case("relay_ports_blocked", "echo", needs_namespace=True)
def relay_ports_blocked_inwards(folder: Path) -> Iterator[Invocation]:
    yield from _blocked(folder, "udp dport 62000-62100 drop")


@case("relay_ports_blocked", "echo", needs_namespace=True)
def relay_ports_blocked_both_ways(folder: Path) -> Iterator[Invocation]:
    yield from _blocked(folder, "udp dport 62000-62100 drop; udp sport 62000-62100 drop")


@case("peer_silent", "echo")
def named_peer_that_is_silent(folder: Path) -> Iterator[Invocation]:
    with (
        coturn(folder, *USER, LOOPBACK) as server,
        socket.socket(type=socket.SOCK_DGRAM) as silent,
    ):
        silent.bind(("127.0.0.1", 0))
        yield Invocation([server.udp, *_LOGIN, "--peer", f"127.0.0.1:{silent.getsockname()[1]}"])


def _blocked(folder: Path, rules: str) -> Iterator[Invocation]:
    with namespace() as network:
        network.firewall(rules)
        server = coturn(folder, *USER, *_RELAY_PORTS, host=ADDRESS, prefix=network.prefix)
        with server as running:
            yield Invocation([running.udp, *_LOGIN], network.prefix)


# --- the way there -------------------------------------------------------------------------------


@case("name_unknown", "dns", 4)
def unknown_name(folder: Path) -> Iterator[Invocation]:
    yield Invocation(["turn:no-such-host.invalid?transport=udp", *_LOGIN])


@case("port_closed", "connect", 4)
def closed_udp_port(folder: Path) -> Iterator[Invocation]:
    yield Invocation([f"turn:127.0.0.1:{free_ports(1)[0]}?transport=udp", *_LOGIN])


@case("port_closed", "connect", 4)
def closed_tcp_port(folder: Path) -> Iterator[Invocation]:
    yield Invocation([f"turn:127.0.0.1:{free_ports(1)[0]}?transport=tcp", *_LOGIN])


@case("no_answer", "unauthenticated", 4)
def silent_udp_port(folder: Path) -> Iterator[Invocation]:
    with socket.socket(type=socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        yield Invocation([f"turn:127.0.0.1:{port}?transport=udp", *_LOGIN, "--timeout", "1s"])


@case("not_turn", "unauthenticated", 4)
def web_server(folder: Path) -> Iterator[Invocation]:
    with TurnStub("http") as stub:
        yield Invocation([f"turn:127.0.0.1:{stub.port}?transport=tcp", *_LOGIN, "--timeout", "1s"])


@case("not_turn", "connect", 4)
def nonsense(folder: Path) -> Iterator[Invocation]:
    with TurnStub("nonsense") as stub:
        yield Invocation([stub.uri, *_LOGIN, "--timeout", "1s"])


@case("certificate_untrusted", "tls", 4)
def untrusted_certificate(folder: Path) -> Iterator[Invocation]:
    cert, key = self_signed(folder)
    options = ("--cert", str(cert), "--pkey", str(key))
    with coturn(folder, *USER, LOOPBACK, *options) as server:
        yield Invocation([server.tls, *_LOGIN])


@case("certificate_name", "tls", 4)
def certificate_of_another(folder: Path) -> Iterator[Invocation]:
    cert, key = self_signed(folder, "DNS:elsewhere.example")
    options = ("--cert", str(cert), "--pkey", str(key))
    with coturn(folder, *USER, LOOPBACK, *options) as server:
        yield Invocation([server.tls, *_LOGIN, "--ca", str(cert)])


@case("certificate_expired", "tls", 4)
def expired_certificate(folder: Path) -> Iterator[Invocation]:
    cert, key = self_signed(folder, days=-1)
    options = ("--cert", str(cert), "--pkey", str(key))
    with coturn(folder, *USER, LOOPBACK, *options) as server:
        yield Invocation([server.tls, *_LOGIN, "--ca", str(cert)])


@case("no_tls", "tls", 4)
def no_tls_there(folder: Path) -> Iterator[Invocation]:
    with TurnStub("http") as stub:
        yield Invocation([f"turns:127.0.0.1:{stub.port}", *_LOGIN])


# --- running one ---------------------------------------------------------------------------------


def failure(result: CommandResult) -> tuple[str, str]:
    """Return the failed stage, and the cause without its parameters."""
    for step in result.report["servers"][0]["variants"][0]["steps"]:
        if step["state"] == "failed":
            return step["name"], step["cause"].partition("(")[0]
    return "", ""


_WITH_CLOCK = """
import sys, time
shift, true_time = float(sys.argv.pop(1)), time.time
time.time = lambda: true_time() + shift
from sfukit.cli.app import main
sys.exit(main(sys.argv[1:]))
"""


@contextlib.contextmanager
def held(uri: str) -> Iterator[None]:
    """Hold one allocation of user u."""
    script = (
        "import asyncio, sys\n"
        "from sfukit.probe.turn import allocate, connection, options\n"
        "from sfukit.turn import uri\n"
        "from sfukit.turn.credentials import Login\n"
        "from sfukit.probe.steps import StepRecorder\n"
        "async def hold():\n"
        "    wanted = options.TurnOptions(login=Login('u', 'p'))\n"
        "    server = uri.parse(sys.argv[1]).endpoint('udp')\n"
        "    connected = await connection.connect(StepRecorder(), 'udp', server, wanted)\n"
        "    await allocate.allocate_unrecorded(connected.client, wanted)\n"
        "    print('held', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(hold())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, uri], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == b"held\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def main() -> None:
    """Print the table."""
    print(f"{'provoked':<32}{'stage':<17}{'named':<30}{'exit':<5}right")
    for one in CASES:
        with tempfile.TemporaryDirectory() as name, one.provoke(Path(name)) as invocation:
            result = run("turn-probe", invocation, Path(name))
        stage, cause = failure(result)
        right = (stage, cause, result.exit_code) == (one.stage, one.cause, one.exit_code)
        print(
            f"{one.name:<32}{stage:<17}{cause:<30}{result.exit_code:<5}{'yes' if right else 'NO'}"
        )


if __name__ == "__main__":
    main()
