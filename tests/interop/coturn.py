"""Debian's coturn as a process, on free ports."""

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import find_program

_READY_S = 15.0
_READY = b"(admin thread)"
_HOW = "on Debian: apt-get install coturn"
USER = ("--lt-cred-mech", "-u", "u:p")
SECRET = ("--use-auth-secret", "--static-auth-secret", "north")
LOOPBACK = "--allow-loopback-peers"


@dataclass(frozen=True)
class Coturn:
    """A running server with its address and ports."""

    host: str
    port: int
    tls_port: int

    @property
    def uri(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"turn:{host}:{self.port}"

    @property
    def udp(self) -> str:
        return f"{self.uri}?transport=udp"

    @property
    def tls(self) -> str:
        return f"turns:{self.host}:{self.tls_port}"


@contextlib.contextmanager
def coturn(
    folder: Path,
    *options: str,
    host: str = "127.0.0.1",
    second_host: str | None = None,
    port: int | None = None,
    prefix: Sequence[str] = (),
    configuration: Path | None = None,
) -> Iterator[Coturn]:
    """Run a server until the block ends; `prefix` is a command to run it under.

    A second address enables NAT behaviour discovery (RFC 5780). The port is a free one by default.
    `configuration` is a file of options.
    """
    free_port, tls_port, alternate_port = free_ports(3)
    port = port or free_port
    configured = ("-n",) if configuration is None else ("-c", str(configuration))
    command = [
        *prefix, find_program("turnserver", _HOW),
        *configured, "-L", host, "-p", str(port),
        "--tls-listening-port", str(tls_port), "--no-cli", "-r", "lab", "--simple-log",
        "--pidfile", str(folder / "turnserver.pid"), "--userdb", str(folder / "turndb"),
    ]  # fmt: skip
    if second_host is None:
        command.append("--no-rfc5780")
    else:
        command += ["-L", second_host, "--alt-listening-port", str(alternate_port)]
    if "--cert" not in options:
        command += ["--no-tls", "--no-dtls"]
    log = folder / "turnserver.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [*command, "--log-file", "stdout", *options], stdout=sink, stderr=sink
        )
    try:
        _until_ready(process, log)
        yield Coturn(host, port, tls_port)
    finally:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Return ports that are free now, below the ephemeral ports of the kernel."""
    with contextlib.ExitStack() as held:
        sockets = []
        candidate = 20_000 + os.getpid() % 5_000
        while len(sockets) < count:
            candidate += 1
            tcp = held.enter_context(socket.socket())
            udp = held.enter_context(socket.socket(type=socket.SOCK_DGRAM))
            try:
                tcp.bind(("127.0.0.1", candidate))
                udp.bind(("127.0.0.1", candidate))
            except OSError:
                continue
            sockets.append(candidate)
        return sockets


def _until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for the log line that follows the start of the listeners."""
    deadline = time.monotonic() + _READY_S
    while _READY not in log.read_bytes():
        assert process.poll() is None, f"coturn ended: {log.read_text()}"
        assert time.monotonic() < deadline, f"coturn is not ready: {log.read_text()}"
        time.sleep(0.02)
