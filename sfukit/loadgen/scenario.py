"""The plan of a load: rooms, bots, publications, subscriptions with their sizes.

Pure: equal options give equal plans.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions
from sfukit.loadgen.ramp import Ramp
from sfukit.media import catalog

Size = Literal["large", "small"]

_DEFAULT_CLIENTS = 10
_MEETING_SIZE = 5
_WEBINAR_PANEL = 3
_AUDIO_ROOM_SPEAKERS = 10

_LEAST_BPS, _MOST_BPS = 50_000, 20_000_000
_AUDIO_BPS = 32_000
_AUDIO_PACKETS_PER_S = 50.0
_PAYLOAD_BYTES = 1_150


class Encoding(NamedTuple):
    """One simulcast encoding: its rid, and the clip that it sends."""

    rid: str
    clip: catalog.Encoding

    @property
    def bitrate_bps(self) -> int:
        """The bitrate of the clip."""
        return self.clip.bitrate_bps

    @property
    def packets_per_s(self) -> float:
        """The packet rate, estimated from the mean frame."""
        frames = self.clip.frames_per_second
        return frames * max(1.0, self.bitrate_bps / 8 / frames / _PAYLOAD_BYTES + 0.5)


LADDER = tuple(map(Encoding, "qhf", catalog.SIMULCAST))


class Composition(NamedTuple):
    """The participants of one room, by role."""

    publishers: int
    audio_publishers: int
    subscribers: int

    @property
    def size(self) -> int:
        """The number of participants."""
        return self.publishers + self.audio_publishers + self.subscribers


@dataclass(frozen=True)
class Bot:
    """One synthetic participant: its index in the order of joins, its room, its tracks."""

    index: int
    room: int
    name: str
    video: bool
    audio: bool
    impaired: bool = False

    @property
    def sends(self) -> bool:
        """Whether the bot publishes a track."""
        return self.video or self.audio


class PlannedSubscription(NamedTuple):
    """One publisher that a bot subscribes to, and the size of its video."""

    publisher: Bot
    size: Size


@dataclass(frozen=True)
class Room:
    """One room and its bots, publishers first."""

    index: int
    name: str
    bots: tuple[Bot, ...]

    @property
    def label(self) -> str:
        """The name in reports, counted from 1."""
        return f"room-{self.index + 1}"

    @cached_property
    def publishers(self) -> tuple[Bot, ...]:
        """The bots that publish."""
        return tuple(bot for bot in self.bots if bot.sends)


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
            video * bps + audio * _AUDIO_BPS,
            video * packets + audio * _AUDIO_PACKETS_PER_S,
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
                bps += _AUDIO_BPS
                packets += _AUDIO_PACKETS_PER_S
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
    _check_counts(options)
    compositions = _compositions(options)
    rooms, joined = [], 0
    for index, composition in enumerate(compositions):
        name = f"load{options.seed}-room-{index + 1}"
        bots = _bots(index, joined, composition, audio=options.audio_disabled_by is None)
        rooms.append(Room(index, name, tuple(bots)))
        joined += composition.size
    whole = Plan(options, tuple(rooms), _encodings(options), Ramp(options.ramp_per_s, joined))
    return _impair(whole) if options.net_up or options.net_down else whole


def plan_line(whole: Plan) -> str:
    """Return the plan in one line: clients, rooms, media, phases."""
    options = whole.options
    media = []
    if whole.has_video:
        several = f" x{len(whole.encodings)}" if len(whole.encodings) > 1 else ""
        largest = units.show_bitrate(whole.encodings[-1].bitrate_bps)
        up_to = f" up to {largest}" if options.bitrate_bps is not None else ""
        media.append(f"{options.codec.upper()}{several}{up_to if several else f' {largest}'}")
    if any(bot.audio for bot in whole.bots):
        media.append("Opus")
    count = len(whole.bots)
    return (
        f"{count} client{'s' * (count != 1)}, {_rooms_text(whole)}, {' + '.join(media)}; "
        f"{whole.ramp.span_s:.3g} s ramp, {options.warmup_s:.3g} s warm-up, "
        f"{options.duration_s:.3g} s measured ({units.show_duration(whole.total_s)})"
    )


def _rooms_text(whole: Plan) -> str:
    if whole.options.shape == "publish":
        return "all publishing, no viewers (no --play URL)"
    if whole.options.shape == "pair":
        publishers = sum(bot.sends for bot in whole.bots)
        return f"{publishers} publishing, {len(whole.bots) - publishers} viewing"
    sizes = sorted({len(room.bots) for room in whole.rooms})
    if len(whole.rooms) == 1:
        publishers = len(whole.rooms[0].publishers)
        return "1 room" if publishers == sizes[0] else f"1 room with {publishers} publishing"
    return f"{len(whole.rooms)} rooms of {' or '.join(map(str, sizes))}"


def _check_counts(options: LoadOptions) -> None:
    for name in ("clients", "rooms"):
        count = getattr(options, name)
        if count is not None and count < 1:
            raise UsageError(f"--{name} {count}: out of range", hint="give 1 or more")
    for name in ("publishers", "audio_publishers", "subscribers"):
        count = getattr(options, name)
        if count is not None and count < 0:
            raise UsageError(f"--{name.replace('_', '-')} {count}: give 0 or more")
    bitrate_bps = options.bitrate_bps
    if bitrate_bps is not None and not _LEAST_BPS <= bitrate_bps <= _MOST_BPS:
        raise UsageError(
            f"--bitrate {units.show_bitrate(bitrate_bps)}: out of the range of the clip",
            hint="give 50k to 20M",
        )
    if options.duration_s <= 0:
        raise UsageError("--duration 0: measures nothing", hint="try --duration 10s")


def _compositions(options: LoadOptions) -> list[Composition]:
    """Return the composition of each room, by the given numbers, else by the scenario."""
    given = (options.publishers, options.audio_publishers, options.subscribers)
    if options.clients is None and any(count is not None for count in given):
        return [_given_composition(options)] * (options.rooms or 1)
    clients = options.clients or _DEFAULT_CLIENTS
    rooms = options.rooms or _default_rooms(options, clients)
    if rooms > clients:
        raise UsageError(
            f"--rooms {rooms}: more rooms than the {clients} clients", hint=f"-c {rooms} or more"
        )
    sizes = [clients // rooms + (index < clients % rooms) for index in range(rooms)]
    return [_composition(options, size) for size in sizes]


def _default_rooms(options: LoadOptions, clients: int) -> int:
    given = (options.publishers, options.audio_publishers, options.subscribers)
    composed = any(count is not None for count in given)
    if options.scenario != "meeting" or options.shape != "rooms" or composed:
        return 1
    return -(-clients // _MEETING_SIZE)


def _given_composition(options: LoadOptions) -> Composition:
    """Return a room of the given numbers; the scenario sets the publishers that are not given."""
    audio_only = options.scenario == "audio-room"
    publishers = options.publishers
    if publishers is None:
        publishers = 0 if audio_only or options.audio_publishers else 1
    audio = options.audio_publishers or 0
    composition = Composition(publishers, audio, options.subscribers or 0)
    return _checked(options, _without_video(composition) if audio_only else composition)


def _composition(options: LoadOptions, size: int) -> Composition:
    """Return a room of a given size; the scenario sets the numbers that are not given."""
    publishers, audio = options.publishers, options.audio_publishers or 0
    audio_only = options.scenario == "audio-room"
    if publishers is None:
        publishers = _default_publishers(options, size) - audio if not audio_only else 0
        publishers = max(0, min(publishers, size - audio - (options.subscribers or 0)))
    if audio_only and options.audio_publishers is None:
        audio = min(_AUDIO_ROOM_SPEAKERS, size) - publishers
    subscribers = size - publishers - audio
    if subscribers < 0 or options.subscribers not in (None, subscribers):
        raise UsageError(
            f"a room of {size} clients cannot have {publishers} publishers, {audio} audio "
            f"publishers and {options.subscribers or 0} subscribers",
            hint="leave one of these numbers out",
        )
    composition = Composition(publishers, audio, subscribers)
    return _checked(options, _without_video(composition) if audio_only else composition)


def _default_publishers(options: LoadOptions, size: int) -> int:
    if options.shape == "publish":
        return size
    if options.shape == "pair" or options.scenario == "broadcast":
        return 1
    return min(_WEBINAR_PANEL, size) if options.scenario == "webinar" else size


def _without_video(composition: Composition) -> Composition:
    """Return a composition with audio publishers only."""
    publishers, audio, subscribers = composition
    return Composition(0, publishers + audio, subscribers)


def _checked(options: LoadOptions, composition: Composition) -> Composition:
    if composition.publishers + composition.audio_publishers == 0:
        raise UsageError("no publisher", hint="give --publishers 1 or more")
    if options.audio_disabled_by and composition.audio_publishers + (composition.publishers == 0):
        raise UsageError(f"{options.audio_disabled_by}: leaves a publisher without tracks")
    return composition


def _bots(room: int, first: int, composition: Composition, *, audio: bool) -> Iterator[Bot]:
    names = [f"p{number + 1}" for number in range(composition.publishers)]
    names += [f"a{number + 1}" for number in range(composition.audio_publishers)]
    names += [f"s{number + 1}" for number in range(composition.subscribers)]
    sending = composition.publishers + composition.audio_publishers
    for place, name in enumerate(names):
        video = place < composition.publishers
        yield Bot(first + place, room, name, video, audio and place < sending)


def _encodings(options: LoadOptions) -> tuple[Encoding, ...]:
    """Return the encodings up to the one nearest to ``--bitrate``, which gets that bitrate."""
    ladder, requested_bps = LADDER, options.bitrate_bps
    if requested_bps is not None:
        nearest = min(LADDER, key=lambda rung: abs(rung.bitrate_bps - requested_bps))
        ladder = (*LADDER[: LADDER.index(nearest)], _at_rate(nearest, requested_bps))
    return ladder if options.simulcast else ladder[-1:]


def _at_rate(rung: Encoding, bitrate_bps: int) -> Encoding:
    if bitrate_bps == rung.bitrate_bps:
        return rung
    name = f"{rung.clip.name} at {units.show_bitrate(bitrate_bps)}"
    return rung._replace(clip=replace(rung.clip, name=name, bitrate_bps=bitrate_bps))


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
