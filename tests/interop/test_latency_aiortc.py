"""``sfukit latency`` through an SFU of another stack, which answers no extended reports."""

from dataclasses import replace

import pytest

from sfukit.cli.latency_text import result_lines
from sfukit.loadgen.latency.peer_address import PeerAddress
from tests.latency_run import measured, options

from .aiortc_sfu import aiortc_sfu
from .check_stub import whip_stub

pytestmark = [pytest.mark.realtime, pytest.mark.interop]


async def test_without_dlrr_the_subscribers_round_trip_is_unknown_and_says_why() -> None:
    async with aiortc_sfu() as (whip, whep):
        report = await measured(options(f"whip+{whip}", play=whep, duration_s=4))
    assert (report.verdict, report.exit_code) == ("pass", 0)
    assert report.metrics["e2e_frame_ms"].count > 90
    assert set(report.unknown) == {"rtt_sub_ms", "sfu_residence_ms"}
    assert "answered none of " in report.unknown["rtt_sub_ms"]
    assert "RFC 3611" in report.unknown["rtt_sub_ms"]
    lines = result_lines(report)
    assert any(line.startswith("RTT subscriber  unknown: the target answered") for line in lines)
    assert any(line.startswith("SFU residence   unknown: needs ") for line in lines)


async def test_a_gate_on_an_unknown_round_trip_is_inconclusive() -> None:
    gate = ("rtt_sub_ms.p50<100ms",)
    async with aiortc_sfu() as (whip, whep):
        report = await measured(options(f"whip+{whip}", play=whep, duration_s=2, gate=gate))
    assert (report.verdict, report.exit_code) == ("inconclusive", 5)


async def test_a_track_that_never_comes() -> None:
    async with aiortc_sfu(forwards=False) as (whip, whep):
        report = await measured(options(f"whip+{whip}", play=whep, join_timeout_s=2))
    assert (report.verdict, report.exit_code, report.samples) == ("fail", 4, [])
    assert report.reasons[0] == (
        "no media: both ends are connected, but no keyframe of the subscribed track arrived "
        "within 2 s"
    )


async def test_a_target_that_accepts_and_sends_nothing() -> None:
    async with whip_stub("silent") as whip:
        given = replace(
            options(whip, join_timeout_s=1),
            ends="publish",
            peer=PeerAddress("127.0.0.1", 0),
            peer_token="a common token",
        )
        report = await measured(given)
    assert (report.verdict, report.exit_code, report.samples) == ("fail", 4, [])
    assert report.reasons[0].startswith(
        "the publisher could not join: accepted, but ICE and DTLS were not done after 1 s"
    )


async def test_aiortc_at_both_ends_of_a_whip_and_whep_pair() -> None:
    async with aiortc_sfu() as (whip, whep):
        given = replace(options(f"whip+{whip}", play=whep, duration_s=2), engine="aiortc")
        report = await measured(given)
    assert report.independent is not None
    assert report.independent.decoded_frame_ms.count > 0
