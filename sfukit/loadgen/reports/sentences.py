"""Sentences about a load test that several forms of its report share."""

from collections import Counter

from sfukit import gates
from sfukit.gates import GateResult
from sfukit.htmlreport.elements import State
from sfukit.loadgen.host.placement import EXCHANGE
from sfukit.loadgen.result.report import LoadtestReport, Metric, Scenario, SwarmUse, Worst
from sfukit.loadgen.result.shards import MergedShards, ShardShare


def word(report: LoadtestReport) -> str:
    """Return the verdict in one word."""
    return "INTERRUPTED" if report.interrupted else report.verdict.upper()


def state(report: LoadtestReport) -> State:
    """Return the state that the verdict is shown in."""
    states: dict[str, State] = {"pass": "ok", "fail": "bad"}
    return states.get(report.verdict, "warn")


def outcome(report: LoadtestReport) -> str:
    """Return how many clients joined, how many tracks arrived and how many gates are met."""
    planned, metrics = load(report), report.metrics
    parts = [f"{share(metrics.get('joins'), planned.clients)} joined"]
    if planned.tracks:
        parts.append(f"{share(metrics.get('tracks'), planned.tracks)} tracks")
    if report.gates:
        held = sum(gate.ok is True for gate in report.gates)
        kind = "default " if all(gate.default for gate in report.gates) else ""
        parts.append(f"{held}/{len(report.gates)} {kind}gates")
    return ", ".join(parts)


def load(report: LoadtestReport) -> Scenario | ShardShare | MergedShards:
    """Return what has the planned clients and tracks of a report: the plan, or the shards of it."""
    return report.merged or report.shard or report.scenario


def shards(merged: MergedShards) -> str:
    """Return the shards of a merged report with their verdicts."""
    present = [part for part in merged.parts if part.verdict is not None]
    counted = Counter(part.verdict for part in present)
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in counted.items())
    each = f" ({verdicts} by itself)" if len(present) == 1 else f" ({verdicts} by themselves)"
    return f"{len(present)} of {merged.count}{each}; plan {merged.fingerprint}"


def share(metric: Metric | None, planned: int) -> str:
    """Return a ratio as a count of what was planned."""
    reached = (metric.avg if metric else None) or 0.0
    return f"{round(reached * planned)}/{planned}"


def target(report: LoadtestReport) -> str:
    """Return the target."""
    return "a private SFU" if report.target.private else report.target.url


def labels(report: LoadtestReport) -> str:
    """Return the name and the tags of a run; empty without any."""
    tags = [f"{key}={value}" for key, value in report.tags.items()]
    return ", ".join([report.name] * bool(report.name) + tags)


def mark(gate: GateResult) -> str:
    """Return the result of a gate."""
    return "unknown" if gate.ok is None else "met" if gate.ok else "NOT MET"


def worst(one: Worst) -> str:
    """Return the figure of one of the worst streams, with what explains it."""
    note = f" ({one.note})" if one.note else ""
    return f"{one.metric} {gates.show(one.value, one.unit)}{note}"


def stream(one: Worst) -> str:
    """Return the name of one of the worst streams."""
    source = f" of {one.source}" if one.source else ""
    return f"{one.room} {one.bot}{source}"


def trusted(report: LoadtestReport) -> bool:
    """Whether the load generator was healthy."""
    return report.generator is not None and report.saturation.side in ("none", "server")


def health(report: LoadtestReport) -> str:
    """Return whether the figures can be trusted, and why not."""
    if report.generator is None:
        return "figures of the load generator are unknown"
    if trusted(report):
        return "the load generator was not saturated: figures can be trusted"
    return (
        "the load generator was saturated, the server may be better than these figures: "
        + "; ".join(report.saturation.reasons)
    )


def exchange(report: LoadtestReport) -> str:
    """Return whether threads of the server were moved (``--pin exchange``); empty without it."""
    placement = report.environment.placement
    if placement.cores_swapped:
        return (
            "exchange: the media threads of server and load generator swapped cores every 50 ms, "
            "which improves figures of the server"
        )
    return "exchange: not applied" if placement.pin == EXCHANGE else ""


def drops(generator: SwarmUse) -> str:
    """Return the drops at the bots' sockets."""
    return "unknown" if generator.socket_drops is None else f"{generator.socket_drops:,}"
