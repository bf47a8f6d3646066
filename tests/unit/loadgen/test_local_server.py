"""The process that listens at the address of a target."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sfukit.loadgen.host import local_server

LISTEN = """
import socket, sys
with socket.create_server((sys.argv[1], 0), family=int(sys.argv[2])) as listener:
    print(listener.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@contextmanager
def listening(host: str) -> Iterator[tuple[int, int]]:
    """Run a process that listens; yields its pid and port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    command = [sys.executable, "-c", LISTEN, host, str(int(family))]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield process.pid, int(process.stdout.readline())
        process.kill()


@pytest.mark.parametrize(
    ("bound", "host"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "localhost"), ("::1", "[::1]")],
)
async def test_a_server_on_this_machine_is_found(bound: str, host: str) -> None:
    with listening(bound) as (pid, port):
        found = await local_server.find(f"ws://{host}:{port}/janus")
        assert found is not None
        assert found.pid == pid
        assert found.name.startswith("python")
        # 203.0.113.77 is no address of this machine, whose socket may accept any
        for other in ("127.0.0.2", "203.0.113.77") if bound == "127.0.0.1" else ("203.0.113.77",):
            assert await local_server.find(f"http://{other}:{port}") is None
    assert await local_server.find(f"ws://{host}:{port}/janus") is None


async def test_a_server_in_this_process_and_urls_without_port_are_not_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        assert await local_server.find(f"http://127.0.0.1:{listener.getsockname()[1]}") is None
    assert await local_server.find("x://127.0.0.1") is None
