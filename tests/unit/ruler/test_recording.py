"""Figures of the ruler from recorded packets."""

import msgspec
import pytest

from tools.ruler import recording
from tools.ruler.recording import Datagram, Window

ALL = Window(0.0, [100.0])


def frames(
    lateness_ms: list[list[float]], *, first: int = 0, hold_ms: float = 0.0
) -> list[Datagram]:
    """Return the packets of frames 1/30 s apart, each packet so much after its frame."""
    packets = []
    for tick, frame in enumerate(lateness_ms):
        for late_ms in frame:
            in_s = 1 + tick / 30 + late_ms / 1000
            timestamp = (first + tick * 3000) % 2**32
            packets.append(Datagram(in_s, in_s + hold_ms / 1000, 1000, 7, len(packets), timestamp))
    return packets


def test_the_media_is_the_stream_with_the_most_packets() -> None:
    packets = frames([[0]] * 5)
    other = [Datagram(1.0, 1.0, 100, 8, 1, 1), Datagram(1.0, 1.0, 60)]
    assert recording.media([*other, *packets]) == packets
    assert recording.media(other[1:]) == []


def test_loss_is_over_the_packets_of_the_window() -> None:
    packets = frames([[0]] * 60, hold_ms=80)
    lost = [
        Datagram(one.in_s, None, one.size, 7) if place % 10 == 3 else one
        for place, one in enumerate(packets)
    ]
    assert recording.loss(lost, ALL) == pytest.approx(0.1)
    # the packets 0 to 29 arrive before 1 s + 80 ms + 1 s
    assert recording.loss(lost, Window(0.0, [2.08])) == pytest.approx(3 / 30)


def test_delay_and_bitrate() -> None:
    packets = frames([[0, 1]] * 30, hold_ms=80)
    late = msgspec.structs.replace(packets[0], out_s=1.1)
    assert recording.lateness_ms([late] * 3 + packets[:20], ALL) == pytest.approx(20)
    reports = [Datagram(1.0, 1.1, 80, has_report=True), Datagram(2.0, 2.3, 80, has_report=True)]
    assert recording.reports_held_ms([*packets, *reports], ALL) == pytest.approx(200)
    assert recording.bitrate_bps([*packets, Datagram(1, 1, 500)], ALL) == 60 * 8000 / 100


@pytest.mark.parametrize("first", [0, 2**32 - 4500])
def test_frames_are_known_by_their_shifted_timestamps(first: int) -> None:
    sent = frames([[0, 1]] * 60, first=77)
    received = frames([[5, 6]] * 60, first=first, hold_ms=80)[8:]
    assert recording.frame_delay_ms(sent, received, ALL) == pytest.approx(86)
    lost = [msgspec.structs.replace(one, out_s=None) for one in received[:40:2]]
    received[:40:2] = lost
    assert recording.frame_delay_ms(sent, received, ALL) == pytest.approx(86)


@pytest.mark.parametrize("first", [0, 2**32 - 4500])
def test_even_frames_have_no_jitter_across_wrapped_timestamps(first: int) -> None:
    packets = frames([[5]] * 60, first=first)
    assert recording.jitter_ms(packets, ALL) == pytest.approx(0, abs=1e-9)
    assert recording.jitter_by_frame_ms(packets, ALL) == pytest.approx(0, abs=1e-9)


def test_one_late_packet_counts_a_sixteenth() -> None:
    assert recording.jitter_ms(frames([[0], [8]]), ALL) == pytest.approx(0.5)


def test_spacing_within_frames_is_jitter_of_packets_alone() -> None:
    """Three packets 4 ms apart: 4, 4 and back by 8 for packets; 8 for frames."""
    spaced = frames([[0, 4, 8]] * 200)
    assert recording.jitter_by_frame_ms(spaced, ALL) == pytest.approx(8, abs=0.01)
    assert 4 < recording.jitter_ms(spaced, ALL) < 8


def test_a_frame_sent_at_once_dilutes_the_jitter_of_packets() -> None:
    """Frames that alternate by 10 ms, of eight packets without spacing."""
    alternating = frames([[10.0 * (tick % 2)] * 8 for tick in range(200)])
    assert recording.jitter_by_frame_ms(alternating, ALL) == pytest.approx(10, abs=0.01)
    assert recording.jitter_ms(alternating, ALL) < 2


def test_jitter_is_read_at_the_end_of_each_interval() -> None:
    packets = frames([[0], [8], [8], [8]])
    ends = [one.out_s + 0.001 for one in packets[1:] if one.out_s is not None]
    read = recording.jitter_ms(packets, Window(0.0, ends))
    assert read == pytest.approx(0.5 * (1 + 15 / 16 + (15 / 16) ** 2) / 3)
