"""What a report has beside its metrics: figures per interval, and per client."""

from typing import Literal

import msgspec

Phase = Literal["ramp", "warm-up", "measuring"]

MOST_INTERVALS = 3600
MOST_CLIENTS = 2000


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of one interval; seconds count from the first scheduled join.

    ``joined``, ``failed`` and ``tracks`` are counts at its end. ``bitrate_in_bps`` is received by
    all bots, ``bitrate_out_bps`` sent by them. A value is None where nothing was measured.
    Lost packets that are repaired later count in neither interval's ``loss_after_rtx``.
    ``hdr`` has the histograms of a shard, ``e2e_frame``, ``rtt`` and ``lag``, to be merged.
    """

    start_s: float
    end_s: float
    phase: Phase
    joined: int
    failed: int
    tracks: int
    bitrate_in_bps: float
    bitrate_out_bps: float
    loss_raw: float | None
    loss_after_rtx: float | None
    e2e_frame_p50_ms: float | None
    e2e_frame_p95_ms: float | None
    e2e_frame_p99_ms: float | None
    rtt_p95_ms: float | None
    lag_p99_ms: float | None
    unsent: int
    generator_cores: float
    server_cores: float | None
    packets_expected: int = 0
    hdr: dict[str, str] = {}


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """One client: its join, and the media that it received in the measured window.

    ``ttff_ms`` is the longest of its video tracks, ``e2e_frame_p95_ms`` over the frames of all of
    them; ``quality`` is the score of its worst stream; ``failure`` is the code of a failed join or
    the reason of a disconnect, else empty.
    """

    room: str
    name: str
    joined: bool
    failure: str
    join_ms: float | None
    ttff_ms: float | None
    tracks: int
    planned_tracks: int
    e2e_frame_p95_ms: float | None
    loss_raw: float | None
    loss_after_rtx: float | None
    freeze_est: float | None
    bitrate_in_bps: float | None
    quality: float | None = None
    impaired: bool
