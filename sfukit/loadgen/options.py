"""The options of a load test, parsed and typed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from sfukit.gates import Gate
from sfukit.loadgen.relay import RelayOptions
from sfukit.loadgen.result.report import LoadtestReport
from sfukit.swarm.impairment import Impairment
from sfukit.targets.access import Access

ScenarioName = Literal["meeting", "webinar", "broadcast", "audio-room"]
# Simulcast encodings of a publication.
MOST_LAYERS = 3
# Frame rates of drawn clips: whole ticks of 1/30 s.
FRAME_RATES = (5, 6, 10, 15, 30)
VideoCodec = Literal["vp8", "h264", "vp9", "av1"]
# With mix the publishers of video have the codecs in turn.
Codec = Literal[VideoCodec, "mix"]
AudioCodec = Literal["opus", "none"]
SrtpProfile = Literal["auto", "gcm128", "cm80"]
Pacing = Literal["libwebrtc", "smooth", "whole"]
PliPolicy = Literal["answer", "ignore"]
# What frame delays are measured by.
LatencyMode = Literal["auto", "tag", "capture-time", "barcode", "off"]
# Encodings without subscribers: deactivated on request of the server, or sent.
Unwatched = Literal["dynacast", "send"]
# What a subscriber sees: one large and the others small, a grid, or all large.
Layout = Literal["speaker", "grid3", "grid4", "grid5", "all"]
# Support of the target: rooms, WHIP and WHEP, or WHIP only.
Shape = Literal["rooms", "pair", "publish"]


@dataclass(frozen=True)
class Shard:
    """One of several processes that share a plan, counted from 1."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


class Stage(NamedTuple):
    """A measured window: how long it is, and its number of clients."""

    duration_s: float
    clients: int


class Phase(NamedTuple):
    """The network from a time of the run on: of one group, else of all that have that of the run.

    ``at_s`` counts from the first scheduled join.
    """

    at_s: float
    net_up: Impairment | None
    net_down: Impairment | None
    group: str | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """Clients of each room that do the same; None leaves a value to the options of the load.

    What follows ``net_share`` is of test cases alone, no key of a scenario file: groups of one
    ``bottleneck`` share it in each direction that has a rate, ``sources`` are the groups that are
    seen, ``joins_s`` is the time of the join, and between the times ``paused_s`` nothing is seen.
    """

    name: str
    clients: int
    video: bool = True
    audio: bool = True
    subscribes: bool = True
    layout: Layout | None = None
    codec: Codec | None = None
    relay_only: bool | None = None
    net_up: Impairment | None = None
    net_down: Impairment | None = None
    net_share: float = 1.0
    bottleneck: str | None = None
    sources: tuple[str, ...] | None = None
    joins_s: float | None = None
    paused_s: tuple[float, float] | None = None


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """The load: clients, composition, media, durations.

    ``publishers``, ``audio_publishers`` and ``subscribers`` count per room; None leaves the
    number to the scenario. An explicit ``audio_publishers`` of 0 turns all audio off. With
    ``stages`` these set the clients and durations, and ``duration_s`` is not used.
    """

    scenario: ScenarioName = "meeting"
    scenario_file: str | None = None
    clients: int | None = None
    rooms: int | None = None
    publishers: int | None = None
    audio_publishers: int | None = None
    subscribers: int | None = None
    shape: Shape = "rooms"
    codec: Codec = "vp8"
    audio: AudioCodec = "opus"
    simulcast: bool = True
    layers: int | None = None
    bitrate_bps: int | None = None
    fps: int | None = None
    media: Path | None = None
    ramp_per_s: float = 20.0
    warmup_s: float = 10.0
    duration_s: float = 60.0
    groups: tuple[Group, ...] = ()
    stages: tuple[Stage, ...] = ()
    churn_per_s: float = 0.0
    layout: Layout | None = None
    speaker_switch_s: float | None = None
    handover_s: float | None = None
    latency: LatencyMode = "auto"
    relay_only: bool = False
    net_up: Impairment | None = None
    net_down: Impairment | None = None
    net_share: float = 1.0
    phases: tuple[Phase, ...] = ()
    rfc8867: str | None = None
    seed: int = 0

    @property
    def audio_disabled_by(self) -> str | None:
        """The option that turns audio off, if any."""
        if self.audio == "none":
            return "--audio none"
        return "--audio-publishers 0" if self.audio_publishers == 0 else None


MOST_SAMPLED = 32  # of --decode-sample: each stream keeps up to 66 MiB


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The options of one run; ``command`` is the command line, quoted in hints.

    ``max_regression`` is the share by which figures may be worse than those of ``baseline``.
    ``shard`` is the share of the plan that this process takes, ``start_at_s`` the first planned
    join, in seconds since 1970; None starts at once.
    """

    load: LoadOptions
    command: tuple[str, ...] = ("sfukit", "loadtest")
    access: Access = field(default_factory=Access)
    target: str | None = None
    target_plugin: str | None = None
    play: str | None = None
    srtp: SrtpProfile = "auto"
    pacing: Pacing = "libwebrtc"
    pli_policy: PliPolicy = "answer"
    unwatched: Unwatched = "dynacast"
    relay: RelayOptions | None = None
    join_timeout_s: float = 10.0
    retries: int = 0
    abort_after_s: float | None = None
    interval_s: float = 1.0
    decode_sample: int = 0
    pin: str = "auto"
    server_args: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    default_gates: bool = True
    baseline: LoadtestReport | None = None
    max_regression: float = 0.1
    shard: Shard | None = None
    start_at_s: float | None = None
    name: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
