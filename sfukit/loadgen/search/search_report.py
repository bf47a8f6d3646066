"""The JSON of ``sfukit loadtest --find-max``; its schema is docs/schema/loadtest-find-max.json."""

from typing import Literal

import msgspec

from sfukit import report
from sfukit.gates import GateResult
from sfukit.loadgen.result.report import (
    Environment,
    Fault,
    LoadtestReport,
    Metric,
    Saturation,
    Scenario,
    ServerUse,
    SwarmUse,
    Target,
)
from sfukit.report import Envelope, Verdict

COMMAND = "loadtest-find-max"
SCHEMA = report.schema_id(COMMAND)

Cause = Literal["server", "load generator", "shared core", "unknown"]
Ended = Literal["found", "generator_limit", "machine_limit", "time_limit", "interrupted", "none"]


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One run of the search: its load, what it measured, and its verdict."""

    clients: int
    rooms: int
    tracks: int
    verdict: Verdict
    exit_code: int
    reasons: list[str]
    wall_s: float
    gates: list[GateResult]
    metrics: dict[str, Metric]
    server: ServerUse | None
    generator: SwarmUse | None
    saturation: Saturation
    errors: list[Fault]


class Broke(msgspec.Struct, frozen=True, kw_only=True):
    """What broke first, at the smallest load that did not pass.

    ``resource`` is None where no measured resource was at its limit; ``gate`` is None where the
    run ended before its gates were judged.
    """

    clients: int
    side: Cause
    resource: str | None
    gate: str | None
    reasons: list[str]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The largest load that passed: exact within ``resolution``, or a lower bound.

    ``max_clients`` is None where no load passed. With ``at_least`` larger loads may pass: they
    were not measured, or the load generator was at its limit.
    """

    max_clients: int | None
    at_least: bool
    resolution: int
    ended: Ended
    broke_first: Broke | None


class SearchReport(Envelope, kw_only=True, frozen=True):
    """One search of ``sfukit loadtest --find-max``; ``scenario`` is that of the first probe."""

    started_at: str
    seed: int
    target: Target
    scenario: Scenario
    environment: Environment
    answer: Answer
    probes: list[Probe]


def probe_of(run: LoadtestReport, wall_s: float) -> Probe:
    """Return a run as a probe."""
    return Probe(
        clients=run.scenario.clients,
        rooms=run.scenario.rooms,
        tracks=run.scenario.tracks,
        verdict=run.verdict,
        exit_code=run.exit_code,
        reasons=run.reasons,
        wall_s=wall_s,
        gates=run.gates,
        metrics=run.metrics,
        server=run.server,
        generator=run.generator,
        saturation=run.saturation,
        errors=run.errors,
    )
