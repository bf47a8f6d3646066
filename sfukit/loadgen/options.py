"""What was asked of a load test, parsed and typed."""

from dataclasses import dataclass, field
from typing import Literal

from sfukit.gates import Gate
from sfukit.swarm.impairment import Impairment
from sfukit.targets.access import Access

ScenarioName = Literal["meeting", "webinar", "broadcast", "audio-room"]
VideoCodec = Literal["vp8", "h264"]
AudioCodec = Literal["opus", "none"]
SrtpProfile = Literal["auto", "gcm128", "cm80"]
Pacing = Literal["libwebrtc", "smooth", "whole"]
PliPolicy = Literal["answer", "ignore"]
# What bots do with encodings that nobody watches, once the server says which those are.
Unwatched = Literal["dynacast", "send"]
# What the target offers: rooms, one publisher's stream to play, or only a place to publish to.
Shape = Literal["rooms", "pair", "publish"]


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """The load: how many, in which composition, with which media, for how long.

    ``publishers``, ``audio_publishers`` and ``subscribers`` count per room; None leaves the
    number to the scenario. None publish audio alone in most, so that an ``audio_publishers`` of
    0 can only mean that nobody is to be heard.
    """

    scenario: ScenarioName = "meeting"
    clients: int | None = None
    rooms: int | None = None
    publishers: int | None = None
    audio_publishers: int | None = None
    subscribers: int | None = None
    shape: Shape = "rooms"
    codec: VideoCodec = "vp8"
    audio: AudioCodec = "opus"
    simulcast: bool = True
    bitrate_bps: int | None = None
    ramp_per_s: float = 20.0
    warmup_s: float = 10.0
    duration_s: float = 60.0
    net_up: Impairment | None = None
    net_down: Impairment | None = None
    net_share: float = 1.0
    seed: int = 0

    @property
    def silent(self) -> str | None:
        """The option that leaves the sound out, if one does."""
        if self.audio == "none":
            return "--audio none"
        return "--audio-publishers 0" if self.audio_publishers == 0 else None


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """Everything that one run needs; ``command`` is what was typed, to be named in hints."""

    load: LoadOptions
    command: tuple[str, ...] = ("sfukit", "loadtest")
    access: Access = field(default_factory=Access)
    target: str | None = None
    play: str | None = None
    srtp: SrtpProfile = "auto"
    pacing: Pacing = "libwebrtc"
    pli_policy: PliPolicy = "answer"
    unwatched: Unwatched = "dynacast"
    join_timeout_s: float = 10.0
    pin: str = "auto"
    server_args: tuple[str, ...] = ()
    gates: tuple[Gate, ...] = ()
    default_gates: bool = True
