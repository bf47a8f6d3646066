"""End a run early once a gate has not been met for a while (``--abort-after``)."""

from collections.abc import Sequence

from sfukit import gates
from sfukit.gates import Gate, GateResult, show
from sfukit.loadgen.metrics import measured, scoped, usage
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.result import report as result
from sfukit.loadgen.scenario import Plan, Window
from sfukit.loadgen.verdict.gate_figures import figures

_JUDGE_EVERY_S = 1.0


class GateWatch:
    """The gates of a window while it is measured, judged on the window so far."""

    def __init__(self, applied: Sequence[Gate], abort_after_s: float) -> None:
        # saturation and CPU use are of a whole window
        self._gates = [gate for gate in applied if _is_of_media(gate)]
        self._abort_after_s = abort_after_s
        self._failing_since_s: dict[Gate, float] = {}
        self._next_s = 0.0

    def due(self, now_s: float) -> bool:
        """Whether the gates are to be judged again."""
        return now_s >= self._next_s

    def reset(self) -> None:
        """Begin another window."""
        self._failing_since_s.clear()

    def judge(
        self, plan: Plan, ledger: Ledger, window: WindowResult, planned: Window
    ) -> list[GateResult]:
        """Return the gates on the window so far."""
        metrics = measured.metrics(plan, ledger, [window], [planned])
        server, generator = usage.server_use([window]), usage.swarm_use([window])
        unknown = result.Saturation(side="none", reasons=[])
        scopes = scoped.metrics(self._gates, plan, ledger, [window], [planned])
        return gates.judge(self._gates, figures(metrics, server, generator, unknown, scopes))

    def reason(self, now_s: float, judged: Sequence[GateResult]) -> str | None:
        """Return why the run has to end; None while each gate was met within the time."""
        self._next_s = now_s + _JUDGE_EVERY_S
        for gate, one in zip(self._gates, judged, strict=True):
            if one.ok is not False:
                self._failing_since_s.pop(gate, None)
                continue
            since_s = self._failing_since_s.setdefault(gate, now_s)
            if now_s - since_s >= self._abort_after_s:
                return (
                    f"ended by --abort-after: {one.gate} was not met for "
                    f"{now_s - since_s:.3g} s, it is {show(one.value, one.unit)}"
                )
        return None


def _is_of_media(gate: Gate) -> bool:
    return not gate.path.startswith(("saturation.", "server.", "generator."))
