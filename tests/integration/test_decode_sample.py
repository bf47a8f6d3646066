"""Sampled streams of real load tests, decoded: a clean path and one that loses frames.

Each of four participants publishes another codec, and receives the other three.
"""

from pathlib import Path

import pytest

from tests.integration.loadtest_command import Loadtest

pytestmark = pytest.mark.realtime


async def test_a_clean_path_is_identical_and_a_lossy_one_is_not(tmp_path: Path) -> None:
    pytest.importorskip("av")
    loadtest = Loadtest(tmp_path)
    times = ("--warmup", "0.5s", "--duration", "2s", "--seed", "7")
    # the lowest encoding alone: the clips of VP9 and AV1 are encoded first
    load = (*times, "-c", "4", "--codec", "mix", "--bitrate", "150k")
    gates = ("-T", "lossless_frames == 100%", "-T", "psnr.p5 > 59", "-T", "ssim.p5 >= 1")
    clean = await loadtest(*load, *gates, "--decode-sample", "4")
    assert clean.code == 0, clean.out + clean.err
    assert {stream.source for stream in clean.measured.decoded} == {"p1", "p2", "p3", "p4"}
    for stream in clean.measured.decoded:
        assert stream.frames == stream.lossless > 10, stream
        assert (stream.repeated, stream.unsampled, stream.fault) == (0, 0, ""), stream
    assert "100 % of" in clean.out and "frames identical to the clip, PSNR 60 dB" in clean.out

    # so much loss that retransmissions are lost as well
    worse_path = ("--no-default-gates", "--net-down", "loss=40%", "--decode-sample", "12")
    # a server that estimates would pause the video
    lossy = await loadtest(*load, *gates, *worse_path, "--server-args=--bwe none")
    # the exit code says as well whether this machine was saturated
    assert lossy.measured.gates[0].ok is False, lossy.out + lossy.err
    metrics = lossy.measured.metrics
    for name in ("psnr", "ssim", "lossless_frames"):
        better, worse = clean.measured.metrics[name].avg, metrics[name].avg
        assert better is not None and worse is not None and worse < better, (name, lossy.out)
    assert sum(stream.repeated for stream in lossy.measured.decoded) > 0
