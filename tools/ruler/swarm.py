"""The impairment of the swarm itself (``--net-down``), against the numbers that were given.

With many subscribers there are so many packets that the sampling error is below the bound: the
deviation of a loss p over n packets is ``sqrt(p (1 - p) b / n)``, where b is 1 for random loss and
``(1 + c) / (1 - c)`` for the two states of Gilbert, whose correlation from one packet to the next
is ``c = 1 - p' - r`` with ``r = 1 / L`` for bursts of mean length L.
"""

import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from sfukit.loadgen.result.report import LoadtestReport
from tools.ruler.rows import Row, row

_SUBSCRIBERS = 120
_FEW = 24  # where the number of packets does not matter
_HEADER_BYTES = 28  # IPv4 and UDP, which count towards the rate of the emulated link
_BITS = 8
_PERCENT = 100.0
_LOSS, _BURSTS, _BURST = 0.02, 0.03, 2


def rows(duration_s: float) -> Iterator[Row]:
    """Run one load per impairment, and compare."""
    clean = _run("", duration_s, _FEW)
    for injected, share, burst in (
        (f"loss={_LOSS:.0%}", _LOSS, 1),
        (f"loss={_BURSTS:.0%},burst={_BURST}", _BURSTS, _BURST),
    ):
        yield _loss(injected, share, burst, _run(injected, 2 * duration_s, _SUBSCRIBERS))
    delayed = _run("delay=80ms", duration_s, _FEW)
    for figure, name in (("frame delay", "e2e_frame_ms"), ("RTT subscriber", "rtt_ms")):
        before, after = clean.metrics[name].p50, delayed.metrics[name].p50
        expected = None if before is None else before + 80
        yield row(_option("delay=80ms"), figure, "loadtest", expected, after, note=_note(delayed))
    yield _rate(clean, _run("rate=1M", duration_s, _FEW))


def _loss(injected: str, share: float, burst: int, report: LoadtestReport) -> Row:
    metric = report.metrics["loss_raw"]
    packets = report.generator.packets_received if report.generator else 0
    correlation = 0.0
    if burst > 1:
        r = 1 / burst
        correlation = 1 - r * share / (1 - share) - r
    spread = share * (1 - share) * (1 + correlation) / (1 - correlation)
    deviation = math.sqrt(spread / max(1, packets))
    note = f"{packets:,} packets, 3 sigma {3 * deviation * _PERCENT:.3f} points"
    reported = None if metric.avg is None else metric.avg * _PERCENT
    return row(
        _option(injected), "loss", "loadtest", share * _PERCENT, reported, note=note + _note(report)
    )


def _rate(clean: LoadtestReport, report: LoadtestReport) -> Row:
    """Compare the rate of received RTP with that of the link, less IP and UDP headers."""
    reported, whole = report.metrics["bitrate_in"], clean.metrics["bitrate_in"]
    expected = None
    if whole.avg and clean.generator and clean.generator.packets_received:
        received = clean.generator.packets_received
        size = whole.avg * whole.count * clean.generator.wall_s / _BITS / received
        expected = 1_000.0 * size / (size + _HEADER_BYTES)
    kbps = None if reported.avg is None else reported.avg / 1_000.0
    return row(_option("rate=1M"), "bitrate", "loadtest", expected, kbps, note=_note(report))


def _option(injected: str) -> str:
    return f"--net-down {injected}"


def _note(report: LoadtestReport) -> str:
    limited = report.saturation.side in ("swarm", "shared")
    return f" not valid: {report.saturation.reasons[0]}" if limited else ""


def _run(injected: str, duration_s: float, subscribers: int) -> LoadtestReport:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.json"
        network = ["--net-down", injected] if injected else []
        command = [
            *(sys.executable, "-P", "-m", "sfukit", "loadtest", "--scenario", "broadcast"),
            *f"--clients {subscribers + 1} --no-simulcast --bitrate 1.7M --audio none".split(),
            *f"--ramp 60/s --warmup 4s --duration {duration_s:g}s --seed 7 --quiet".split(),
            *("--no-default-gates", "--json", str(path), *network),
        ]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if not path.exists():
            raise SystemExit(f"{' '.join(command)}\n{ended.stdout}{ended.stderr}")
        return msgspec.json.decode(path.read_bytes(), type=LoadtestReport)
