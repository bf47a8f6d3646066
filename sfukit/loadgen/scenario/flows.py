"""The streams of a load in each direction, with their bitrates and packet rates. Pure."""

from collections.abc import Iterable
from typing import NamedTuple

from sfukit.loadgen.scenario.media import AUDIO_BPS, AUDIO_PACKETS_PER_S, Encoding, rank
from sfukit.loadgen.scenario.participants import Bot, PlannedSubscription


class Flow(NamedTuple):
    """Streams, bit/s and packets/s in one direction, seen from the SFU."""

    streams: int
    bps: float
    packets_per_s: float


def inbound(bots: Iterable[Bot], encodings: tuple[Encoding, ...]) -> Flow:
    """Return the streams that the SFU receives."""
    publishers = [bot for bot in bots if bot.sends]
    video = sum(bot.video for bot in publishers)
    audio = sum(bot.audio for bot in publishers)
    bps = sum(encoding.bitrate_bps for encoding in encodings)
    packets = sum(encoding.packets_per_s for encoding in encodings)
    return Flow(
        video * len(encodings) + audio,
        video * bps + audio * AUDIO_BPS,
        video * packets + audio * AUDIO_PACKETS_PER_S,
    )


def outbound(subscriptions: Iterable[PlannedSubscription], encodings: tuple[Encoding, ...]) -> Flow:
    """Return the streams that the SFU sends."""
    streams, bps, packets = 0, 0.0, 0.0
    for publisher, size in subscriptions:
        if publisher.video and size != "hidden":
            encoding = encodings[rank(size, len(encodings))]
            streams += 1
            bps += encoding.bitrate_bps
            packets += encoding.packets_per_s
        if publisher.audio:
            streams += 1
            bps += AUDIO_BPS
            packets += AUDIO_PACKETS_PER_S
    return Flow(streams, bps, packets)
