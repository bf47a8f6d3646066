"""``nat-probe`` against coturn, a STUN server with two addresses that nobody here wrote."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from sfukit.probe.nat.options import Options, chosen_tests
from sfukit.probe.nat.report import NatReport
from sfukit.probe.nat.run import probe
from sfukit.probe.resolve import Address, Endpoint
from sfukit.probe.stun.udp import StunSocket


@pytest.fixture
def turnserver(program: Callable[[str, str], str]) -> str:
    return program("turnserver", "on Debian: apt-get install coturn")


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextlib.asynccontextmanager
async def coturn(turnserver: str, folder: Path, *options: str) -> AsyncIterator[int]:
    """Run it until left; ready when it answers."""
    port, alternate = free_port(), free_port()
    process = await asyncio.create_subprocess_exec(
        *(turnserver, "-n", "-L", "127.0.0.1", "-L", "127.0.0.2", "-p", str(port)),
        *("--alt-listening-port", str(alternate), "--no-cli", "--no-tls", "--no-dtls"),
        *("--lt-cred-mech", "-u", "u:p", "-r", "lab", "--log-file", str(folder / "log")),
        *("--pidfile", str(folder / "pid"), "--userdb", str(folder / "db"), *options),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        with StunSocket("127.0.0.1") as asking:
            async with asyncio.timeout(10):
                # a closed port is refused at once: look again until it listens
                while True:
                    if (await asking.ask(Address("127.0.0.1", port))).answered:
                        break
                    await asyncio.sleep(0.05)
        yield port
    finally:
        process.terminate()
        await process.wait()


async def run(ip: str, port: int) -> NatReport:
    options = Options(
        servers=[Endpoint(ip, port)], tests=chosen_tests("mapping,filtering,frag", "default")
    )
    return await probe(options, lambda _text: None)


async def test_the_whole_behaviour_is_told_by_its_first_address(
    turnserver: str, tmp_path: Path
) -> None:
    async with coturn(turnserver, tmp_path) as port:
        report = await run("127.0.0.1", port)
    assert (report.nat.mapping, report.nat.filtering) == ("EIM", "EIF")
    assert report.servers[0].rfc5780
    assert report.exit_code == 0


async def test_asked_at_its_second_address_it_names_itself_and_is_not_believed(
    turnserver: str, tmp_path: Path
) -> None:
    async with coturn(turnserver, tmp_path) as port:
        report = await run("127.0.0.2", port)
    assert report.servers[0].quirks == ["other_address_is_its_own"]
    assert report.nat.filtering == "unknown"
