"""aiortc as second engine: impairment, times of frames, comparison."""

import asyncio
import functools
import sys
import time
from types import SimpleNamespace

import pytest

from sfukit.errors import MachineError
from sfukit.loadgen.latency.independent.comparison import compare
from sfukit.loadgen.latency.independent.forwarder import local
from sfukit.loadgen.latency.independent.frame_log import FrameLog, read_rtp
from sfukit.loadgen.latency.independent.impaired_path import ImpairedPath
from sfukit.loadgen.latency.independent.in_flight import InFlight
from sfukit.loadgen.latency.independent.reading import read
from sfukit.loadgen.latency.independent.run import check_installed
from sfukit.loadgen.metrics.histogram import metric_of_values
from sfukit.loadgen.result.report import Metric
from sfukit.swarm.impairment import Impairment


def test_a_delay_shifts_each_datagram() -> None:
    path = ImpairedPath(Impairment(delay_ms=40), seed=1)
    assert path.arrivals(1.0, 100) == [pytest.approx(1.04)]


def test_a_bottleneck_queues_and_drops() -> None:
    path = ImpairedPath(Impairment(rate_bps=80_000, queue_ms=150), seed=1)
    assert [path.arrivals(0.0, 972) for _ in range(3)] == [
        [pytest.approx(0.1)],
        [pytest.approx(0.2)],
        [],
    ]


def test_a_reordered_datagram_is_overtaken() -> None:
    path = ImpairedPath(Impairment(delay_ms=20, reorder=1.0), seed=1)
    assert path.arrivals(1.0, 100) == [pytest.approx(1.03)]


def test_jitter_keeps_the_order() -> None:
    path = ImpairedPath(Impairment(jitter_ms=20), seed=1)
    arrivals = [path.arrivals(tick / 1000, 100)[0] for tick in range(100)]
    assert arrivals == sorted(arrivals) and len(set(arrivals)) < 50


async def test_datagrams_of_one_instant_are_delivered_in_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_flight, delivered, done = InFlight(), list[int](), asyncio.Event()
    now_s = time.monotonic()
    at_s = now_s + 0.005
    with monkeypatch.context() as stopped:
        # None is due while they are added, however long that takes.
        stopped.setattr(f"{InFlight.__module__}.time", SimpleNamespace(monotonic=lambda: now_s))
        for number in range(50):
            in_flight.push([at_s], functools.partial(delivered.append, number))
        in_flight.push([at_s - 0.004], functools.partial(delivered.append, -1))
        in_flight.push([at_s], done.set)
    async with asyncio.timeout(10):
        await done.wait()
    assert delivered == [-1, *range(50)]
    in_flight.push([at_s + 60], done.clear)
    in_flight.close()
    assert done.is_set()


def test_loss_is_seeded() -> None:
    def lost(seed: int) -> list[bool]:
        path = ImpairedPath(Impairment(loss=0.1), seed)
        return [not path.arrivals(0.0, 100) for _ in range(5000)]

    assert lost(7) == lost(7) != lost(8)
    assert sum(lost(7)) / 5000 == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("native", "other", "differs"),
    [(46, 48.9, False), (46, 51, True), (100, 109, False), (100, 111, True), (1, 3.9, False)],
)
def test_engines_differ_beyond_the_larger_of_a_tenth_and_3_ms(
    native: float, other: float, differs: bool
) -> None:
    a, b = metric_of_values([native], "ms"), metric_of_values([other], "ms")
    assert compare("e2e_frame_ms", a, b).differs is differs


@pytest.mark.parametrize(
    ("native", "other", "packets", "differs"),
    [
        (0.02, 0.02, 400, False),
        (0.02, 0.045, 400, False),  # three standard errors are 3.7 points
        (0.02, 0.045, 4000, True),
        (0.0, 0.004, 100_000, False),  # less than half a point
        (0.0, 0.006, 100_000, True),
        (0.0, 0.0, 400, False),
    ],
)
def test_losses_differ_beyond_their_standard_error_and_half_a_point(
    native: float, other: float, packets: int, differs: bool
) -> None:
    a, b = (Metric(unit="ratio", count=3, avg=ratio, weight=packets) for ratio in (native, other))
    assert compare("loss_raw", a, b).differs is differs
    assert compare("loss_raw", b, a).differs is differs


def test_losses_are_those_of_the_media_not_of_its_retransmissions() -> None:
    class Stream:
        def __init__(self, lost: int) -> None:
            self.packets_received, self.packets_lost, self.jitter = 100, lost, 450

    log = FrameLog()
    log.received_ssrc = 5
    reading = read(log, [], [{5: Stream(3), 6: Stream(9)}], 1.0)
    assert (reading.packets_received, reading.packets_lost) == (100, 3)
    assert reading.jitter_ms == pytest.approx(5)
    log.received_ssrc = 7
    assert read(log, [], [{5: Stream(3)}], 1.0).jitter_ms is None


def test_an_unknown_figure_is_not_compared() -> None:
    known, unknown = metric_of_values([1.0], "ms"), metric_of_values([], "ms")
    assert compare("rtt_pub_ms", known, unknown).differs is None


def _rtp(timestamp: int, payload_type: int = 96) -> bytes:
    head = bytes([128, payload_type, 0, 0]) + timestamp.to_bytes(4, "big")
    return head + (5).to_bytes(4, "big") + b"media"


def test_delays_of_a_frame_across_wrapped_timestamps() -> None:
    log = FrameLog()
    log.media_types = {96}
    first = 2**32 - 1500
    for tick, at_s in ((0, 10.0), (1, 10.0333)):
        log.captured(tick, at_s)
        log.sent(_rtp((first + 3000 * tick) % 2**32), at_s + 0.003)
        log.received(_rtp(77 + 3000 * tick), at_s + 0.050)
        log.received(_rtp(77 + 3000 * tick, payload_type=97), at_s + 0.070)
    log.decoded(3000, 1, 10.0333 + 0.080)
    delays = log.take()
    assert delays.network == [pytest.approx(47)]
    assert delays.decoded == [pytest.approx(80)]
    assert delays.encode == [pytest.approx(3), pytest.approx(3)]


def test_an_unreadable_frame_has_no_delay() -> None:
    log = FrameLog()
    log.captured(0, 1.0)
    log.decoded(0, None, 2.0)
    assert log.take().decoded == []


@pytest.mark.parametrize("datagram", [b"", b"\x80", bytes(20), bytes([128, 200]) + bytes(30)])
def test_other_datagrams_are_no_rtp(datagram: bytes) -> None:
    assert read_rtp(datagram) is None


def test_the_own_candidates_are_left_out() -> None:
    sdp = "v=0\r\na=candidate:1 1 udp 1 10.0.0.1 9 typ host\r\na=end-of-candidates\r\na=mid:0\r\n"
    assert local(sdp) == "v=0\r\na=mid:0\r\n"


def test_without_the_extra_the_error_has_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "aiortc", None)
    with pytest.raises(MachineError) as raised:
        check_installed()
    assert raised.value.hint == "pip install 'sfukit[media]'"
