"""Reports of shards for tests: shares of one plan, with figures."""

from typing import Any

import msgspec

from sfukit.loadgen.metrics.histogram import metric_of_values
from sfukit.loadgen.options import LoadOptions, RunOptions, Shard
from sfukit.loadgen.result.report import LoadtestReport, Saturation
from sfukit.loadgen.result.shards import ShardFacts
from sfukit.loadgen.scenario import plan
from sfukit.loadgen.shards import described
from sfukit.loadgen.verdict.decision import Circumstances
from tests.unit.loadgen.reports.runs import passed

TARGET = "http://127.0.0.1:7080"


def shard(index: int, count: int = 3, *, started_s: float = 0.0, **options: Any) -> LoadtestReport:
    """Return the report of a shard of 15 clients in 5 rooms; it has no private server."""
    load = LoadOptions(clients=15, rooms=5, seed=options.pop("seed", 7))
    run_options = RunOptions(load=load, target=TARGET, shard=Shard(index, count), **options)
    share = plan(load).shared(Shard(index, count))
    made = passed()
    return msgspec.structs.replace(
        made,
        server=None,
        scenario=msgspec.structs.replace(made.scenario, clients=15, rooms=5, tracks=60),
        target=msgspec.structs.replace(made.target, private=False, url=TARGET),
        shard=described.share(share, run_options, Circumstances(), started_s),
    )


def with_values(report: LoadtestReport, **values: list[float]) -> LoadtestReport:
    """Return a report with some metrics in ms replaced."""
    metrics = {name: metric_of_values(each, "ms") for name, each in values.items()}
    return msgspec.structs.replace(report, metrics={**report.metrics, **metrics})


def with_facts(report: LoadtestReport, **facts: Any) -> LoadtestReport:
    """Return a report with facts beside its metrics."""
    assert report.shard is not None
    share = msgspec.structs.replace(report.shard, facts=ShardFacts(**facts))
    return msgspec.structs.replace(report, shard=share)


def saturated(report: LoadtestReport) -> LoadtestReport:
    """Return a report whose load generator was at its limit."""
    limit = Saturation(side="swarm", reasons=["load generator 90 ms late"], resources=["schedule"])
    return msgspec.structs.replace(report, saturation=limit)
