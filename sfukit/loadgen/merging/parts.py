"""The parts of a merged report: shards of one plan, each once. What differs is refused."""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

from sfukit.errors import UsageError
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.loadgen.result.shards import ShardShare
from sfukit.loadgen.scenario.shares import MOST_SHARDS
from sfukit.loadgen.shards import fingerprint

_NAMED = 6


class Part(NamedTuple):
    """The report of one shard, and the name of its source, such as a file."""

    source: str
    report: LoadtestReport
    share: ShardShare


def part(source: str, report: LoadtestReport) -> Part:
    """Return a part; raise ``UsageError`` where the report is not that of a shard."""
    share = report.shard
    if share is None:
        kind = "already merged" if report.merged is not None else "a run of the whole plan"
        raise UsageError(f"{source}: {kind}", hint="merge the reports of runs with --shard")
    if not (1 <= share.index <= share.count <= MOST_SHARDS):
        raise UsageError(f"{source}: shard {share.index} of {share.count} is impossible")
    if fingerprint.of(share.plan) != share.fingerprint:
        raise UsageError(f"{source}: its fingerprint is not that of its plan", hint="run it again")
    return Part(source, report, share)


def checked(parts: Sequence[Part]) -> list[Part]:
    """Return the parts in the order of their shards; refuse other plans and duplicates."""
    first = parts[0]
    for other in parts[1:]:
        _refuse_another_plan(first, other)
    ordered = sorted(parts, key=lambda one: one.share.index)
    for one, following in itertools.pairwise(ordered):
        if one.share.index == following.share.index:
            raise UsageError(
                f"{one.source} and {following.source} are both shard "
                f"{one.share.index} of {one.share.count}",
                hint="give each shard once",
            )
    clients, planned = sum(one.share.clients for one in ordered), first.report.scenario.clients
    if clients > planned:
        raise UsageError(f"the shards have {clients} clients, and their plan has {planned}")
    return ordered


def _refuse_another_plan(first: Part, other: Part) -> None:
    if other.share.fingerprint == first.share.fingerprint:
        return
    found = fingerprint.differences(first.share.plan, other.share.plan)
    more = f" and {len(found) - _NAMED} others" if len(found) > _NAMED else ""
    raise UsageError(
        f"{first.source} and {other.source} are of different plans: "
        f"{'; '.join(found[:_NAMED])}{more}",
        hint="run all shards with the same options, seed and version",
    )
