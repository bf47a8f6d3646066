"""Servers with a mock engine."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp.test_utils import TestServer

from sfukit.server.app import build_app
from sfukit.server.mock_engine import MockEngine
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Settings
from tests.unit.server.stage import QUICK, Stage, StageMaker


@pytest.fixture
async def make_stage() -> AsyncIterator[StageMaker]:
    """Return a factory of servers, which are stopped after the test."""
    stages: list[Stage] = []

    async def make(engine: MockEngine | None = None, **changes: Any) -> Stage:
        settings = msgspec.structs.replace(Settings(timing=QUICK), **changes)
        engine = engine or MockEngine()
        context = ServerContext(settings, engine)
        server = TestServer(build_app(context))
        await server.start_server()
        context.start()
        stages.append(Stage(context, engine, server))
        return stages[-1]

    yield make
    for stage in stages:
        await stage.session.close()
        await stage.context.stop("server_stopped")
        await stage.server.close()


@pytest.fixture
async def stage(make_stage: StageMaker) -> Stage:
    """A server without API keys."""
    return await make_stage()
