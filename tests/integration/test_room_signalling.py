"""Bots in rooms of a real server over real WebSockets; only media is left out."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from aiohttp import web

from sfukit.loadgen.bots.clips import clip_ids
from sfukit.loadgen.bots.media import Media
from sfukit.loadgen.conductor import Conductor
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.targets.rooms import RoomsTarget
from sfukit.server.app import build_app
from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import AutoTarget, IndexTarget, Subscribe
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Limits, Settings
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import OpenTransport, Publish, Receive
from sfukit.targets.access import Access

KEY, SECRET = "key", "s" * 32


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something has come true."""
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what is waited for happens in many places
            await asyncio.sleep(0.005)


class Server:
    """A whole server over a stand-in for the engine."""

    def __init__(self, settings: Settings) -> None:
        self.engine = MockEngine()
        self.context = ServerContext(settings, self.engine)
        self.runner = web.AppRunner(build_app(self.context), access_log=None)
        self.url = ""

    async def start(self) -> None:
        await self.runner.setup()
        self.context.start()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        host, port = self.runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        await self.context.stop("server_stopped")
        await self.runner.cleanup()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server(Settings(api_keys={KEY: SECRET}, limits=Limits(max_participants=60)))
    await made.start()
    yield made
    await made.stop()


class Load:
    """Bots with everything but media."""

    def __init__(self, server: Server, options: LoadOptions, access: Access) -> None:
        self.plan = plan(options)
        self.swarm = FakeSwarm()
        self.ledger = Ledger(self.plan)
        self.swarm.listen(self.ledger.on_event, lambda command, error: None)
        media = Media(
            clips=clip_ids(self.plan),
            pacing="whole",
            pli_policy="answer",
            unwatched="dynacast",
            ssrc_base=0,
        )
        target = RoomsTarget(server.url, access, 5.0)
        self.conductor = Conductor(self.plan, target, self.swarm, self.ledger, media, 5.0)

    async def until_complete(self) -> None:
        await self.conductor.follow(self.swarm.now_ns())
        ledger, clients = self.ledger, len(self.plan.bots)
        await until(lambda: ledger.joined + ledger.failures == clients)
        await until(lambda: bool(ledger.failures) or ledger.tracks == self.plan.tracks)


TOKENS = Access(api_key=KEY, api_secret=SECRET)


async def test_every_planned_track_is_subscribed_at_its_size(server: Server) -> None:
    load = Load(server, LoadOptions(clients=10, ramp_per_s=200), TOKENS)
    await load.until_complete()
    assert (load.ledger.joined, load.ledger.tracks) == (10, 80)
    assert load.ledger.faults == []
    subscribed = [one for one in server.engine.commands if isinstance(one, Subscribe)]
    small = [one for one in subscribed if one.target == IndexTarget(0)]
    best = [one for one in subscribed if isinstance(one.target, AutoTarget)]
    assert (len(small), len(best)) == (30, 50)  # of 4 cameras 3 are small; audio has one size
    assert len(load.swarm.of(OpenTransport)) == 20
    assert len(load.swarm.of(Publish)) == 20
    assert len(load.swarm.of(Receive)) == 80
    await load.conductor.leave()
    await until(lambda: server.context.rooms.population == 0)


async def test_an_audience_receives_one_publisher(server: Server) -> None:
    options = LoadOptions(clients=8, scenario="broadcast", ramp_per_s=200)
    load = Load(server, options, TOKENS)
    await load.until_complete()
    assert (load.ledger.joined, load.ledger.tracks) == (8, 14)
    await load.conductor.leave()


async def test_a_full_server_refuses_joins(server: Server) -> None:
    load = Load(server, LoadOptions(clients=62, ramp_per_s=200), TOKENS)
    await load.until_complete()
    assert (load.ledger.joined, load.ledger.failures) == (60, 2)
    assert [(one.code, one.count) for one in load.ledger.faults] == [("max_participants", 2)]
    await load.conductor.leave()


async def test_without_a_token_no_client_joins(server: Server) -> None:
    load = Load(server, LoadOptions(clients=2, ramp_per_s=100), Access())
    await load.until_complete()
    fault = load.conductor.target_fault()
    assert (
        fault is not None
        and fault.text.startswith("no client could join: ")
        and fault.stated_by_target
    )
    assert load.ledger.faults[0].code == "token_missing"
    await load.conductor.leave()


async def test_a_stopped_server_is_a_fault(server: Server) -> None:
    load = Load(server, LoadOptions(clients=5, ramp_per_s=200), TOKENS)
    await load.until_complete()
    await server.context.stop("server_stopped")
    await until(lambda: load.ledger.still_connected == 0)
    fault = load.conductor.target_fault()
    assert fault == ("the target disconnected 5 of 5 clients: server_stopped", True)
    await load.conductor.leave()


async def test_without_a_server_joins_fail() -> None:
    settings = Settings()
    gone = Server(settings)
    await gone.start()
    await gone.stop()
    load = Load(gone, LoadOptions(clients=1), Access())
    await load.until_complete()
    assert load.ledger.faults[0].code == "connect"
