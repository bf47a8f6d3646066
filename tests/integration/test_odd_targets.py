"""``loadtest`` and ``latency`` as commands against endpoints whose HTTP is odd: code and reason."""

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.odd.whip_server import OddWhip, odd_whip

LOADTEST = ("loadtest", "--quick", "-c", "2")
LATENCY = ("latency", "-d", "1s")
HTML = "text/html instead of application/sdp"
GET = "clients may send GET there, without the offer; give http://"


async def reasons(folder: Path, server: OddWhip, command: tuple[str, ...], mode: str) -> str:
    """Run a command against a mode of the server; return why the target was not usable."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "sfukit", *command, f"whip+{server.url(mode)}"),
        *("--play", server.url("ok201", "whep"), "--json", str(folder / "run.json")),
        stdout=PIPE,
        stderr=PIPE,
        env=os.environ | {"XDG_STATE_HOME": str(folder)},
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert (process.returncode, err) == (4, b""), out
    report = json.loads((folder / "run.json").read_text())
    assert (report["verdict"], report["exit_code"]) == ("fail", 4)
    assert report["reasons"][0] in out.decode()
    return str(report["reasons"][0])


@pytest.mark.parametrize(
    ("command", "mode", "says"),
    [
        (LOADTEST, "redir301", f"redirected by 301 to http://127.0.0.1:PORT/ok201/whip: {GET}"),
        (LATENCY, "redir301", f"redirected by 301 to http://127.0.0.1:PORT/ok201/whip: {GET}"),
        (LOADTEST, "redir302", "redirected by 302 to https://login.example/?next=whip: clients"),
        (LATENCY, "redir302", "redirected by 302 to https://login.example/?next=whip: clients"),
        (LOADTEST, "login", HTML),
        (LATENCY, "login", HTML),
        (LATENCY, "json", "HTTP 200 with application/json instead of application/sdp"),
        # the server that they redirect to has no media
        (LOADTEST, "redir307", "the media port is closed (udp 9)"),
        (LATENCY, "redir308", "ICE and DTLS were not done"),
    ],
)
async def test_a_run_ends_with_the_reason(
    tmp_path: Path, command: tuple[str, ...], mode: str, says: str
) -> None:
    async with odd_whip() as server:
        more = ("--join-timeout", "3s") if mode in ("redir307", "redir308") else ()
        reason = await reasons(tmp_path, server, (*command, *more), mode)
        assert says.replace("PORT", str(server.port)) in reason
        followed = [asked.path for asked in server.asked if asked.method == "POST"]
    if mode in ("redir307", "redir308"):
        assert f"/{mode}/whip" in followed and "/ok201/whip?x=1" in followed
    else:
        assert f"/{mode}/whip" in followed and "/ok201/whip" not in followed


async def test_many_clients_follow_no_redirect_to_a_host_without_permission(
    tmp_path: Path,
) -> None:
    command = ("loadtest", "--quick", "-c", "5")
    async with odd_whip() as server:
        reason = await reasons(tmp_path, server, command, "redirpublic")
    assert "redirected by 307 to another host, http://192.0.2.7/ok201/whip: 5 clients" in reason
    assert "--allow-host 192.0.2.7" in reason
