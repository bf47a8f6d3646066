"""What is injected, which figures are compared, and the error that each may have."""

from collections.abc import Mapping
from typing import NamedTuple

from tools.ruler.relay import Network

BITRATE_BPS = 1_700_000


class Bound(NamedTuple):
    """The largest error, in the unit of the figure or as a share of the expected value."""

    error: float
    unit: str
    relative: bool = False

    def met(self, expected: float, reported: float) -> bool:
        """Return whether a reported figure is within the bound."""
        allowed = self.error * abs(expected) if self.relative else self.error
        return abs(reported - expected) <= allowed


BOUNDS: Mapping[str, Bound] = {
    "loss": Bound(0.1, "%"),  # percentage points
    "frame delay": Bound(2.0, "ms"),
    "jitter": Bound(2.0, "ms"),
    "bitrate": Bound(0.02, "kb/s", relative=True),
    "RTT publisher": Bound(1.0, "ms"),
    "RTT subscriber": Bound(1.0, "ms"),
}


class Case(NamedTuple):
    """A network, and the figures that it is to change."""

    injected: str
    network: Network
    figures: tuple[str, ...]


CLEAN = Case("nothing", Network(), ("loss", "frame delay", "jitter", "bitrate"))

CASES: Mapping[str, Case] = {
    "loss": Case("2 % random loss", Network(subscriber_down="loss=2%"), ("loss",)),
    "bursts": Case(
        "3 % loss in bursts of 4", Network(subscriber_down="loss=3%,burst=4"), ("loss",)
    ),
    "delay": Case(
        "80 ms delay",
        Network(publisher_down="delay=80ms", subscriber_down="delay=80ms"),
        ("frame delay", "RTT publisher", "RTT subscriber"),
    ),
    "jitter": Case("20 ms jitter", Network(subscriber_down="jitter=20ms"), ("jitter",)),
    "queue": Case(
        "1 Mb/s, queue of 300 ms", Network(subscriber_down="rate=1M,queue=300ms"), ("bitrate",)
    ),
}
