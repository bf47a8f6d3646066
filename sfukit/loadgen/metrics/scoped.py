"""The metrics of one room or group, for gates with a scope."""

from collections.abc import Iterable, Mapping, Sequence

from sfukit.errors import UsageError
from sfukit.gates import Gate, Scope
from sfukit.loadgen.metrics import measured
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.metrics.measured import WindowResult
from sfukit.loadgen.options import RunOptions
from sfukit.loadgen.result.report import Metric
from sfukit.loadgen.scenario import Bot, Plan, Window
from sfukit.loadgen.verdict import decision as verdict
from sfukit.loadgen.verdict.gate_figures import SCOPED

_NAMED = 12  # in an error


def members(plan: Plan, kind: str) -> dict[str, Sequence[Bot]]:
    """Return the bots of each room or group, by the name that a scope gives."""
    if kind == "room":
        return {room.label: room.bots for room in plan.rooms}
    parts: dict[str, Sequence[Bot]] = {}
    if any(bot.impaired for bot in plan.bots):
        parts["impaired"] = [bot for bot in plan.bots if bot.impaired]
        parts["free"] = [bot for bot in plan.bots if not bot.impaired]
    for group in plan.options.groups:
        parts[group.name] = [bot for bot in plan.bots if bot.group == group]
    return parts


def check(wanted: Iterable[Gate], plan: Plan) -> None:
    """Refuse gates whose room or group is not in the plan."""
    for gate in wanted:
        scope = gate.scope
        if scope is None:
            continue
        known = list(members(plan, scope.kind))
        if scope.name not in known:
            raise UsageError(
                f"-T '{gate}': this run has no {scope.kind} {scope.name}",
                hint=_known(scope.kind, known),
            )


def applied_gates(plan: Plan, options: RunOptions) -> list[Gate]:
    """Return the gates of this process: not those on rooms and groups of other shards."""
    return [gate for gate in verdict.applied_gates(plan, options) if _is_own(gate, plan)]


def _is_own(gate: Gate, plan: Plan) -> bool:
    scope = gate.scope
    return scope is None or any(map(plan.is_own, members(plan, scope.kind)[scope.name]))


def metrics(
    wanted: Iterable[Gate],
    plan: Plan,
    ledger: Ledger,
    windows: Sequence[WindowResult],
    planned: Sequence[Window],
) -> dict[Scope, Mapping[str, Metric]]:
    """Return the metrics of each scope that a gate names."""
    found: dict[Scope, Mapping[str, Metric]] = {}
    for scope in {gate.scope for gate in wanted if gate.scope is not None}:
        indices = {bot.index for bot in members(plan, scope.kind)[scope.name]}
        known = measured.scoped_metrics(indices, plan, ledger, windows, planned)
        found[scope] = {name: known[name] for name in SCOPED}
    return found


def _known(kind: str, names: Sequence[str]) -> str:
    if not names:
        return "groups are impaired and free, in a run with --net-up or --net-down"
    more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return f"{kind}s of this run: {', '.join(names[:_NAMED])}{more}"
