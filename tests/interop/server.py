"""`sfukit serve` as a process of its own, as a user runs it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

READY_S = 20.0


@dataclass(frozen=True)
class Server:
    """A running server and where it listens."""

    http: str
    udp_port: int
    log: Path

    def url(self, path: str) -> str:
        return f"{self.http}{path}"

    @property
    def websocket(self) -> str:
        return self.http.replace("http", "ws", 1) + "/ws"

    def rooms(self) -> Any:
        """What the server knows of its rooms."""
        return httpx.get(self.url("/debug/rooms")).raise_for_status().json()


@contextlib.contextmanager
def serving(
    folder: Path, *options: str, host: str = "127.0.0.1", prefix: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server until the block ends; its output is kept in `folder`."""
    http_port, udp_port = free_port(socket.SOCK_STREAM), free_port(socket.SOCK_DGRAM)
    log = folder / f"serve-{http_port}.log"
    command = [*prefix, sys.executable, "-m", "sfukit", "serve", "--http", f"{host}:{http_port}"]
    with log.open("w") as sink:
        process = subprocess.Popen(
            [*command, "--udp-port", str(udp_port), *options],
            stdout=sink,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    server = Server(f"http://{host}:{http_port}", udp_port, log)
    try:
        wait_ready(process, server, prefix)
        yield server
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(READY_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"serve did not stop on SIGINT: {log.read_text()}") from None


def wait_ready(process: subprocess.Popen[bytes], server: Server, prefix: Sequence[str]) -> None:
    probe = (
        "import httpx, sys; sys.exit(httpx.get(sys.argv[1], trust_env=False).status_code != 200)"
    )
    end = time.monotonic() + READY_S
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(f"serve ended with {process.returncode}: {server.log.read_text()}")
        asked = [*prefix, sys.executable, "-c", probe, server.url("/livez")]
        if subprocess.run(asked, stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
    raise AssertionError(f"serve is not ready after {READY_S} s: {server.log.read_text()}")


def free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
