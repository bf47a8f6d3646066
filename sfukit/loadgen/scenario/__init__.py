"""The plan of a load: who joins, what each publishes and subscribes to, and when."""

from sfukit.loadgen.scenario.describe import plan_line
from sfukit.loadgen.scenario.media import Encoding
from sfukit.loadgen.scenario.participants import Bot, PlannedSubscription, Room, Size
from sfukit.loadgen.scenario.planning import Flow, Plan, plan

__all__ = [
    "Bot",
    "Encoding",
    "Flow",
    "Plan",
    "PlannedSubscription",
    "Room",
    "Size",
    "plan",
    "plan_line",
]
