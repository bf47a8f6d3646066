"""The plan of a load: who joins, what each publishes and subscribes to, and when."""

from sfukit.loadgen.scenario.attendance import Visit, Window
from sfukit.loadgen.scenario.describe import plan_line
from sfukit.loadgen.scenario.flows import Flow
from sfukit.loadgen.scenario.impaired import network_at
from sfukit.loadgen.scenario.media import Encoding, rank
from sfukit.loadgen.scenario.participants import Bot, PlannedSubscription, Room, Size
from sfukit.loadgen.scenario.planning import Plan, plan
from sfukit.loadgen.scenario.views import PlannedTrack

__all__ = [
    "Bot",
    "Encoding",
    "Flow",
    "Plan",
    "PlannedSubscription",
    "PlannedTrack",
    "Room",
    "Size",
    "Visit",
    "Window",
    "network_at",
    "plan",
    "plan_line",
    "rank",
]
