"""The sockets of a run, whose ports are new to a NAT."""

import socket

import pytest

from sfukit.probe.nat.context import Context
from sfukit.probe.nat.options import Options
from sfukit.probe.stun import udp

LOOPBACK = "127.0.0.1"


def _draw(monkeypatch: pytest.MonkeyPatch, ports: list[int]) -> None:
    """Let the kernel give these ports, one after the other."""
    bind = udp._bound

    def bound(ip: str, port: int) -> socket.socket:
        return bind(ip, port or ports.pop(0))

    monkeypatch.setattr(udp, "_bound", bound)


def _free_ports() -> tuple[int, int]:
    with socket.socket(type=socket.SOCK_DGRAM) as one, socket.socket(type=socket.SOCK_DGRAM) as two:
        one.bind((LOOPBACK, 0))
        two.bind((LOOPBACK, 0))
        return one.getsockname()[1], two.getsockname()[1]


async def test_a_port_that_the_run_has_had_is_not_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = _free_ports()
    _draw(monkeypatch, [first, first, first, second])
    context = Context(Options(servers=[]), LOOPBACK)
    with context.socket() as used:
        assert used.local.port == first
    with context.socket() as fresh:
        assert fresh.local.port == second


async def test_a_requested_port_is_used_again() -> None:
    port, _ = _free_ports()
    context = Context(Options(servers=[]), LOOPBACK)
    for _ in range(2):
        with context.socket(port) as socket_:
            assert socket_.local.port == port
