"""The share of a shard in its report, and in one line."""

from collections.abc import Sequence

from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result.shards import ShardFacts, ShardShare
from sfukit.loadgen.scenario import Plan
from sfukit.loadgen.shards import fingerprint, start
from sfukit.loadgen.verdict.decision import Circumstances

_NAMED = 6


def share(
    plan: Plan, options: RunOptions, circumstances: Circumstances, started_s: float | None
) -> ShardShare | None:
    """Return the share of this process; None where it has the whole plan."""
    if options.shard is None:
        return None
    parts, fault = fingerprint.described(plan, options), circumstances.target_fault
    return ShardShare(
        index=options.shard.index,
        count=options.shard.count,
        fingerprint=fingerprint.of(parts),
        plan=parts,
        clients=len(plan.own_slots),
        tracks=plan.tracks,
        started_s=started_s,
        facts=ShardFacts(
            target_fault=None if fault is None else fault.text,
            stated_by_target=fault is not None and fault.stated_by_target,
            refused_joins=circumstances.refused_joins,
            dropped=circumstances.dropped,
            clients_refused=circumstances.clients_refused,
            aborted=circumstances.aborted,
            load_delivered=circumstances.load_delivered,
        ),
    )


def line(plan: Plan, options: RunOptions) -> str:
    """Return the share in one line."""
    mark = fingerprint.of(fingerprint.described(plan, options))
    rooms = sorted({bot.room for bot in plan.own_slots})
    where = _rooms([plan.rooms[room].label for room in rooms])
    at = "" if options.start_at_s is None else f", starts {start.show(options.start_at_s)}"
    own, clients = len(plan.own_slots), len(plan.slots)
    return f"{options.shard}: {own} of {clients} clients, {where}; plan {mark}{at}"


def _rooms(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED} others" if len(labels) > _NAMED else ""
    return f"in {', '.join(labels[:_NAMED])}{more}"
