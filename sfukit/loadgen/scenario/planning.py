"""The plan of a load: rooms, bots, publications, subscriptions with their sizes.

Pure: equal options give equal plans.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.ramp import Ramp
from sfukit.loadgen.scenario.composition import compositions
from sfukit.loadgen.scenario.media import AUDIO_BPS, AUDIO_PACKETS_PER_S, Encoding, encodings
from sfukit.loadgen.scenario.participants import Bot, PlannedSubscription, Room, bots


class Flow(NamedTuple):
    """Streams, bit/s and packets/s in one direction, seen from the SFU."""

    streams: int
    bps: float
    packets_per_s: float


@dataclass(frozen=True)
class Plan:
    """The whole load."""

    options: LoadOptions
    rooms: tuple[Room, ...]
    encodings: tuple[Encoding, ...]
    ramp: Ramp

    @cached_property
    def bots(self) -> tuple[Bot, ...]:
        """All bots in the order in which they join."""
        return tuple(bot for room in self.rooms for bot in room.bots)

    @property
    def all_large(self) -> bool:
        """Whether all subscriptions are large."""
        return self.options.scenario == "broadcast" or self.options.shape == "pair"

    @property
    def has_video(self) -> bool:
        """Whether any bot publishes video."""
        return any(bot.video for bot in self.bots)

    @property
    def total_s(self) -> float:
        """Ramp, warm-up and measured window."""
        return self.ramp.span_s + self.options.warmup_s + self.options.duration_s

    @cached_property
    def tracks(self) -> int:
        """The number of tracks that subscribers should receive."""
        return self.outbound.streams

    @cached_property
    def inbound(self) -> Flow:
        """The streams that the SFU receives."""
        video = sum(bot.video for bot in self.bots)
        audio = sum(bot.audio for bot in self.bots)
        bps = sum(encoding.bitrate_bps for encoding in self.encodings)
        packets = sum(encoding.packets_per_s for encoding in self.encodings)
        return Flow(
            video * len(self.encodings) + audio,
            video * bps + audio * AUDIO_BPS,
            video * packets + audio * AUDIO_PACKETS_PER_S,
        )

    @cached_property
    def outbound(self) -> Flow:
        """The streams that the SFU sends."""
        streams, bps, packets = 0, 0.0, 0.0
        for subscription in self._subscriptions():
            if subscription.publisher.video:
                encoding = self.encodings[-1 if subscription.size == "large" else 0]
                streams += 1
                bps += encoding.bitrate_bps
                packets += encoding.packets_per_s
            if subscription.publisher.audio:
                streams += 1
                bps += AUDIO_BPS
                packets += AUDIO_PACKETS_PER_S
        return Flow(streams, bps, packets)

    def subscriptions(self, subscriber: Bot) -> Iterator[PlannedSubscription]:
        """Return the subscriptions of a bot: the first video is large, the others are small."""
        if self.options.shape == "publish" or (self.options.shape == "pair" and subscriber.sends):
            return
        large_taken = False
        for publisher in self.rooms[subscriber.room].publishers:
            if publisher.index == subscriber.index:
                continue
            large = publisher.video and (self.all_large or not large_taken)
            large_taken = large_taken or large
            yield PlannedSubscription(publisher, "large" if large else "small")

    def _subscriptions(self) -> Iterator[PlannedSubscription]:
        for bot in self.bots:
            yield from self.subscriptions(bot)


def plan(options: LoadOptions) -> Plan:
    """Return the plan; raise ``UsageError`` where the numbers contradict each other."""
    if options.duration_s <= 0:
        raise UsageError("--duration 0: measures nothing", hint="try --duration 10s")
    rooms, joined = [], 0
    for index, composition in enumerate(compositions(options)):
        name = f"load{options.seed}-room-{index + 1}"
        joining = bots(index, joined, composition, audio=options.audio_disabled_by is None)
        rooms.append(Room(index, name, tuple(joining)))
        joined += composition.size
    whole = Plan(options, tuple(rooms), encodings(options), Ramp(options.ramp_per_s, joined))
    return _impair(whole) if options.net_up or options.net_down else whole


def _impair(whole: Plan) -> Plan:
    """Return the plan with the share of bots that are impaired, chosen by the seed."""
    options = whole.options
    receiving = options.net_down is not None
    sending = options.net_up is not None
    candidates = [
        bot.index
        for bot in whole.bots
        if (sending and bot.sends) or (receiving and any(whole.subscriptions(bot)))
    ]
    share = round(options.net_share * len(candidates))
    chosen = frozenset(random.Random(options.seed).sample(candidates, share))
    rooms = tuple(
        Room(room.index, room.name, tuple(_marked(bot, bot.index in chosen) for bot in room.bots))
        for room in whole.rooms
    )
    return Plan(options, rooms, whole.encodings, whole.ramp)


def _marked(bot: Bot, impaired: bool) -> Bot:
    return Bot(bot.index, bot.room, bot.name, bot.video, bot.audio, impaired)
