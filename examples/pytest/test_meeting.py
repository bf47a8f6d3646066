"""Gates on an SFU as tests: `pytest examples/pytest`."""

import pytest

from sfukit.testing import GateFailedError, SfuServer, Swarm


def test_a_meeting_has_little_delay(sfu_server: SfuServer, swarm: Swarm) -> None:
    report = swarm.loadtest(
        sfu_server,
        clients=4,
        duration="1s",
        gates=["e2e_frame_ms.p95<250ms", "loss_after_rtx.avg<0.1%"],
    )
    assert report.metrics["join_ms"].count == 4


def test_a_slow_network_misses_the_gate(sfu_server: SfuServer, swarm: Swarm) -> None:
    with pytest.raises(GateFailedError) as failed:
        swarm.loadtest(
            sfu_server,
            clients=2,
            duration="1s",
            net_down="delay=200ms",
            gates=["e2e_frame_ms.p50<100ms"],
        )
    missed = [gate.path for gate in failed.value.report.gates if not gate.ok]
    assert missed == ["e2e_frame_ms.p50"]


def test_latency_through_whip_and_whep(sfu_server: SfuServer, swarm: Swarm) -> None:
    report = swarm.latency(
        f"whip+{sfu_server.whip('camera')}",
        play=sfu_server.whep("camera"),
        duration="1s",
        gates=["e2e_frame_ms.p50<100"],
    )
    assert report.target.kind == "whip"
