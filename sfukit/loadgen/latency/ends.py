"""The plan of the two ends: one publisher and one subscriber of one video encoding."""

from collections.abc import Sequence
from dataclasses import replace

from sfukit.errors import UsageError
from sfukit.loadgen import scenario, target_setup
from sfukit.loadgen.latency.options import Ends, LatencyOptions
from sfukit.loadgen.scenario import Bot, Plan
from sfukit.targets.detect import DetectedTarget


def plan(options: LatencyOptions, found: DetectedTarget | None) -> Plan:
    """Return the plan for a target; a WHIP target has to be played as well."""
    load = target_setup.fit_to_target(options.run.load, found, options.run.play)
    if load.shape == "publish":
        if options.ends != "publish":
            raise UsageError(
                f"{options.run.target}: a WHIP URL only publishes",
                hint="name the WHEP URL that plays it with --play URL",
            )
        load = replace(load, shape="pair")
    whole = scenario.plan(load)
    return whole if options.room is None else _in_room(whole, options.room)


def _in_room(whole: Plan, name: str) -> Plan:
    return replace(whole, rooms=tuple(replace(room, name=name) for room in whole.rooms))


def bots(whole: Plan, ends: Ends) -> Sequence[Bot]:
    """Return the bots of the ends that run here."""
    publisher, subscriber = whole.bots
    return {"both": (publisher, subscriber), "publish": (publisher,), "subscribe": (subscriber,)}[
        ends
    ]


def swarm_ids(whole: Plan, ends: Ends) -> tuple[int | None, int | None]:
    """Return publisher and subscriber as the swarm names them, None for the end elsewhere."""
    here = {bot.index: bot.index + 1 for bot in bots(whole, ends)}
    return here.get(0), here.get(1)


def plan_line(whole: Plan, options: LatencyOptions) -> str:
    """Return the plan in one line."""
    encoding = whole.encodings[-1]
    where = "in a room" if whole.options.shape == "rooms" else "by WHIP and WHEP"
    who = {
        "both": "1 publisher and 1 subscriber",
        "publish": "1 publisher; the subscriber is elsewhere",
        "subscribe": "1 subscriber; the publisher is elsewhere",
    }[options.ends]
    duration = f"{whole.options.duration_s:g} s measured"
    if options.ends == "publish":
        duration = "measured while the subscriber measures"
    return (
        f"{who}, {where}; {whole.options.codec.upper()} {encoding.clip.name}; "
        f"{duration}, every {options.interval_s:g} s"
    )
