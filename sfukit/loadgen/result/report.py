"""The JSON of ``sfukit loadtest``; its schema is published in docs/schema/loadtest.json."""

from typing import Any, Literal

import msgspec

from sfukit import report
from sfukit.gates import GateResult
from sfukit.loadgen.result.case import CaseReport
from sfukit.loadgen.result.paths import Link, VideoStream
from sfukit.loadgen.result.series import Client, Interval
from sfukit.loadgen.result.shards import MergedShards, ShardShare
from sfukit.report import Envelope
from sfukit.swarm.impairment import Impairment

SCHEMA = report.schema_id("loadtest")

Unit = Literal["ms", "ratio", "bit/s", "count", "score", "dB"]
Side = Literal["none", "server", "swarm", "shared"]
# Resources at their limit: a thread on its core, the wait for a core, drops at sockets, sending
# behind its schedule, packets that were not sent.
Resource = Literal["thread", "run queue", "sockets", "schedule", "send backlog"]

# The metrics with their units. For ratios `avg` is the overall ratio (lost over all packets);
# percentiles are over clients or streams.
METRICS: dict[str, Unit] = {
    "joins": "ratio",
    "tracks": "ratio",
    "join_ms": "ms",
    "join_signalling_ms": "ms",
    "join_ice_ms": "ms",
    "join_dtls_ms": "ms",
    "ttff_ms": "ms",
    "e2e_frame_ms": "ms",
    "e2e_delta_ms": "ms",
    "e2e_keyframe_ms": "ms",
    "rtt_ms": "ms",
    "jitter_ms": "ms",
    "playout_delay_ms": "ms",
    "playout_delay_libwebrtc_ms": "ms",
    "late_frames": "ratio",
    "late_frames_libwebrtc": "ratio",
    "loss_raw": "ratio",
    "loss_after_rtx": "ratio",
    "loss_after_rtx_video": "ratio",
    "loss_after_rtx_audio": "ratio",
    "freeze_est": "ratio",
    "longest_gap_ms": "ms",
    "handovers": "ratio",
    "handover_gap_ms": "ms",
    "handover_ice_ms": "ms",
    "turn_allocate_ms": "ms",
    "layer_switch_ms": "ms",
    "layer_switches": "count",
    "quality": "score",
    "mos_audio_est": "score",
    "psnr": "dB",
    "ssim": "score",
    "lossless_frames": "ratio",
    "queue_ms": "ms",
    "queue_drops": "ratio",
    "bitrate_in": "bit/s",
    "bitrate_out": "bit/s",
}
AGGREGATES = ("avg", "p50", "p95", "p99", "max")
# Low values of these units are the bad ones.
LOW_UNITS = ("score", "dB")
LOW_AGGREGATES = (*AGGREGATES, "p5")


class Metric(msgspec.Struct, frozen=True, kw_only=True):
    """A distribution; the values are None where nothing was measured.

    ``hdr`` is its HdrHistogram in the V2 compressed format, in base64: two significant digits;
    values in microseconds, parts per million, bit/s, or counts. ``avg`` is exact; where values have
    a weight, such as the packets of a stream, ``weight`` is the sum of the weights. ``p5`` is of
    scores, whose low values are the bad ones.
    """

    unit: Unit
    count: int
    avg: float | None = None
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    p5: float | None = None
    weight: float | None = None
    hdr: str | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The server under load; ``plugin`` is the class of a target plug-in.

    ``pid`` is its process on this machine, and ``program`` the name of a given one.
    ``publishers_per_endpoint``: the most publishers that one WHIP URL gets.
    The kind is unknown where the run was stopped before the target was recognised.
    """

    kind: Literal["sfukit", "whip", "livekit", "galene", "janus", "plugin", "unknown"]
    url: str
    play_url: str | None = None
    private: bool = False
    plugin: str | None = None
    version: str | None = None
    pid: int | None = None
    program: str | None = None
    publishers_per_endpoint: int = 1


class NetworkPhase(msgspec.Struct, frozen=True, kw_only=True):
    """The network from a time of the run on: of a group, else of those with that of the run."""

    at_s: float
    group: str | None
    net_up: Impairment | None
    net_down: Impairment | None


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """The planned load."""

    name: str
    clients: int
    rooms: int
    tracks: int
    codec: str
    encodings: list[str]
    audio: bool
    ramp_per_s: float
    ramp_s: float
    warmup_s: float
    duration_s: float
    churn_per_s: float = 0.0
    layout: str = "speaker"
    speaker_switch_s: float | None = None
    handover_s: float | None = None
    srtp: str
    srtp_negotiated: dict[str, int]
    pacing: str
    unwatched: str
    impaired_clients: int
    net_up: Impairment | None = None
    net_down: Impairment | None = None
    phases: list[NetworkPhase] = []
    summary: str


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """The cores each side may use; ``server`` is empty for an external server.

    With ``cores_swapped`` (``--pin exchange``) the media threads of both sides had a core each,
    swapped every 50 ms, which improves figures of the server.
    """

    pin: str
    server: list[int]
    swarm: list[int]
    cores_swapped: bool = False


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The machine of the run."""

    kernel: str
    cpu_model: str | None
    cores: int
    rmem_max: int | None
    wmem_max: int | None
    placement: Placement
    free_page_reporting: bool | None = None
    pagelist_high_fraction: int | None = None
    page_reporting_order: int | None = None


