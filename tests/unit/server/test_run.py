"""The server process ends after every failure."""

import asyncio
import contextlib
from typing import Any

import pytest
from aiohttp.helpers import calculate_timeout_when
from structlog.testing import capture_logs

from sfukit.errors import MachineError
from sfukit.server import faults, run
from sfukit.server.app import build_app
from sfukit.server.refusal_log import RefusalLog
from sfukit.server.run import _Signals
from sfukit.server.settings import Settings
from tests.unit.server.stage import Stage


async def test_a_drain_that_fails_still_ends_the_process(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def failing() -> str:
        raise OSError("no space left on device")

    with capture_logs() as lines:
        faults.log_task_errors(RefusalLog(5, 60.0))
        monkeypatch.setattr(stage.context, "drain", failing)
        signals = _Signals(stage.context)
        signals._terminate()
        async with asyncio.timeout(5):
            assert await signals.until_stopped() == "server_stopped"
        assert signals._drain is not None
        with pytest.raises(OSError, match="no space"):
            await signals._drain
    assert not [line for line in lines if line["event"] == "drain_ended"]


async def test_the_engine_is_closed_whatever_fails_before(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(stage.engine, "close", lambda: closed.append(True))

    def failing(_reason: str) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr(stage.context.rooms, "close_all", failing)
        with pytest.raises(RuntimeError):
            await stage.context.stop("server_stopped")
    assert closed


def test_an_engine_of_another_version_is_refused_before_it_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stale() -> None:
        raise MachineError("built from another version", hint="make setup")

    monkeypatch.setattr(run.extension, "check", stale)
    monkeypatch.setattr(run, "NativeEngine", lambda config: pytest.fail("started"))
    with pytest.raises(MachineError, match="another version"):
        run._engine(Settings())


async def test_exceptions_of_tasks_are_logged_and_sampled() -> None:
    async def failing() -> None:
        raise ValueError("broken")

    with capture_logs() as lines:
        sampled = RefusalLog(1, 60.0)
        faults.log_task_errors(sampled)
        handle: Any = asyncio.get_running_loop().get_exception_handler()
        for _ in range(3):
            handle(asyncio.get_running_loop(), {"message": "a task", "exception": ValueError("x")})
        assert [line["event"] for line in lines] == ["task_failed"]
        sampled.flush()
        assert lines[1]["count"] == 2


async def test_an_error_in_a_handler_is_a_problem_document(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing() -> Any:
        raise ValueError("broken")

    monkeypatch.setattr(stage.context.metrics, "exposition", failing)
    with capture_logs() as lines:
        async with stage.session.get(stage.url("/metrics")) as response:
            assert (response.status, response.content_type) == (500, "application/problem+json")
            assert (await response.json())["reason"] == "internal_error"
    assert "request_failed" in [line["event"] for line in lines]


async def test_malformed_http_is_sampled_without_traceback() -> None:
    with capture_logs() as lines:
        logger = faults.http_logger(RefusalLog(2, 60.0))
        for _ in range(5):
            try:
                raise ValueError("GET /ws?access_token=secret")
            except ValueError:
                logger.exception("Error handling request from %s", "192.0.2.1")
    assert [line["event"] for line in lines] == ["http_malformed"] * 2
    assert lines[0]["error"] == "ValueError"
    assert not any("token" in str(value) for line in lines for value in line.values())
    assert "exc_info" not in lines[0]


async def test_pings_are_not_rounded_to_the_same_second(stage: Stage) -> None:
    async with contextlib.AsyncExitStack() as listeners:
        app = build_app(stage.context)
        listener = await run._listener(listeners, stage.context, app, 1_000, None)
        threshold_s = listener._protocol_factory()._timeout_ceil_threshold
    ping_s = stage.context.settings.timing.ping_s
    due = {calculate_timeout_when(at_s, ping_s, threshold_s) for at_s in (100.1, 100.2, 100.7)}
    assert len(due) == 3
