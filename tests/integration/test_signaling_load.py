"""A signaling load against real servers: short, on loopback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from aiohttp import web

from sfukit.loadgen.host import server_process
from sfukit.loadgen.signaling_load.result import SignalingReport
from sfukit.machine import usable_cores
from sfukit.signaling.token import VideoGrants, claims_for, sign
from tests.integration.loadtest_command import Loadtest

pytestmark = pytest.mark.realtime

SECRET = "s" * 32
LOAD = ("--scenario", "signaling", "-c", "50", "--rate", "30/s", "--ramp", "100/s")
SHORT = (*LOAD, "--warmup", "3s", "--duration", "3s", "--seed", "7", "--no-default-gates")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Outcome(NamedTuple):
    """How a signaling load ended."""

    code: int
    told: str
    report: SignalingReport


async def load(folder: Path, *options: str) -> Outcome:
    """Run the command; read its report."""
    command = Loadtest(folder)
    process = await command.start(*options, "--json", str(folder / "signaling.json"))
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    told = out.decode() + err.decode()
    assert process.returncode is not None
    saved = (folder / "signaling.json").read_bytes()
    return Outcome(process.returncode, told, msgspec.json.decode(saved, type=SignalingReport))


@asynccontextmanager
async def standing_in(upgrade: Handler) -> AsyncIterator[str]:
    """Serve what looks like an sfukit server, with another answer to upgrades."""

    async def info(_request: web.Request) -> web.Response:
        return web.json_response({"server": "sfukit", "version": "0", "protocols": []})

    app = web.Application()
    app.router.add_get("/info", info)
    app.router.add_get("/ws", upgrade)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_every_request_is_answered_and_the_server_is_profiled(tmp_path: Path) -> None:
    outcome = await load(tmp_path, *SHORT, "--profile-server", "-T", "operations==100%")
    report = outcome.report
    assert report.errors == []
    assert report.shares["operations"].done == report.shares["operations"].planned == 90
    assert report.shares["joins"].ratio == 1.0
    assert report.shares["deliveries"].done == report.shares["deliveries"].planned == 4 * 36
    assert report.load.tokens
    for stage in ("connect_ms", "upgrade_ms", "audience_join_ms"):
        assert report.metrics[stage].count == 50
    assert [report.metrics[f"{kind}_ms"].count for kind in ("message", "layer", "reoffer")] == [
        36,
        27,
        9,
    ]
    assert report.metrics["tls_ms"].count == 0
    assert report.metrics["answer_ms"].count > 0  # offers of the server were answered
    assert report.server is not None and report.profile is not None
    assert [phase.phase for phase in report.server.phases] == [
        "connect",
        "audience",
        "warm-up",
        "operations",
    ]
    assert {entry.work for entry in report.profile.entries} >= {"WebSocket"}
    assert "server profile" in outcome.told


async def test_a_given_server_with_keys(tmp_path: Path) -> None:
    keys = ("--api-key", "key", "--api-secret", SECRET)
    server = await server_process.start(keys, usable_cores())
    try:
        outcome = await load(tmp_path, server.ready.url, *SHORT, *keys)
        assert outcome.report.errors == []
        assert outcome.report.server is None  # its processor time is not known here
        expired = claims_for(
            "key", "c0", VideoGrants(room_join=True, room_create=True), valid_s=-100
        )
        token = sign(expired, SECRET)
        refused = await load(tmp_path, server.ready.url, *SHORT, "--token", token)
    finally:
        await server.stop()
    assert refused.code == 4
    assert "token_expired" in refused.report.reasons[0]
    assert "--api-key" in refused.report.reasons[0]


async def test_a_rate_limit_is_said_to_be_policy(tmp_path: Path) -> None:
    config = tmp_path / "limits.toml"
    config.write_text("[limits.methods]\nmessage = {per_s = 0.1, burst = 1}\n")
    options = ("--server-args", f"--config {config}", "-T", "operations==100%")
    outcome = await load(tmp_path, *SHORT, *options)
    report = outcome.report
    assert outcome.code == 3
    assert report.rate_limited.requests > 0
    assert "policy" in report.reasons[0]
    assert "policy" in outcome.told
    answered = report.shares["operations"]
    assert answered.planned - answered.done == report.rate_limited.requests


@pytest.mark.parametrize(
    ("status", "headers", "says"),
    [
        (503, {}, "HTTP 503"),
        (302, {"Location": "http://192.0.2.1/ws"}, "HTTP 302 to http://192.0.2.1/ws"),
        (429, {"Retry-After": "9"}, "rate_limited"),
        (200, {}, "HTTP 200"),
    ],
)
async def test_a_server_that_refuses_upgrades(
    tmp_path: Path, status: int, headers: dict[str, str], says: str
) -> None:
    asked = []

    async def refuse(request: web.Request) -> web.Response:
        asked.append(request.remote)
        return web.Response(status=status, headers=headers, text="<html>no</html>")

    async with standing_in(refuse) as url:
        outcome = await load(tmp_path, url, *SHORT)
    assert outcome.code == 4
    assert says in outcome.report.reasons[0]
    assert len(asked) < 50  # it does not insist
    assert "Traceback" not in outcome.told


async def test_a_server_that_never_answers_requests(tmp_path: Path) -> None:
    async def silent(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=("sfukit.jsonrpc",))
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    async with standing_in(silent) as url:
        outcome = await load(tmp_path, url, *SHORT, "--join-timeout", "1s")
    assert outcome.code == 4
    assert "no client could join" in outcome.report.reasons[0]
