"""The options of ``sfukit loadtest``, by panel of its help."""

from pathlib import Path
from typing import Annotated

from sfukit import units
from sfukit.cli.option import option
from sfukit.cli.shared_options import OUTPUT
from sfukit.errors import UsageError
from sfukit.loadgen.options import FRAME_RATES, MOST_LAYERS, MOST_SAMPLED, LoadOptions

_LOAD, _MEDIA, _NETWORK, _TIMING = "Load", "Media", "Network", "Timing"
_MEASURE, _GATES, _CPU = "Measurement", "Gates", "CPU"


Clients = Annotated[
    int | None, option("-c", "--clients", panel=_LOAD, help="participants in total (10)")
]
Rooms = Annotated[
    int | None, option("--rooms", panel=_LOAD, help="rooms (meeting: 1 per 5 clients, else 1)")
]
Publishers = Annotated[
    int | None, option("--publishers", panel=_LOAD, help="publishers of video and audio, per room")
]
Subscribers = Annotated[
    int | None, option("--subscribers", panel=_LOAD, help="receive-only clients, per room")
]
AudioPublishers = Annotated[
    int | None,
    option("--audio-publishers", panel=_LOAD, help="audio-only, per room; 0: no audio"),
]
Scenario = Annotated[
    str,
    option(
        "--scenario",
        panel=_LOAD,
        metavar="NAME",
        help="meeting, webinar, broadcast, audio-room, FILE.toml; signaling: requests only",
    ),
]
Quick = Annotated[
    bool,
    option(
        "--quick",
        panel=_TIMING,
        help="smoke test in under 10 s: -c 5, --warmup 1s, -d 3s, --join-timeout 4s",
    ),
]
FindMax = Annotated[
    bool,
    option(
        "--find-max",
        panel=_TIMING,
        help="search the largest load that passes the gates; -c is the first load",
    ),
]
Ramp = Annotated[
    str, option("-r", "--ramp", panel=_TIMING, metavar="RATE", help="joins per second")
]
Rate = Annotated[
    str | None,
    option(
        "--rate",
        panel=_TIMING,
        metavar="RATE",
        help="requests per second of the scenario signaling (300/s)",
    ),
]
Duration = Annotated[
    str, option("-d", "--duration", panel=_TIMING, metavar="TIME", help="measurement window")
]
Warmup = Annotated[
    str, option("--warmup", panel=_TIMING, metavar="TIME", help="excluded from the metrics")
]
Stage = Annotated[
    list[str] | None,
    option(
        "--stage",
        panel=_TIMING,
        metavar="TIME:N",
        help="measure so long with N clients, as 30s:100; repeat for further stages",
    ),
]
Churn = Annotated[
    str | None,
    option(
        "--churn",
        panel=_LOAD,
        metavar="SHARE/TIME",
        help="clients that leave and are replaced, as 2%/m",
    ),
]
Retries = Annotated[
    int,
    option("--retries", panel=_TIMING, metavar="N", min=0, max=100, help="of a join that failed"),
]
AbortAfter = Annotated[
    str | None,
    option(
        "--abort-after",
        panel=_GATES,
        metavar="TIME",
        help="end early once a gate is not met for so long",
    ),
]
Layout = Annotated[
    str | None,
    option(
        "--layout",
        panel=_LOAD,
        metavar="NAME",
        help="speaker (1 large, others small), grid3 (9 medium), grid4, grid5 (16, 25 small), all",
    ),
]
SpeakerSwitch = Annotated[
    str | None,
    option(
        "--speaker-switch",
        panel=_LOAD,
        metavar="TIME",
        help="another speaker is seen large, as 5s",
    ),
]
Handover = Annotated[
    str | None,
    option(
        "--handover",
        panel=_NETWORK,
        metavar="TIME",
        help="each client moves to a new socket so often, as 20s: same ICE credentials",
    ),
]
JoinTimeout = Annotated[
    str, option("--join-timeout", panel=_TIMING, metavar="TIME", help="limit for one join")
]
Interval = Annotated[
    str, option("--interval", panel=_MEASURE, metavar="TIME", help="of the series in reports")
]
Latency = Annotated[
    str,
    option(
        "--latency",
        panel=_MEASURE,
        help="frame delay by tag (frame id in the frame), capture-time (RTP header), barcode "
        "(decoded: extra media), off, or auto: tag, VP9 capture-time",
    ),
]
Codec = Annotated[
    str,
    option(
        "--codec", panel=_MEDIA, help="vp8, h264, vp9, av1 or mix: publishers have them in turn"
    ),
]
DecodeSample = Annotated[
    int,
    option(
        "--decode-sample",
        panel=_MEASURE,
        metavar="N",
        help="decode N received videos after the run: PSNR, SSIM (extra media)",
    ),
]
Audio = Annotated[str, option("--audio", panel=_MEDIA, help="opus or none")]
NoSimulcast = Annotated[
    bool, option("--no-simulcast", panel=_MEDIA, help="1 encoding instead of 3")
]
Layers = Annotated[
    int | None,
    option("--layers", panel=_MEDIA, metavar="N", help="simulcast encodings, 1 to 3 (default 3)"),
]
Fps = Annotated[
    int | None,
    option("--fps", panel=_MEDIA, metavar="N", help="most frames a second: 5, 6, 10, 15 or 30"),
]
Media = Annotated[
    str | None,
    option(
        "--media", panel=_MEDIA, metavar="FILE", help="send the first 10 s of a video file, encoded"
    ),
]
Bitrate = Annotated[
    str | None,
    option(
        "--bitrate",
        panel=_MEDIA,
        metavar="RATE",
        help="of the highest encoding; other than 150k, 500k, 1.7M: encoded first",
    ),
]
Pacing = Annotated[
    str,
    option(
        "--pacing",
        panel=_MEDIA,
        help="libwebrtc: bursts as of browsers; smooth: every 5 ms; whole: by frame",
    ),
]
PliPolicy = Annotated[
    str, option("--pli-policy", panel=_MEDIA, help="answer or ignore keyframe requests")
]
Unwatched = Annotated[
    str,
    option(
        "--unwatched",
        panel=_MEDIA,
        help="encodings without subscribers: dynacast (stop on server request) or send",
    ),
]
Phases = Annotated[
    str | None,
    option(
        "--phases",
        panel=_NETWORK,
        metavar="FILE.toml",
        help='networks over time: [[phase]] with at = "20s" and net, net_up or net_down',
    ),
]
Rfc8867 = Annotated[
    str | None,
    option(
        "--rfc8867",
        panel=_NETWORK,
        metavar="CASE",
        help="test case 5.1 to 5.8 of RFC 8867: flows behind one queue, expected and measured",
    ),
]
NetShare = Annotated[
    str,
    option("--net-share", panel=_NETWORK, metavar="SHARE", help="bots with impairment, as 20%"),
]
Baseline = Annotated[
    str | None,
    option(
        "--baseline",
        panel=_GATES,
        metavar="RUN",
        help="JSON of an earlier run: figures must not be worse by more than noise or",
    ),
]
MaxRegression = Annotated[
    str, option("--max-regression", panel=_GATES, metavar="SHARE", help="of the earlier figure")
]
Junit = Annotated[
    str | None, option("--junit", panel=OUTPUT, metavar="FILE", help="write JUnit XML")
]
Markdown = Annotated[
    str | None,
    option(
        "--markdown",
        panel=OUTPUT,
        metavar="FILE",
        help='write a job summary; "$GITHUB_STEP_SUMMARY" is continued',
    ),
]
Csv = Annotated[
    str | None,
    option("--csv", panel=OUTPUT, metavar="FILE", help="write the figures of each interval"),
]
Hdr = Annotated[
    str | None,
    option("--hdr", panel=OUTPUT, metavar="FILE", help="write the histograms: an HdrHistogram log"),
]
Name = Annotated[
    str | None, option("--name", panel=OUTPUT, metavar="TEXT", help="name of the run, in reports")
]
Tag = Annotated[
    list[str] | None,
    option("--tag", panel=OUTPUT, metavar="K=V", help="note in reports; repeat for further ones"),
]
Prometheus = Annotated[
    str | None,
    option(
        "--prometheus",
        panel=OUTPUT,
        metavar="[HOST]:PORT",
        help="serve metrics while running; on 127.0.0.1 without HOST",
    ),
]
Verbose = Annotated[
    bool,
    option("-v", "--verbose", panel=OUTPUT, help="print every metric, and the worst five streams"),
]
NoDefaultGates = Annotated[
    bool, option("--no-default-gates", panel=_GATES, help="only the gates of -T")
]
Plan = Annotated[
    bool, option("--plan", panel=OUTPUT, help="print streams, bitrates, open files; then exit")
]
Pin = Annotated[
    str,
    option(
        "--pin",
        panel=_CPU,
        metavar="auto|off|exchange|S:L",
        help="CPU cores server:load generator, as 0:1",
    ),
]
ProfileServer = Annotated[
    bool,
    option(
        "--profile-server",
        panel=_CPU,
        help="CPU profile of the private server, by kind of work (scenario signaling)",
    ),
]

