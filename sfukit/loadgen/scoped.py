"""The metrics of one room or group, for gates with a scope."""

from collections.abc import Iterable, Mapping, Sequence

from sfukit.errors import UsageError
from sfukit.gates import Gate, Scope
from sfukit.loadgen import measured
from sfukit.loadgen.clients import arrived, planned_tracks
from sfukit.loadgen.gate_figures import SCOPED
from sfukit.loadgen.histogram import metric_of_histograms, metric_of_values
from sfukit.loadgen.ledger import Ledger
from sfukit.loadgen.measured import WindowResult
from sfukit.loadgen.result import Metric
from sfukit.loadgen.scenario import Bot, Plan

_NS_PER_MS = 1e6
_NAMED = 12  # in an error


def members(plan: Plan, kind: str) -> dict[str, Sequence[Bot]]:
    """Return the bots of each room or group, by the name that a scope gives."""
    if kind == "room":
        return {room.label: room.bots for room in plan.rooms}
    parts = {
        "impaired": [bot for bot in plan.bots if bot.impaired],
        "free": [bot for bot in plan.bots if not bot.impaired],
    }
    return dict(parts) if parts["impaired"] else {}


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


def metrics(
    wanted: Iterable[Gate], plan: Plan, ledger: Ledger, window: WindowResult
) -> dict[Scope, Mapping[str, Metric]]:
    """Return the metrics of each scope that a gate names."""
    scopes = {gate.scope for gate in wanted if gate.scope is not None}
    return {
        scope: _metrics(members(plan, scope.kind)[scope.name], plan, ledger, window)
        for scope in scopes
    }


def _metrics(
    bots: Sequence[Bot], plan: Plan, ledger: Ledger, window: WindowResult
) -> dict[str, Metric]:
    indices = {bot.index for bot in bots}
    records = [ledger.join_records[index] for index in indices & ledger.join_records.keys()]
    joined = [one for one in records if one.connected_ns is not None]
    received = arrived(ledger)
    tracks = sum(received[index] for index in indices)
    planned = sum(planned_tracks(plan, bot) for bot in bots)
    streams = [one for one in window.figures.streams if one.bot - 1 in indices]
    found = {
        "joins": _share(len(joined), len(bots)),
        "tracks": _share(tracks, planned),
        "join_ms": metric_of_values(
            (((one.connected_ns or 0) - one.scheduled_ns) / _NS_PER_MS for one in joined), "ms"
        ),
        "ttff_ms": metric_of_values(
            (
                ttff_ms
                for track, ttff_ms in ledger.first_frames()
                if track.kind == "video" and track.subscriber.index in indices
            ),
            "ms",
        ),
        "e2e_frame_ms": metric_of_histograms(
            one.e2e_histogram for one in streams if one.kind == "video"
        ),
        **measured.of_streams(streams, window),
    }
    return {name: found[name] for name in SCOPED}


def _share(part: int, whole: int) -> Metric:
    return metric_of_values([1.0] * part + [0.0] * max(0, whole - part), "ratio")


def _known(kind: str, names: Sequence[str]) -> str:
    if not names:
        return "groups are impaired and free, in a run with --net-up or --net-down"
    more = f" and {len(names) - _NAMED} others" if len(names) > _NAMED else ""
    return f"{kind}s of this run: {', '.join(names[:_NAMED])}{more}"
