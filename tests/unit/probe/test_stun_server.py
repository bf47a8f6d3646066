"""The sockets of ``sfukit stun-serve``: a free port is free for UDP and TCP, on both addresses."""

import socket
from collections.abc import Iterator

import pytest

from sfukit.errors import MachineError
from sfukit.probe.resolve import Address
from sfukit.probe.stunserver import run
from sfukit.probe.stunserver.run import Settings, serving

TWO = ("127.0.0.1", "127.0.0.2")


@pytest.fixture(
    params=[
        (socket.SOCK_STREAM, TWO[0]),
        (socket.SOCK_STREAM, TWO[1]),
        (socket.SOCK_DGRAM, TWO[1]),
    ],
    ids=["tcp", "tcp of 2", "udp of 2"],
)
def taken(request: pytest.FixtureRequest) -> Iterator[int]:
    """Take a port that UDP on the first address could still have."""
    kind, ip = request.param
    with socket.socket(socket.AF_INET, kind) as other:
        other.bind((ip, 0))
        if kind == socket.SOCK_STREAM:
            other.listen()
        yield other.getsockname()[1]


class Chooser:
    """A kernel that chooses a taken port so many times."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, port: int, times: int) -> None:
        self.chosen = 0
        bind = run._bind

        def choose(ip: str, wanted: int) -> socket.socket:
            if wanted == 0:
                self.chosen += 1
                wanted = port if self.chosen <= times else 0
            return bind(ip, wanted)

        monkeypatch.setattr(run, "_bind", choose)


async def test_a_port_whose_twin_is_taken_is_chosen_again(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    chooser = Chooser(monkeypatch, taken, 3)
    async with serving(Settings(TWO, 0, 0)) as server:
        addresses = list(server.families[0].bound.values())
        assert len(addresses) == 4
        assert taken not in {address.port for address in addresses}
        for address in addresses:
            with socket.create_connection(address, timeout=5):
                pass
    assert chooser.chosen >= 5  # three that were taken, then two that were free


async def test_choosing_comes_to_an_end(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    chooser = Chooser(monkeypatch, taken, 10**6)
    with pytest.raises(MachineError, match=f"cannot listen on 127.0.0.[12]:{taken}"):
        async with serving(Settings(TWO, 0, 0)):
            raise AssertionError
    assert chooser.chosen <= 2 * run._CHOICES
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((TWO[0], taken))  # nothing was left open


async def test_a_port_that_was_given_is_not_chosen_again(
    taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused_ports: list[int] = []

    class Recorded(run._TakenError):
        def __init__(self, address: Address, what: str, hint: str) -> None:
            refused_ports.append(address.port)
            super().__init__(address, what, hint)

    monkeypatch.setattr(run, "_TakenError", Recorded)
    with pytest.raises(MachineError, match="cannot listen") as refused:
        async with serving(Settings(TWO, taken, 0)):
            raise AssertionError
    assert str(taken) in refused.value.what
    assert refused_ports.count(taken) == 1  # another process may have the other port meanwhile
