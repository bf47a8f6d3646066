"""The m-lines of video without abs-capture-time, by the codec of the publisher. No I/O."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field

from sfukit.signaling.extensions import ABS_CAPTURE_TIME


@dataclass
class CaptureTimes:
    """How many m-lines did not negotiate the extension, of publishers and of subscribers."""

    not_sent: Counter[str] = field(default_factory=Counter)
    not_received: Counter[str] = field(default_factory=Counter)

    def published(self, codec: str, extensions: Collection[str]) -> None:
        """Record the m-line of a publisher."""
        self.not_sent[codec] += ABS_CAPTURE_TIME not in extensions

    def received(self, codec: str, extensions: Collection[str]) -> None:
        """Record the m-line of a subscriber."""
        self.not_received[codec] += ABS_CAPTURE_TIME not in extensions