class ServerUse(msgspec.Struct, frozen=True, kw_only=True):
    """Use of a server on this machine in the measured window: all its threads, RTP packets.

    Packets and bytes of a server that was given are those that the bots sent and received
    (``counted_by``); it may retransmit without being counted.
    ``packets_sent`` includes retransmissions. ``cpu_us_per_packet`` is per packet sent,
    ``cpu_us_per_packet_in_out`` per packet sent or received; ``ramp_`` fields cover the ramp and
    the warm-up.
    """

    wall_s: float
    cpu_s: float
    rss_bytes: int
    packets_received: int
    packets_sent: int
    packets_retransmitted: int
    bytes_sent: int
    cpu_us_per_packet: float | None
    cpu_us_per_packet_in_out: float | None
    run_queue_wait_s: float | None
    busiest_thread: float
    ramp_cpu_s: float
    ramp_rss_bytes: int
    counted_by: Literal["server", "bots"] = "server"


class SwarmUse(msgspec.Struct, frozen=True, kw_only=True):
    """Use of the load generator in the measured window.

    ``socket_drops`` counts the packets that the kernel dropped at the bots' sockets; None is
    unknown.
    """

    wall_s: float
    cpu_s: float
    rss_bytes: int
    packets_received: int
    packets_sent: int
    cpu_us_per_packet_in_out: float | None
    run_queue_wait_s: float | None
    busiest_thread: float
    lag_ms: Metric
    socket_drops: int | None
    unsent: int
    decrypted: float
    ramp_cpu_s: float


class Saturation(msgspec.Struct, frozen=True, kw_only=True):
    """The saturated side, the evidence, and the resource of each reason."""

    side: Side
    reasons: list[str]
    resources: list[Resource] = []


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage: its planned clients, its window from the start of the run, what it measured.

    Its joins and tracks are of the clients of the window; join times and first frames are those of
    the clients that joined in it.
    """

    number: int
    clients: int
    start_s: float
    duration_s: float
    verdict: report.Verdict
    reasons: list[str]
    gates: list[GateResult]
    metrics: dict[str, Metric]
    server: ServerUse | None
    generator: SwarmUse
    saturation: Saturation


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of error, and its count."""

    code: str
    message: str
    count: int
    first: str


class Worst(msgspec.Struct, frozen=True, kw_only=True):
    """One of the worst streams."""

    room: str
    bot: str
    source: str
    metric: str
    value: float
    unit: str
    note: str = ""


class Decoded(msgspec.Struct, frozen=True, kw_only=True):
    """One sampled stream, decoded and compared with its clip (``--decode-sample``).

    ``frames`` were due, and ``lossless`` of them identical to the decoded frame of the clip. Of
    ``repeated`` frames the viewer saw the one before; ``undecodable`` were refused by the decoder.
    ``unsampled`` frames were not kept, and are in no figure. ``fault``: why there are none.
    """

    room: str
    bot: str
    source: str
    frames: int
    lossless: int
    repeated: int
    undecodable: int
    unsampled: int
    psnr: float | None
    psnr_p5: float | None
    ssim: float | None
    ssim_p5: float | None
    fault: str = ""


