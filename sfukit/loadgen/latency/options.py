"""The options of a latency measurement, parsed and typed."""

from dataclasses import dataclass
from typing import Literal

from sfukit.loadgen.options import RunOptions

# The ends that run in this process.
Ends = Literal["both", "publish", "subscribe"]


@dataclass(frozen=True, kw_only=True)
class LatencyOptions:
    """The options of one measurement; ``run`` has target, access, media and impairment."""

    run: RunOptions
    interval_s: float = 1.0
    ends: Ends = "both"
