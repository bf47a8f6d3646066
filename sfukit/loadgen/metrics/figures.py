"""The figures of the swarm, as ``crates/swarm/src/figures.rs`` writes them."""

from typing import Literal

import msgspec

from sfukit.loadgen.metrics.histogram import Histogram


class Totals(msgspec.Struct, frozen=True):
    """Counts over all bots."""

    packets_received: int
    bytes_received: int
    packets_sent: int
    bytes_sent: int
    packets_unsent: int
    frames_early: int
    frames_by_id: int
    frames_by_capture_time: int
    frames_untimed: int


class LossFigures(msgspec.Struct, frozen=True):
    """Packet loss over all streams."""

    packets_expected: int
    packets_lost_raw: int
    packets_lost_after_rtx: int


class Histograms(msgspec.Struct, frozen=True):
    """Distributions over all bots."""

    e2e_frame: Histogram
    e2e_delta: Histogram
    e2e_keyframe: Histogram
    playout_delay: Histogram
    playout_delay_libwebrtc: Histogram
    rtt: Histogram
    lag: Histogram


class Delays(msgspec.Struct, frozen=True):
    """The frame delays of one stream."""

    count: int
    p99_ms: float | None


class Points(msgspec.Struct, frozen=True):
    """Points that the quality score lost, by cause; means of the window."""

    delay: float
    loss: float
    bitrate: float
    layer: float


class Quality(msgspec.Struct, frozen=True):
    """The quality score of a stream, 0 to 100: mean and least of the window."""

    score: float
    least: float
    lost: Points


class StreamFigures(msgspec.Struct, frozen=True):
    """One received stream.

    Late frames and playout delays are by the moving average of the jitter and by libwebrtc's
    histogram of relative delays (``crates/swarm/src/playout.rs``); frames of audio are packets.
    """

    stream: int
    bot: int
    source: str
    kind: Literal["audio", "video"]
    packets_expected: int
    packets_lost_raw: int
    packets_lost_after_rtx: int
    bytes_received: int
    frames: int
    frozen_ms: float
    playing_ms: float
    longest_gap_ms: float
    jitter_ms: float | None
    frames_late: int
    frames_late_libwebrtc: int
    playout_delay_ms: float | None
    playout_delay_libwebrtc_ms: float | None
    quality: Quality | None
    e2e_frame: Delays
    e2e_histogram: Histogram


class TransportFigures(msgspec.Struct, frozen=True):
    """The round-trip times of one open transport, by direction of its media.

    ``rtt_outbound`` is by report blocks on published streams (RFC 3550 section 6.4.1),
    ``rtt_inbound`` by echoes of receiver reference times (RFC 3611 section 4.5).
    """

    transport: int
    bot: int
    rtt_outbound: Histogram
    rtt_inbound: Histogram
    report_blocks_received: int
    reference_times_sent: int


class Trace(msgspec.Struct, frozen=True):
    """What passed a link over time: one value per interval in each list."""

    start_ns: int
    interval_ns: int
    capacity_bps: list[int | None]
    bytes: list[int]
    datagrams: list[int]
    queue_drops: list[int]
    losses: list[int]
    queue_ms: list[float | None]
    queue_max_ms: list[float | None]


class LinkFigures(msgspec.Struct, frozen=True):
    """One direction of the impaired network of a bot, since its start.

    ``queue_wait`` has the times waited at the bottleneck, where it is shared or traced; bytes
    include IP and UDP headers.
    """

    bot: int
    direction: Literal["up", "down"]
    datagrams: int
    queue_drops: int
    losses: int
    bytes_delivered: int
    queue_wait: Histogram
    bottleneck: int | None = None
    trace: Trace | None = None


class FlowFigures(msgspec.Struct, frozen=True):
    """One TCP-like flow, since its start; bytes include all headers."""

    flow: int
    segments: int
    queue_drops: int
    losses: int
    bytes_delivered: int
    queue_wait: Histogram
    transfers: int


class GeneratorFigures(msgspec.Struct, frozen=True):
    """Figures of the swarm itself since its start; None is unknown."""

    socket_drops: int | None


class Figures(msgspec.Struct, frozen=True):
    """All figures of the window, or since the start where none was set.

    ``at_ns`` is the time of the snapshot.
    """

    at_ns: int
    totals: Totals
    loss: LossFigures
    histograms: Histograms
    decrypted_ratio: float
    generator: GeneratorFigures | None
    streams: list[StreamFigures]
    transports: list[TransportFigures]
    links: list[LinkFigures] = []
    flows: list[FlowFigures] = []
