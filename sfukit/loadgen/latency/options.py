"""The options of a latency measurement, parsed and typed."""

from dataclasses import dataclass
from typing import Literal

from sfukit.loadgen.latency.peer_address import PeerAddress
from sfukit.loadgen.options import RunOptions

MAX_SAMPLES = 10_000

# The ends that run in this process.
Ends = Literal["both", "publish", "subscribe"]

Engine = Literal["native", "aiortc"]

# Those that both engines have.
Codec = Literal["vp8", "h264"]


@dataclass(frozen=True, kw_only=True)
class LatencyOptions:
    """The options of one measurement; ``run`` has target, access, media and impairment.

    ``peer`` is where the publisher's end listens, and ``peer_token`` the secret of both ends, if
    they run in two processes; ``peer_timeout_s`` limits the wait for the other one.
    """

    run: RunOptions
    interval_s: float = 1.0
    ends: Ends = "both"
    room: str | None = None
    peer: PeerAddress | None = None
    peer_token: str = ""
    peer_timeout_s: float = 120.0
    engine: Engine = "native"
