"""The outcome of a connection."""

from typing import Literal

from sfukit.probe.ice.case import CONNECTED, Case

Outcome = Literal["connected", "failed", "lost", "checking", "unknown"]


def judge(case: Case) -> Outcome:
    """Return whether ICE connected, lost consent, failed, or is checking."""
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
    """Whether a pair had responses before; statistics alone have no states."""
    return case.was_connected or any(check.responses_received for check in case.checks)
