"""How a connection ended, as far as the input tells."""

from typing import Literal

from sfukit.probe.ice.case import CONNECTED, Case

Outcome = Literal["connected", "failed", "lost", "checking", "unknown"]


def judge(case: Case) -> Outcome:
    """Tell whether ICE found a pair, lost it, failed, or is on its way."""
    state = case.ice_state
    if state in CONNECTED:
        return "connected"
    if state in ("failed", "disconnected"):
        return "lost" if _worked(case) else "failed"
    if state == "closed":
        return "lost" if _worked(case) else "unknown"
    if case.selected is not None:
        return "connected"
    if state == "checking":
        return "checking"
    return "unknown"


def _worked(case: Case) -> bool:
    """Whether a pair had answered before; states are absent where only statistics are."""
    return case.was_connected or any(check.responses_received for check in case.checks)
