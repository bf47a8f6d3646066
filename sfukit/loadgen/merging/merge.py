"""The reports of shards in one report: histograms and counts added up, gates judged again. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import msgspec

from sfukit import gates, units
from sfukit.errors import ExitCode
from sfukit.gates import Gate, GateResult, Scope
from sfukit.loadgen.merging import metrics as merge_metrics
from sfukit.loadgen.merging import series as merge_series
from sfukit.loadgen.merging import use as merge_use
from sfukit.loadgen.merging.parts import Part, checked
from sfukit.loadgen.result import report as result
from sfukit.loadgen.result.paths import MOST_LINKS, MOST_VIDEO_STREAMS
from sfukit.loadgen.result.report import LoadtestReport, Metric, Stage
from sfukit.loadgen.result.shards import MergedPart, MergedShards
from sfukit.loadgen.summary import stages as stage_report
from sfukit.loadgen.summary import worst
from sfukit.loadgen.verdict import gate_figures
from sfukit.loadgen.verdict.decision import Circumstances, Decision, TargetFault, decide

_LONGEST_SPREAD_S = 1.0  # of the starts: rooms are loaded at other times than planned
_NAMED = 12


def merge(parts: Sequence[Part], absent: Mapping[int, str] | None = None) -> LoadtestReport:
    """Return the report of one plan, from those of its shards.

    ``absent`` has a note on shards whose report is known to be missing. Raises ``UsageError``
    where parts are of different plans, ``MergeError`` where one contradicts itself.
    """
    ordered = checked(parts)
    first, reports = ordered[0].report, [part.report for part in ordered]
    metrics = merge_metrics.metrics(report.metrics for report in reports)
    groups = merge_metrics.groups(report.groups for report in reports)
    rooms = merge_metrics.groups(report.rooms for report in reports)
    uses = [report.generator for report in reports if report.generator is not None]
    generator = merge_use.generators(uses) if uses else None
    saturation = merge_use.saturation(
        {part.share.index: part.report.saturation for part in ordered}
    )
    known = gate_figures.figures(metrics, None, generator, saturation, _scoped(rooms, groups))
    judged = gates.judge(_gates(reports), known)
    stages = _stages(ordered)
    decision = decide(judged, saturation, _circumstances(ordered))
    decision = stage_report.combined(decision, stages)
    shards = _shards(ordered, absent or {})
    decision = _limited(decision, [*_absent(shards, first.scenario.clients), *_spread(ordered)])
    return LoadtestReport(
        schema=result.SCHEMA,
        command="loadtest",
        verdict=decision.verdict,
        exit_code=decision.exit_code,
        started_at=min(report.started_at for report in reports),
        command_line=first.command_line,
        name=first.name,
        tags={
            key: value
            for key, value in first.tags.items()
            if all(report.tags.get(key) == value for report in reports)
        },
        seed=first.seed,
        interrupted=any(report.interrupted for report in reports),
        reasons=decision.reasons,
        target=first.target,
        scenario=first.scenario,
        environment=first.environment,
        gates=judged,
        metrics=metrics,
        groups=groups,
        rooms=rooms,
        server=None,
        generator=generator,
        saturation=saturation,
        switches=merge_use.counts(report.switches for report in reports),
        encodings=merge_use.encodings([report.encodings for report in reports]),
        rate_limited=merge_use.rate_limited([report.rate_limited for report in reports]),
        retried_joins=merge_use.retried_joins([report.retried_joins for report in reports]),
        relay=merge_use.relay([report.relay for report in reports]),
        frame_delay=merge_use.frame_delay([report.frame_delay for report in reports]),
        worst=worst.merged(one for report in reports for one in report.worst),
        decoded=[one for report in reports for one in report.decoded],
        errors=merge_use.faults(report.errors for report in reports),
        stages=stages,
        series=merge_series.series([report.series for report in reports]),
        clients=merge_series.clients(report.clients for report in reports),
        links=[one for report in reports for one in report.links][:MOST_LINKS],
        video_streams=[one for report in reports for one in report.video_streams][
            :MOST_VIDEO_STREAMS
        ],
        merged=shards,
    )


def _gates(reports: Sequence[LoadtestReport]) -> list[Gate]:
    """Return the gates of all shards: one without frame delays has no gate on them."""
    return _distinct(gate for report in reports for gate in report.gates)


def _distinct(judged: Iterable[GateResult]) -> list[Gate]:
    found: dict[str, Gate] = {}
    for one in judged:
        gate = Gate(one.path, one.op, one.bound, one.unit, one.default)
        found.setdefault(str(gate), gate)
    return sorted(found.values(), key=lambda gate: not gate.default)


def _scoped(
    rooms: Mapping[str, Mapping[str, Metric]], groups: Mapping[str, Mapping[str, Metric]]
) -> dict[Scope, Mapping[str, Metric]]:
    return {
        **{Scope("room", name): found for name, found in rooms.items()},
        **{Scope("group", name): found for name, found in groups.items()},
    }


def _circumstances(parts: Sequence[Part]) -> Circumstances:
    """Return the facts of all shards beside their metrics, each with its shard."""
    facts = [(f"shard {part.share.index}: ", part.share.facts) for part in parts]

    def texts(name: str) -> str | None:
        found = [f"{shard}{text}" for shard, one in facts if (text := getattr(one, name))]
        return "; ".join(found) or None

    fault = texts("target_fault")
    stated = any(one.stated_by_target for _, one in facts if one.target_fault)
    return Circumstances(
        interrupted=any(part.report.interrupted for part in parts),
        target_fault=None if fault is None else TargetFault(fault, stated_by_target=stated),
        refused_joins=sum(one.refused_joins for _, one in facts),
        dropped=texts("dropped"),
        clients_refused=texts("clients_refused"),
        aborted=texts("aborted"),
        load_delivered=all(one.load_delivered for _, one in facts),
    )


def _stages(parts: Sequence[Part]) -> list[Stage]:
    """Return the stages that every shard measured."""
    count = min(len(part.report.stages) for part in parts)
    return [
        _stage([(part, part.report.stages[number]) for part in parts]) for number in range(count)
    ]


def _stage(parts: Sequence[tuple[Part, Stage]]) -> Stage:
    first, each = parts[0][1], [stage for _, stage in parts]
    metrics = merge_metrics.metrics(stage.metrics for stage in each)
    generator = merge_use.generators([stage.generator for stage in each])
    saturation = merge_use.saturation({part.share.index: one.saturation for part, one in parts})
    judged = gates.judge(
        _distinct(gate for stage in each for gate in stage.gates if not _is_scoped(gate)),
        gate_figures.figures(metrics, None, generator, saturation),
    )
    judged += _scoped_results([gate for stage in each for gate in stage.gates if _is_scoped(gate)])
    whole = _circumstances([part for part, _ in parts])
    # what else concerns the whole run is no part of one stage
    whole = replace(whole, dropped=None, clients_refused=None, aborted=None)
    return stage_report.judged_stage(
        stage_report.Place(first.number, first.clients, first.start_s, first.duration_s),
        stage_report.Use(metrics, None, generator, saturation),
        judged,
        whole,
    )


def _is_scoped(gate: GateResult) -> bool:
    return "[" in gate.path


def _scoped_results(found: Sequence[GateResult]) -> list[GateResult]:
    """Return the results of gates on rooms and groups in a stage, whose metrics no stage has.

    A room or group of one shard has the result of that shard, one of several shards has none.
    """
    by_gate: dict[str, list[GateResult]] = {}
    for one in found:
        by_gate.setdefault(one.gate, []).append(one)
    return [
        each[0] if len(each) == 1 else msgspec.structs.replace(each[0], value=None, ok=None)
        for each in by_gate.values()
    ]


def _shards(parts: Sequence[Part], absent: Mapping[int, str]) -> MergedShards:
    share = parts[0].share
    present = {part.share.index: part for part in parts}
    return MergedShards(
        count=share.count,
        fingerprint=share.fingerprint,
        clients=sum(part.share.clients for part in parts),
        tracks=sum(part.share.tracks for part in parts),
        parts=[
            _part(index, present.get(index), absent.get(index, ""))
            for index in range(1, share.count + 1)
        ],
    )


def _part(index: int, part: Part | None, note: str) -> MergedPart:
    if part is None:
        return MergedPart(index=index, clients=None, verdict=None, note=note)
    return MergedPart(
        index=index,
        clients=part.share.clients,
        verdict=part.report.verdict,
        reasons=part.report.reasons,
        started_s=part.share.started_s,
        note=note or part.source,
    )


def _absent(shards: MergedShards, planned: int) -> list[str]:
    """Return the sentence on absent shards, if there are any."""
    absent = [part for part in shards.parts if part.verdict is None]
    if not absent:
        return []
    named = ", ".join(f"{p.index}{f' ({p.note})' if p.note else ''}" for p in absent[:_NAMED])
    more = f" and {len(absent) - _NAMED} others" if len(absent) > _NAMED else ""
    one = len(absent) == 1
    which = f"shard{'' if one else 's'} {named}{more} of {shards.count}"
    share = f"{'its' if one else 'their'} share, {planned - shards.clients} of {planned} clients"
    return [f"{which} {'is' if one else 'are'} absent: {share}, is inconclusive"]


def _spread(parts: Sequence[Part]) -> list[str]:
    """Return the sentence on shards that did not start together."""
    starts = {p.share.index: p.share.started_s for p in parts if p.share.started_s is not None}
    if not starts:
        return []
    first, last = min(starts, key=starts.__getitem__), max(starts, key=starts.__getitem__)
    spread_s = starts[last] - starts[first]
    if spread_s <= _LONGEST_SPREAD_S:
        return []
    return [
        f"shard {last} started {units.show_duration(round(spread_s, 1))} after shard {first}: the "
        "load was not that of the plan; give all shards one --start-at"
    ]


def _limited(decision: Decision, limits: Sequence[str]) -> Decision:
    """Return the decision where a part of the load is unknown: no pass."""
    if not limits:
        return decision
    reasons = [*decision.reasons, *limits]
    if decision.verdict != "pass":
        return Decision(decision.verdict, decision.exit_code, reasons)
    return Decision("inconclusive", ExitCode.INCONCLUSIVE, reasons)
