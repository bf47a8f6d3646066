"""What the report of a shard has beside its metrics, and what a merged report says of its parts."""

import msgspec

from sfukit.report import Verdict


class ShardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """Facts of a shard that bear on the verdict beside its metrics."""

    target_fault: str | None = None
    stated_by_target: bool = False
    refused_joins: int = 0
    dropped: str | None = None
    clients_refused: str | None = None
    aborted: str | None = None
    load_delivered: bool = True


class ShardShare(msgspec.Struct, frozen=True, kw_only=True):
    """The share of a shard: its clients and the tracks that they should receive.

    ``fingerprint`` is that of the plan, ``plan`` the options it is made of. ``started_s`` is the
    first planned join of the plan, in seconds since 1970; None where no bot was started.
    """

    index: int
    count: int
    fingerprint: str
    plan: dict[str, str]
    clients: int
    tracks: int
    started_s: float | None
    facts: ShardFacts


class MergedPart(msgspec.Struct, frozen=True, kw_only=True):
    """One shard of a merged report; ``verdict`` is None where the shard is absent."""

    index: int
    clients: int | None
    verdict: Verdict | None
    reasons: list[str] = []
    started_s: float | None = None
    note: str = ""


class MergedShards(msgspec.Struct, frozen=True, kw_only=True):
    """The shards of a merged report; ``clients`` and ``tracks`` are those of the present ones."""

    count: int
    fingerprint: str
    clients: int
    tracks: int
    parts: list[MergedPart]
