"""Each program of examples/ does what it says, against a real server."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.interop.server import Server, serving

pytestmark = pytest.mark.realtime

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
LINE_S = 10


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("server")) as running:
        yield running


def test_the_gate_passes_on_a_good_server(server: Server, tmp_path: Path) -> None:
    programs = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    passed = subprocess.run(
        [EXAMPLES / "gate.sh", server.http],
        cwd=tmp_path,
        env={**environment, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert passed.returncode == 0, passed.stdout + passed.stderr
    assert json.loads((tmp_path / "gate.json").read_text())["verdict"] == "pass"


def test_the_town_hall_passes(server: Server, tmp_path: Path) -> None:
    saved = tmp_path / "town-hall.json"
    command = [sys.executable, "-m", "sfukit", "loadtest", server.http]
    passed = subprocess.run(
        [*command, "--scenario", EXAMPLES / "town-hall.toml", "--json", saved],
        env={**os.environ, "XDG_STATE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert passed.returncode == 0, passed.stdout + passed.stderr
    report = json.loads(saved.read_text())
    assert [stage["verdict"] for stage in report["stages"]] == ["pass", "pass"]
    assert report["scenario"]["name"].endswith("town-hall.toml")
    delays = {name: group["stream_e2e_p99_ms"] for name, group in report["groups"].items()}
    assert delays["phones"]["p50"] > delays["audience"]["p50"]
    assert delays["phones"]["p50"] > 40  # by its network alone
    assert delays["impaired"] == delays["phones"]


async def test_the_room_is_watched(server: Server) -> None:
    watcher = await asyncio.create_subprocess_exec(
        *(sys.executable, EXAMPLES / "watch_room.py", server.websocket, "watched"),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert watcher.stdout is not None
        assert await asyncio.wait_for(watcher.stdout.readline(), LINE_S) == b"watching watched\n"
        async with connect(server.websocket, proxy=None) as socket:
            join = {"sid": "watched", "uid": "ann", "config": {"role": "audience"}}
            request = {"jsonrpc": "2.0", "id": 1, "method": "join", "params": join}
            await socket.send(json.dumps(request))
            joined = await asyncio.wait_for(watcher.stdout.readline(), LINE_S)
            assert joined == b"ann joined as audience\n"
        left = await asyncio.wait_for(watcher.stdout.readline(), LINE_S)
        assert left.startswith(b"ann left: ")
    finally:
        watcher.terminate()
        await watcher.communicate()


async def test_two_chat_by_a_data_channel(server: Server) -> None:
    command = [sys.executable, EXAMPLES / "data_channel.py", server.websocket, "chat"]
    pipe = asyncio.subprocess.PIPE
    bob, ann = [
        await asyncio.create_subprocess_exec(*command, uid, stdin=pipe, stdout=pipe)
        for uid in ("bob", "ann")
    ]
    try:
        for chat in (bob, ann):
            assert chat.stdout is not None
            assert await asyncio.wait_for(chat.stdout.readline(), LINE_S) == b"connected\n"
        assert ann.stdin is not None
        assert bob.stdout is not None
        ann.stdin.write("grüße\n".encode())
        assert (await asyncio.wait_for(bob.stdout.readline(), LINE_S)).decode() == "ann: grüße\n"
    finally:
        for chat in (bob, ann):
            chat.terminate()
            await chat.communicate()
