"""The client of the native swarm: a command that it cannot read does not block those behind it."""

import asyncio
import json
import os
import sys
from types import ModuleType

import pytest

from sfukit import _native
from sfukit.errors import MachineError
from sfukit.swarm.messages import AddBot, LoadClip, SwarmConfig
from sfukit.swarm.native import NativeSwarm


class NativeError(RuntimeError):
    """The exception of the extension module."""


class Extension:
    """A swarm that cannot read bots, and has no room for clips at first."""

    def __init__(self, config: bytes) -> None:
        self._event_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self.taken: list[str] = []
        self.took_three = asyncio.Event()
        self.full = False

    def info(self) -> bytes:
        return b'{"fingerprint": "sha-256 AA", "workers": 1}'

    def event_fd(self) -> int:
        return self._event_fd

    def events(self) -> bytes:
        return b"[]"

    def submit(self, worker: int, commands: bytes) -> bool:
        kinds = [command["type"] for command in json.loads(commands)]
        if "add_bot" in kinds:
            raise NativeError("unknown field `name`")
        if not self.full:
            self.taken += kinds
        if len(self.taken) == 3:
            self.took_three.set()
        return not self.full

    def close(self) -> None:
        os.close(self._event_fd)


@pytest.fixture
def extension(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("sfukit._native")
    module.MIRRORS = _native.MIRRORS  # type: ignore[attr-defined]
    module.Swarm = Extension  # type: ignore[attr-defined]
    module.NativeError = NativeError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sfukit._native", module)
    monkeypatch.setattr("sfukit._native", module)


@pytest.mark.usefixtures("extension")
async def test_commands_behind_one_that_cannot_be_read_are_sent() -> None:
    swarm = NativeSwarm(SwarmConfig())
    native = swarm._native
    assert isinstance(native, Extension)
    with pytest.raises(MachineError, match="could not read a command: unknown field `name`"):
        swarm.send([AddBot(bot=1, name="p1", scheduled_ns=0)])
    swarm.send([LoadClip(clip=1, path="a")])
    assert native.taken == ["load_clip"]
    native.full = True
    swarm.send([LoadClip(clip=2, path="b")])
    swarm.send([AddBot(bot=1, name="p1", scheduled_ns=0)])
    swarm.send([LoadClip(clip=3, path="c")])
    loop, reported = asyncio.get_running_loop(), asyncio.Event()
    faults: list[str] = []

    def report(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        faults.append(str(context["exception"]))
        reported.set()

    loop.set_exception_handler(report)
    native.full = False
    async with asyncio.timeout(5):
        await reported.wait()
        await native.took_three.wait()
    assert native.taken == ["load_clip"] * 3
    assert faults == ["the swarm could not read a command: unknown field `name`"]
    swarm.close()
