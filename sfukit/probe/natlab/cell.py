"""The figures of a matrix: one cell, and the weighted total of one strategy."""

import msgspec


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """One pair under one strategy; ratios 0..1, 95 % interval of ``direct``."""

    a: str
    b: str
    symmetric: bool
    strategy: str
    runs: int
    direct: float
    direct_low: float
    direct_high: float
    relayed: float
    connected: float
    time_ms_p50: float | None
    time_ms_p95: float | None
    time_ms_avg: float | None


class Total(msgspec.Struct, frozen=True, kw_only=True):
    """All pairs of a mix under one strategy; ``relay_share`` is of those connected."""

    strategy: str
    direct: float
    direct_low: float
    direct_high: float
    symmetric_pairs: float
    symmetric_direct: float | None
    connected: float
    relay_share: float | None
    time_ms_avg: float | None
