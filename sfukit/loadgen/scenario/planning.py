"""The plan of a load: rooms, bots, publications, subscriptions with their sizes, times.

Pure: equal options give equal plans.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import get_args

from sfukit import units
from sfukit.errors import UsageError
from sfukit.loadgen.options import LoadOptions, Shard, Stage, VideoCodec
from sfukit.loadgen.ramp import Ramp
from sfukit.loadgen.scenario import flows, frame_delays
from sfukit.loadgen.scenario.attendance import Attendance, Timing, Visit, Window, attendance
from sfukit.loadgen.scenario.bottlenecks import Direction, bottlenecks
from sfukit.loadgen.scenario.composition import compositions
from sfukit.loadgen.scenario.flows import Flow
from sfukit.loadgen.scenario.handovers import Handover, handovers
from sfukit.loadgen.scenario.impaired import impaired
from sfukit.loadgen.scenario.media import Encoding, encodings
from sfukit.loadgen.scenario.participants import Bot, PlannedSubscription, Room, bots, group_bots
from sfukit.loadgen.scenario.shares import share
from sfukit.loadgen.scenario.traced import traced
from sfukit.loadgen.scenario.views import Views


@dataclass(frozen=True)
class Plan:
    """The whole load; ``own`` are the indices of the bots of this process, None for all."""

    options: LoadOptions
    rooms: tuple[Room, ...]
    encodings: tuple[Encoding, ...]
    attendance: Attendance
    own: frozenset[int] | None = None

    @cached_property
    def bots(self) -> tuple[Bot, ...]:
        """All bots by index, those that replace others last."""
        return tuple(visit.bot for visit in self.attendance.visits)

    @cached_property
    def slots(self) -> tuple[Bot, ...]:
        """The bots without those that replace others, in the order in which they join."""
        return tuple(bot for room in self.rooms for bot in room.slots)

    def is_own(self, bot: Bot) -> bool:
        """Whether a bot is one of this process."""
        return self.own is None or bot.index in self.own

    @cached_property
    def own_bots(self) -> tuple[Bot, ...]:
        """The bots of this process by index."""
        return tuple(bot for bot in self.bots if self.is_own(bot))

    @cached_property
    def own_slots(self) -> tuple[Bot, ...]:
        """The slots of this process in the order in which their bots join."""
        return tuple(bot for bot in self.slots if self.is_own(bot))

    @cached_property
    def own_visits(self) -> tuple[Visit, ...]:
        """The visits of the bots of this process."""
        return tuple(visit for visit in self.attendance.visits if self.is_own(visit.bot))

    def own_clients(self, window: Window) -> int:
        """Return the number of clients of this process in a window."""
        return sum(self.is_own(bot) for bot in self.slots[: window.clients])

    @property
    def windows(self) -> tuple[Window, ...]:
        """The measured windows."""
        return self.attendance.windows

    @property
    def ramp(self) -> Ramp:
        """The arrival of the bots of the first window."""
        return Ramp(self.options.ramp_per_s, self.windows[0].clients)

    @cached_property
    def views(self) -> Views:
        """The subscriptions of all bots over time."""
        return Views(self.rooms, self.attendance, self.options, self.own)

    @cached_property
    def bottlenecks(self) -> Mapping[tuple[int, Direction], int]:
        """The bottlenecks that bots share, by slot and direction."""
        return bottlenecks(self.slots, self.options)

    @cached_property
    def traced(self) -> frozenset[tuple[int, Direction]]:
        """The links of this process whose queue is traced, by slot and direction."""
        return traced(self.own_slots, self.options)

    @cached_property
    def codecs(self) -> tuple[VideoCodec, ...]:
        """The codecs of the published video."""
        return tuple(sorted({self.codec_of(bot) for bot in self.slots if bot.video}))

    def codec_of(self, bot: Bot) -> VideoCodec:
        """Return the codec of the video that a bot publishes."""
        codec = (bot.group.codec if bot.group else None) or self.options.codec
        return self._turns[bot.slot] if codec == "mix" else codec

    @cached_property
    def _turns(self) -> Mapping[int, VideoCodec]:
        """The codec of each slot with video where codecs are mixed; the seed has the first."""
        every: tuple[VideoCodec, ...] = get_args(VideoCodec)
        slots = (bot.slot for bot in self.slots if bot.video)
        return {
            slot: every[turn % len(every)] for turn, slot in enumerate(slots, self.options.seed)
        }

    def is_relayed(self, bot: Bot) -> bool:
        """Whether all media of a bot passes the TURN server."""
        own = bot.group.relay_only if bot.group else None
        return self.options.relay_only if own is None else own

    @cached_property
    def relayed_slots(self) -> int:
        """The number of clients of this process whose media passes the TURN server."""
        return sum(self.is_relayed(bot) for bot in self.own_slots)

    @property
    def has_video(self) -> bool:
        """Whether any bot publishes video."""
        return any(bot.video for bot in self.bots)

    @property
    def total_s(self) -> float:
        """The time until the end of the last window."""
        return self.windows[-1].end_s

    @cached_property
    def tracks(self) -> int:
        """The number of tracks that the subscribers of this process should receive."""
        return len(self.views.expected())

    @cached_property
    def all_tracks(self) -> int:
        """The number of tracks that the subscribers of all processes should receive."""
        return self.tracks if self.own is None else len(replace(self, own=None).views.expected())

    @cached_property
    def times_video(self) -> bool:
        """Whether both ends of a video track are in this process, so that its delay is known."""
        return any(
            track.kind == "video" and self.is_own(self.bots[track.publisher])
            for track in self.views.expected()
        )

    def shared(self, shard: Shard) -> "Plan":
        """Return the plan with the share of one process; raise ``UsageError`` where it has none."""
        own = share(self.rooms, self.bots, shard)
        within = {number for (slot, _), number in self.bottlenecks.items() if slot in own}
        if any(number in within for (s, _), number in self.bottlenecks.items() if s not in own):
            raise UsageError(
                f"shard {shard}: participants of several shards share a bottleneck (shared=N)",
                hint="one process emulates it: leave shared=N out, or load from one process",
            )
        return replace(self, own=own)

    @cached_property
    def inbound(self) -> Flow:
        """The streams that the SFU receives from the largest number of clients."""
        return flows.inbound(self.slots, self.encodings)

    @cached_property
    def outbound(self) -> Flow:
        """The streams that the SFU sends to the largest number of clients."""
        planned = (one for slot in self.slots for one in self.subscriptions(slot))
        at_a_time = (one for one in planned if one.publisher.replaces is None)
        return flows.outbound(at_a_time, self.encodings)

    @cached_property
    def handovers(self) -> tuple[Handover, ...]:
        """The changes of local addresses; raises ``UsageError`` for a window without any."""
        every_s, seed = self.options.handover_s, self.options.seed
        if every_s is None:
            return ()
        return handovers(self.slots, self.attendance, every_s, seed)

    def subscriptions(self, subscriber: Bot) -> Iterator[PlannedSubscription]:
        """Return the subscriptions of a bot, with the sizes at its join."""
        return self.views.subscriptions(subscriber)


def plan(options: LoadOptions) -> Plan:
    """Return the plan; raise ``UsageError`` where the numbers contradict each other."""
    _check_times(options)
    if options.stages and not options.groups:
        options = replace(options, clients=max(stage.clients for stage in options.stages))
    rooms = _rooms(options)
    rooms = impaired(rooms, options)
    times = _attendance([bot for room in rooms for bot in room.bots], options)
    times = _at_their_times(times)
    _check_phases(options, times)
    whole = Plan(options, tuple(_with_replacements(rooms, times)), encodings(options), times)
    _ = whole.handovers  # a window without any is refused here
    frame_delays.check(options, whole.codecs)
    return whole


def _at_their_times(times: Attendance) -> Attendance:
    """Let the groups that have a time join then."""
    visits = [
        visit._replace(joins_s=visit.bot.group.joins_s)
        if visit.bot.group and visit.bot.group.joins_s is not None
        else visit
        for visit in times.visits
    ]
    return replace(times, visits=tuple(visits))


def _check_phases(options: LoadOptions, times: Attendance) -> None:
    end_s = times.windows[-1].end_s
    late = [phase.at_s for phase in options.phases if phase.at_s >= end_s]
    if late:
        raise UsageError(
            f"--phases: the phase at {units.show_duration(late[0])} is after the end of the run, "
            f"at {units.show_duration(end_s)}",
            hint="times count from the first join: see --plan for ramp, warm-up and --duration",
        )


def _rooms(options: LoadOptions) -> list[Room]:
    audio = options.audio_disabled_by is None
    if options.groups:
        return _rooms_of_groups(options, audio=audio)
    rooms, joined = [], 0
    for index, composition in enumerate(compositions(options)):
        joining = bots(index, joined, composition, audio=audio)
        rooms.append(Room(index, _room_name(options, index), tuple(joining)))
        joined += composition.size
    return rooms


def _rooms_of_groups(options: LoadOptions, *, audio: bool) -> list[Room]:
    size = sum(group.clients for group in options.groups)
    count = options.rooms or 1
    most = max((stage.clients for stage in options.stages), default=size * count)
    if options.shape != "rooms":
        raise UsageError("groups need a target with rooms", hint="test WHIP without groups")
    if not any(group.video or (group.audio and audio) for group in options.groups):
        raise UsageError("no publisher in any group", hint='give one publish = "video+audio"')
    if most != size * count:
        raise UsageError(
            f"the largest stage has {most} clients, and the groups have {size * count}",
            hint=f"give one stage {size * count} clients",
        )
    return [
        Room(
            index,
            _room_name(options, index),
            tuple(group_bots(index, index * size, options.groups, audio=audio)),
        )
        for index in range(count)
    ]


def _room_name(options: LoadOptions, index: int) -> str:
    return f"load{options.seed}-room-{index + 1}"


def _check_times(options: LoadOptions) -> None:
    if options.duration_s <= 0:
        raise UsageError("--duration 0: measures nothing", hint="try --duration 10s")
    if options.stages and options.clients is not None:
        raise UsageError(
            f"--clients {options.clients} with --stage: stages set the number of clients",
            hint="leave --clients out",
        )
    if options.shape != "rooms":
        for name, given in (
            ("--layout", options.layout),
            ("--speaker-switch", options.speaker_switch_s),
        ):
            if given is not None:
                raise UsageError(
                    f"{name}: the target has no rooms where a client chooses what it sees",
                    hint=f"leave {name} out",
                )


def _attendance(slots: Sequence[Bot], options: LoadOptions) -> Attendance:
    timing = Timing(
        ramp_per_s=options.ramp_per_s,
        warmup_s=options.warmup_s,
        stages=options.stages or (Stage(options.duration_s, len(slots)),),
        churn_per_s=options.churn_per_s,
        seed=options.seed,
    )
    # without its publisher a WHEP URL has nothing to play
    replaceable = [bot for bot in slots if options.shape != "pair" or not bot.sends]
    return attendance(slots, timing, replaceable=replaceable)


def _with_replacements(rooms: Sequence[Room], times: Attendance) -> Iterator[Room]:
    """Return the rooms with the bots that replace others."""
    replacements = [visit.bot for visit in times.visits if visit.bot.replaces is not None]
    for room in rooms:
        added = [bot for bot in replacements if bot.room == room.index]
        yield replace(room, bots=(*room.bots, *added)) if added else room
