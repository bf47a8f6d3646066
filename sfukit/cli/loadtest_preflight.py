"""The check that one participant makes before any bot of a load test joins."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

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
    from sfukit.cli.check_adapters import signaling_client
    from sfukit.loadgen.stopping import StoppedError, unless_stopped
    from sfukit.loadgen.verdict.decision import TargetFault
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
            clients=len(plan.slots),
        )
        try:
            outcome = await unless_stopped(check(options, adapters=signaling_client), stop)
        except StoppedError:
            return None
        if outcome.failed_step in check_report.MEDIA_STEPS:
            return None  # the run measures media
        if outcome.failed_step is None:
            report("check", f"one participant joined in {outcome.timings_ms['total']:.0f} ms")
            return None
        return TargetFault(
            f"no client can join: {check_report.sentence(outcome)}", stated_by_target=True
        )

    return preflight
