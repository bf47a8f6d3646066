"""The first step of ``sfukit loadtest``: what one participant met, and what becomes of it."""

import asyncio
from collections.abc import Callable
from typing import cast

import pytest

from sfukit.cli.loadtest_preflight import preflight_of
from sfukit.loadgen.options import LoadOptions, RunOptions
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.probe.check import report, run
from sfukit.probe.check.options import CheckOptions
from sfukit.probe.check.report import CheckReport
from sfukit.probe.finding import Step

TARGET = "whip+http://127.0.0.1/whip"


async def told(failed_step: str, monkeypatch: pytest.MonkeyPatch) -> TargetFault | None:
    """Return the fault of a load test whose check fails at a step."""

    async def check(_: CheckOptions, **_more: object) -> CheckReport:
        failed = Step(name=failed_step, state="failed", cause="no_media", found="silence")
        return report.build(
            target=TARGET,
            kind="whip",
            version=None,
            steps=[failed],
            failure=failed,
            candidates=[],
            total_ms=1.0,
            wanted=[],
        )

    monkeypatch.setattr(run, "check", check)
    load = LoadOptions(clients=2, shape="pair")
    options = RunOptions(load=load, command=("sfukit",), target=TARGET)
    unseen = cast(Callable[[str, str], None], None)
    return await preflight_of(TARGET, options, unseen, asyncio.Event())(plan(load))


@pytest.mark.parametrize("step", ["media", "play media"])
async def test_missing_media_does_not_stop_the_run(
    step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await told(step, monkeypatch) is None


@pytest.mark.parametrize("step", ["dtls", "play dtls"])
async def test_a_failed_check_stops_the_run(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = await told(step, monkeypatch)
    assert fault is not None
    assert fault.text == f"no client can join: {step} fails (no_media): silence"
