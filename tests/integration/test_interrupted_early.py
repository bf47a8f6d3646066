"""Ctrl-C before the target is recognised or ready: each command ends at once, with its report."""

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest

from sfukit.loadgen import run as loadtest_run
from sfukit.loadgen import target_setup
from sfukit.loadgen.host import server_process
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.timeline import Progress
from tests.latency_run import Watcher, measured, options

pytestmark = pytest.mark.realtime

ENDS_S = 20.0  # the target would be given up after its --join-timeout of 60 s
COMMANDS = {
    "loadtest": ("loadtest", "-c", "2"),
    "staged loadtest": ("loadtest", "--stage", "5s:1", "--stage", "5s:2"),
    "find-max": ("loadtest", "--find-max"),
    "signaling": ("loadtest", "--scenario", "signaling", "-c", "25", "--rate", "10/s"),
    "latency": ("latency",),
}


@pytest.mark.parametrize("name", COMMANDS)
async def test_while_the_target_does_not_answer(name: str, tmp_path: Path) -> None:
    saved = tmp_path / "run.json"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sfukit", *COMMANDS[name], url),
            *("--join-timeout", "60s", "--json", str(saved)),
            stdout=PIPE,
            stderr=PIPE,
            env=os.environ | {"XDG_STATE_HOME": str(tmp_path)},
        )
        accepted = asyncio.ensure_future(asyncio.get_running_loop().sock_accept(silent))
        ended = asyncio.ensure_future(process.wait())
        await asyncio.wait((accepted, ended), return_when=asyncio.FIRST_COMPLETED)
        assert accepted.done(), await process.communicate()
        connection, _ = accepted.result()
        with connection:
            process.send_signal(signal.SIGINT)
            async with asyncio.timeout(ENDS_S):
                out, err = await process.communicate()
    assert process.returncode == 130, out + err
    assert err == b""
    report: dict[str, Any] = json.loads(saved.read_text())
    assert (report["verdict"], report["exit_code"]) == ("inconclusive", 130)
    assert (report["target"]["kind"], report["target"]["url"]) == ("unknown", url)
    assert list((tmp_path / "sfukit" / "last").iterdir())


ENCODES = {
    "loadtest": ("loadtest", "-c", "2", "--codec", "av1"),
    "find-max": ("loadtest", "--find-max", "--codec", "av1"),
    "latency": ("latency", "--codec", "vp8", "--bitrate", "1234k"),
}


@pytest.mark.parametrize("name", ENCODES)
async def test_while_a_clip_is_encoded(name: str, tmp_path: Path) -> None:
    homes = {"XDG_STATE_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sfukit", *ENCODES[name]),
        stdout=PIPE,
        stderr=PIPE,
        env=os.environ | homes,
    )
    assert process.stdout is not None
    told = b""
    async with asyncio.timeout(ENDS_S):
        while b"encoded once" not in told:
            line = await process.stdout.readline()
            assert line, told
            told += line
        process.send_signal(signal.SIGINT)
        out, err = await process.communicate()
    assert process.returncode == 130, told + out + err
    assert err == b""
    assert b"interrupted" in out.lower()
    assert not [*(tmp_path / "cache").rglob("*.part")]
    assert list((tmp_path / "sfukit" / "last").iterdir())


class Quiet(Watcher):
    def progress(self, progress: Progress) -> None:
        raise AssertionError("nothing runs")


async def test_while_the_private_server_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    stop, stopped = asyncio.Event(), asyncio.Event()

    async def never(*_: Any, **__: Any) -> NoReturn:
        try:
            stop.set()
            await asyncio.Event().wait()
        finally:
            stopped.set()
        raise AssertionError("never")

    monkeypatch.setattr(target_setup.server_process, "start", never)
    report = await loadtest_run.run(RunOptions(load=LoadOptions(clients=2)), Quiet(), stop)
    assert stopped.is_set()
    assert (report.interrupted, report.verdict, report.exit_code) == (True, "inconclusive", 130)
    assert report.target.private and report.reasons[0] == "interrupted"
    assert report.metrics["joins"].avg in (None, 0.0)
    stop.clear()
    short = await measured(replace(options(), room="other"), stop=stop)
    assert (short.interrupted, short.exit_code, short.samples) == (True, 130, [])


async def test_a_server_that_starts_meanwhile_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[asyncio.subprocess.Process] = []
    create = asyncio.create_subprocess_exec

    async def created(*command: Any, **how: Any) -> asyncio.subprocess.Process:
        started.append(await create(sys.executable, "-c", "input()", stdin=PIPE, stdout=PIPE))
        starting.cancel()
        return started[0]

    monkeypatch.setattr(server_process.asyncio, "create_subprocess_exec", created)
    starting = asyncio.ensure_future(server_process.start((), [0]))
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert started[0].returncode == -signal.SIGKILL
