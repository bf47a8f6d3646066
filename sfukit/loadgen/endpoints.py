"""Publishers that share one WHIP endpoint, which most servers admit one of. Pure."""

from collections import Counter

import msgspec

from sfukit.loadgen.result.report import Target
from sfukit.loadgen.scenario import Plan
from sfukit.targets import access


def publishers_per_endpoint(url: str, plan: Plan) -> int:
    """Return the largest number of publishers that a WHIP URL gets at the same time."""
    counts = Counter(
        access.fill_in(url, plan.rooms[slot.room].name, slot.index + 1)
        for slot in plan.slots
        if slot.sends
    )
    return max(counts.values(), default=0)


def counted(target: Target, plan: Plan) -> Target:
    """Return a target with the publishers that share an endpoint; only WHIP has endpoints."""
    if target.kind != "whip":
        return target
    sharing = publishers_per_endpoint(target.url, plan)
    return msgspec.structs.replace(target, publishers_per_endpoint=sharing)


def note(target: Target) -> str | None:
    """Return what to say about a shared endpoint; None where each publisher has its own."""
    if target.publishers_per_endpoint < 2:
        return None
    return (
        f"{target.publishers_per_endpoint} publishers share one WHIP endpoint: a server that "
        "admits one publisher refuses or replaces the others; {n} in the URL gives each its own"
    )
