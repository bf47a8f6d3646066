"""Latencies and errors of a signaling load.

Every latency counts from the planned time of its operation, not from the time at which the request
was sent: a client that waits for the server is late, and its lateness belongs to the server
(coordinated omission).
"""

from array import array
from collections.abc import Mapping
from typing import NamedTuple

from sfukit.loadgen.metrics.ledger import RATE_LIMITED
from sfukit.loadgen.result.report import Fault
from sfukit.loadgen.signaling_load.schedule import Kind, Operation

_MS_PER_S = 1000.0
_MAX_FAULTS = 64  # kinds of errors
_OTHER = "other"
STAGE_OF: Mapping[Kind, str] = {
    "join": "join_ms",
    "leave": "leave_ms",
    "message": "message_ms",
    "layer": "layer_ms",
    "reoffer": "reoffer_ms",
}
STAGES = (
    "connect_ms",
    "tls_ms",
    "upgrade_ms",
    "audience_join_ms",
    *STAGE_OF.values(),
    "delivery_ms",
    "answer_ms",
    "operation_ms",
)


class Ratio(NamedTuple):
    """Successful ones of all."""

    done: int
    planned: int


class Recorder:
    """The record of one run; operations before ``window_s`` are in no figure."""

    def __init__(self, window_s: float) -> None:
        self.lag_ms = array("d")
        self.latencies_ms = {stage: array("d") for stage in STAGES}
        self.planned = 0
        self.answered = 0
        self.joins_planned = 0
        self.warmup_operations = 0
        self.refusals = 0
        self.window_begins_s = float("inf")
        self.deliveries_expected = 0
        self.deliveries = 0
        self.connections_lost = 0
        self.rate_limited = 0
        self.rate_limited_clients: set[int] = set()
        self._window_s = window_s
        self._faults: dict[str, tuple[str, int, str]] = {}
        self._undelivered: dict[int, tuple[float, int]] = {}

    def is_counted(self, operation: Operation) -> bool:
        """Return whether an operation is in the measured window."""
        return operation.due_s >= self._window_s

    def started(self, operation: Operation, late_s: float) -> None:
        """Record the start of an operation, so much after its planned time."""
        if self.is_counted(operation):
            self.planned += 1
            self.joins_planned += operation.kind == "join"
            self.lag_ms.append(max(0.0, late_s) * _MS_PER_S)
        else:
            self.warmup_operations += 1

    def latency(self, stage: str, latency_s: float) -> None:
        """Record one latency of a stage."""
        self.latencies_ms[stage].append(max(0.0, latency_s) * _MS_PER_S)

    def finished(self, operation: Operation, latency_s: float) -> None:
        """Record the response to an operation."""
        if self.is_counted(operation):
            self.answered += 1
            self.latency(STAGE_OF[operation.kind], latency_s)
            self.latency("operation_ms", latency_s)

    def refused(self, client: int, code: str, message: str, first: str) -> None:
        """Record a refused request, or an operation that could not be sent."""
        self.refusals += 1
        if code == RATE_LIMITED:
            self.rate_limited += 1
            self.rate_limited_clients.add(client)
        self.fault(code, message, first)

    def fault(self, code: str, message: str, first: str, times: int = 1) -> None:
        """Count an error; kinds beyond a limit are counted together."""
        if code not in self._faults and len(self._faults) >= _MAX_FAULTS:
            code, message = _OTHER, "errors of further kinds"
        message, count, first = self._faults.get(code, (message, 0, first))
        self._faults[code] = (message, count + times, first)

    def lost(self, reason: str, first: str) -> None:
        """Record a WebSocket that the target closed."""
        self.connections_lost += 1
        self.fault("connection_lost", f"the target closed the WebSocket: {reason}", first)

    def sent_message(self, operation: Operation, planned_s: float) -> None:
        """Record a message whose deliveries follow, also before its response."""
        if self.is_counted(operation):
            self._undelivered[operation.number] = (planned_s, 0)

    def confirmed(self, operation: Operation, receivers: int) -> None:
        """Record the number of receivers that the response to a message states."""
        if self.is_counted(operation):
            self.deliveries_expected += receivers
            self._settle(operation.number, receivers)

    def undeliverable(self, operation: Operation) -> None:
        """Forget a message that was refused."""
        self._undelivered.pop(operation.number, None)

    def delivered(self, number: int, now_s: float) -> None:
        """Record one delivery of a message; copies of unknown messages are ignored."""
        message = self._undelivered.get(number)
        if message is not None:
            self.deliveries += 1
            self.latency("delivery_ms", now_s - message[0])
            self._settle(number, -1)

    @property
    def outstanding_deliveries(self) -> int:
        """The confirmed deliveries that have not arrived."""
        return max(0, self.deliveries_expected - self.deliveries)

    @property
    def faults(self) -> list[Fault]:
        """The errors, the most frequent first."""
        ordered = sorted(self._faults.items(), key=lambda entry: -entry[1][1])
        return [
            Fault(code=code, message=message, count=count, first=first)
            for code, (message, count, first) in ordered
        ]

    def _settle(self, number: int, change: int) -> None:
        """Add to the open deliveries of a message; forget it once all of them arrived.

        Deliveries before the response make the number negative, the response then makes it zero.
        """
        planned_s, missing = self._undelivered.get(number, (0.0, 0))
        if missing + change == 0:
            del self._undelivered[number]
        else:
            self._undelivered[number] = (planned_s, missing + change)
