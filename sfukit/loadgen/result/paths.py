"""What a report has of impaired links and received video over time."""

from typing import Literal

import msgspec

MOST_LINKS = 8
MOST_VIDEO_STREAMS = 100
MOST_ENCODING_CHANGES = 200
MOST_ESTIMATES = 1_200


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What the target estimated at a time of the run that the client can receive."""

    at_s: float
    bps: float


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """One impaired link with a limited rate: its figures of the measured window, and over time.

    Of downlinks first, at most eight links are reported. Seconds count from the first scheduled
    join. Each list has one value per interval of ``interval_s`` from ``start_s`` on, ramp and
    warm-up included; None where nothing entered the queue. ``rate_bps`` is what left the
    bottleneck, IP and UDP headers included; waits are of datagrams that were not dropped.
    ``bottleneck`` is the number of a bottleneck that links share. ``estimates`` are those of an
    sfukit server, twice a second, in rooms of up to 50 clients.
    """

    room: str
    client: str
    direction: Literal["up", "down"]
    bottleneck: int | None
    window_rate_bps: float | None
    window_queue_p50_ms: float | None
    window_queue_p95_ms: float | None
    window_drop_ratio: float | None
    window_loss_ratio: float | None
    start_s: float
    interval_s: float
    capacity_bps: list[int | None]
    rate_bps: list[float]
    queue_ms: list[float | None]
    queue_max_ms: list[float | None]
    datagrams: list[int]
    queue_drops: list[int]
    losses: list[int]
    estimates: list[Estimate] = []


class EncodingChange(msgspec.Struct, frozen=True, kw_only=True):
    """The encoding that a stream has from a time of the run on."""

    at_s: float
    encoding: str


class VideoStream(msgspec.Struct, frozen=True, kw_only=True):
    """One received video stream in the measured window, with its encodings from its start on.

    ``encodings`` begins with that of the first keyframe and has at most 200 changes;
    ``encoding_shares`` are shares of the time of the window since the first frame, by the encoding
    received last, pauses by the server included. ``end_s`` is the end of the window or of the
    subscription. A value is None where nothing was received.
    """

    room: str
    client: str
    source: str
    impaired: bool
    first_frame_s: float | None
    end_s: float | None
    encodings: list[EncodingChange]
    encoding_shares: dict[str, float]
    layer_switches: int
    freeze_est: float | None
    longest_gap_ms: float
    loss_raw: float | None
    loss_after_rtx: float | None
    bytes_received: int
