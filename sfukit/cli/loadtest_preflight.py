"""The check that one participant makes before any bot of a load test joins."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from sfukit.loadgen.options import RunOptions

if TYPE_CHECKING:
    from sfukit.loadgen.run import Preflight
    from sfukit.loadgen.scenario import Plan


def preflight_of(
    target: str,
    run_options: RunOptions,
    report: Callable[[str, str], None],
    stop: asyncio.Event,
) -> "Preflight":
    """Return the check of a target; ``report`` takes its line, a label and a text.

    An unusable target is then one line of the report instead of one failure per bot.
    """
    from sfukit.loadgen.verdict import TargetFault
    from sfukit.probe.check import report as check_report
    from sfukit.probe.check.options import CheckOptions
    from sfukit.probe.check.run import check
    from sfukit.targets.detect import parse_target

    async def preflight(plan: "Plan") -> TargetFault | None:
        options = CheckOptions(
            target=parse_target(target),
            play=run_options.play,
            access=run_options.access,
            room=plan.rooms[plan.own_slots[0].room].name,
            srtp=run_options.srtp,
        )
        outcome = await _unless_stopped(check(options), stop)
        if outcome is None or outcome.failed_step in check_report.MEDIA_STEPS:
            return None  # the run measures media
        if outcome.failed_step is None:
            report("check", f"one participant joined in {outcome.timings_ms['total']:.0f} ms")
            return None
        return TargetFault(
            f"no client can join: {check_report.sentence(outcome)}", stated_by_target=True
        )

    return preflight


async def _unless_stopped(checking: Coroutine[Any, Any, Any], stop: asyncio.Event) -> Any:
    """Return the result of a check; None after Ctrl-C."""
    task, stopping = asyncio.ensure_future(checking), asyncio.ensure_future(stop.wait())
    await asyncio.wait((task, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None
