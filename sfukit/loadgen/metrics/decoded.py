"""Figures of sampled streams that were decoded: PSNR and SSIM over their frames. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sfukit.loadgen.metrics.histogram import metric_of_few
from sfukit.loadgen.metrics.ledger import Ledger
from sfukit.loadgen.result.report import Decoded, Metric
from sfukit.media.spool import Comparison


@dataclass(frozen=True)
class SampledStream:
    """One sampled stream in one window: its frames in a file, and frames that are not there.

    ``dropped`` frames did not fit into the memory of the swarm, ``over`` not into the file,
    ``unidentified`` had no frame id. ``end_tick`` is the end of the window as a capture tick, None
    where the stream ended before it. ``fault`` is why its file could not be written.
    """

    stream: int
    path: Path
    frames: int = 0
    size: int = 0
    dropped: int = 0
    over: int = 0
    unidentified: int = 0
    end_tick: int | None = None
    fault: str = ""


@dataclass(frozen=True)
class DecodedStream:
    """One sampled stream with its comparison; None where it could not be made, and why."""

    sampled: SampledStream
    comparison: Comparison | None
    fault: str = ""


def metrics(streams: Iterable[DecodedStream]) -> dict[str, Metric]:
    """Return the metrics over the frames of all streams."""
    known = [one.comparison for one in streams if one.comparison is not None]
    frames = sum(len(one.psnr) for one in known)
    lossless = sum(one.lossless for one in known)
    shares = [one.lossless / len(one.psnr) for one in known if one.psnr]
    return {
        "psnr": metric_of_few((value for one in known for value in one.psnr), "dB"),
        "ssim": metric_of_few((value for one in known for value in one.ssim), "score"),
        "lossless_frames": metric_of_few(
            shares, "ratio", average=lossless / frames if frames else None
        ),
    }


def streams(found: Sequence[DecodedStream], ledger: Ledger) -> list[Decoded]:
    """Return the streams for the report."""
    return [_stream(one, ledger) for one in found]


def _stream(one: DecodedStream, ledger: Ledger) -> Decoded:
    expected, sampled = ledger.expected[one.sampled.stream], one.sampled
    found = one.comparison or Comparison([], [], 0, 0, 0)
    psnr, ssim = metric_of_few(found.psnr, "dB"), metric_of_few(found.ssim, "score")
    return Decoded(
        room=ledger.plan.rooms[expected.subscriber.room].label,
        bot=expected.subscriber.name,
        source=expected.publisher.name if expected.publisher else "",
        frames=len(found.psnr),
        lossless=found.lossless,
        repeated=found.repeated,
        undecodable=found.undecodable,
        unsampled=sampled.dropped + sampled.over + sampled.unidentified,
        psnr=psnr.avg,
        psnr_p5=psnr.p5,
        ssim=ssim.avg,
        ssim_p5=ssim.p5,
        fault=one.fault,
    )