_LEAST_INTERVAL_S = 0.25


def interval_s(text: str) -> float:
    """Read ``--interval``; shorter ones would measure the snapshots themselves."""
    seconds = units.duration_s(text, "--interval")
    if seconds < _LEAST_INTERVAL_S:
        raise UsageError(f"--interval {text}: below 250ms", hint="try 1s")
    return seconds


def layers(count: int | None) -> int | None:
    """Read ``--layers``."""
    if count is not None and not 1 <= count <= MOST_LAYERS:
        raise UsageError(f"--layers {count}: from 1 to {MOST_LAYERS}", hint="try --layers 2")
    return count


def fps(frames_per_second: int | None) -> int | None:
    """Read ``--fps``: whole ticks of the drawn clock."""
    if frames_per_second is not None and frames_per_second not in FRAME_RATES:
        raise UsageError(
            f"--fps {frames_per_second}: not supported",
            hint=f"choose one of {', '.join(map(str, FRAME_RATES))}",
        )
    return frames_per_second


def media(file: str | None) -> Path | None:
    """Read ``--media``; the file is read when its clip is encoded."""
    if file is not None and not Path(file).is_file():
        raise UsageError(f"--media {file}: no such file", hint="give a video file")
    return None if file is None else Path(file)


def decode_sample(count: int, load: LoadOptions) -> int:
    """Read ``--decode-sample``; from 0 to ``MOST_SAMPLED``."""
    if not 0 <= count <= MOST_SAMPLED:
        raise UsageError(f"--decode-sample {count}: from 0 to {MOST_SAMPLED}", hint="try 3")
    if count and load.latency == "off":
        raise UsageError(
            "--decode-sample with --latency off: frames are found in their clip by the frame id",
            hint="leave --latency out",
        )
    return count