class EncodingUse(msgspec.Struct, frozen=True, kw_only=True):
    """Video encodings published by bots, and those inactive at the end (dynacast)."""

    published: int
    inactive: int


class RateLimited(msgspec.Struct, frozen=True, kw_only=True):
    """Requests that the target refused by its rate limit: policy, not loss.

    Clients retry after the delay of the target; ``waited_s`` is the sum of all delays, and
    ``clients_refused`` counts the clients that did not join before ``--join-timeout``.
    """

    requests: int
    clients: int
    waited_s: float
    clients_refused: int


class RetriedJoins(msgspec.Struct, frozen=True, kw_only=True):
    """Joins that failed and were tried again (``--retries``), by the code of the failure."""

    attempts: int = 0
    clients: int = 0
    clients_joined: int = 0
    codes: dict[str, int] = msgspec.field(default_factory=dict)


class RelayUse(msgspec.Struct, frozen=True, kw_only=True):
    """The TURN server that all media of ``clients`` clients passed (``--relay-only``).

    ``failures`` counts what was not allocated, or lost later, by code.
    """

    uri: str
    protocol: Literal["udp", "tcp", "tls"]
    clients: int = 0
    allocations: int
    failures: dict[str, int]


class FrameDelay(msgspec.Struct, frozen=True, kw_only=True):
    """What frame delays were measured by (``--latency``), in received video frames.

    ``unmeasured`` frames had nothing of what the mode asks for. ``reasons`` name the streams whose
    delays are unknown, and why. Barcodes are read in ``sampled_streams`` streams alone.
    """

    mode: Literal["auto", "tag", "capture-time", "barcode", "off"]
    by_frame_id: int = 0
    by_capture_time: int = 0
    by_barcode: int = 0
    sampled_streams: int = 0
    unmeasured: int = 0
    reasons: list[str] = []


class LoadtestReport(Envelope, kw_only=True, frozen=True):
    """One run of ``sfukit loadtest``.

    ``rooms`` has the metrics of the rooms that gates name; ``clients`` the first 2,000 clients;
    ``video_streams`` the first 100 of the last window, ``links`` the first eight whose rate is
    limited.
    ``shard`` is set where the run was a share of a plan (``--shard``), ``merged`` where the report
    was made of such shares; ``scenario`` is the whole plan in both.
    """

    started_at: str
    command_line: str = ""
    name: str = ""
    tags: dict[str, str] = msgspec.field(default_factory=dict)
    seed: int
    interrupted: bool
    reasons: list[str]
    target: Target
    scenario: Scenario
    environment: Environment
    gates: list[GateResult]
    metrics: dict[str, Metric]
    groups: dict[str, dict[str, Metric]]
    rooms: dict[str, dict[str, Metric]] = msgspec.field(default_factory=dict)
    server: ServerUse | None
    generator: SwarmUse | None
    saturation: Saturation
    switches: dict[str, int]
    encodings: EncodingUse = EncodingUse(published=0, inactive=0)
    rate_limited: RateLimited = RateLimited(requests=0, clients=0, waited_s=0.0, clients_refused=0)
    retried_joins: RetriedJoins = msgspec.field(default_factory=RetriedJoins)
    relay: RelayUse | None = None
    frame_delay: FrameDelay | None = None
    worst: list[Worst]
    decoded: list[Decoded] = msgspec.field(default_factory=list)
    errors: list[Fault]
    stages: list[Stage] = msgspec.field(default_factory=list)
    series: list[Interval] = msgspec.field(default_factory=list)
    clients: list[Client] = msgspec.field(default_factory=list)
    links: list[Link] = msgspec.field(default_factory=list)
    video_streams: list[VideoStream] = msgspec.field(default_factory=list)
    rfc8867: CaseReport | None = None
    shard: ShardShare | None = None
    merged: MergedShards | None = None


def schema() -> dict[str, Any]:
    """Return the JSON Schema of a report."""
    return report.schema(LoadtestReport)
