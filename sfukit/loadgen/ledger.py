"""What became of each bot and each track: joins, first frames, losses, faults. No I/O."""

from collections import Counter, defaultdict, deque
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from sfukit.loadgen.result import Fault, RateLimited
from sfukit.loadgen.scenario import Bot, Plan
from sfukit.signaling.room_messages import LayerSwitch
from sfukit.swarm.messages import EncodingChanged, Event, FirstFrame, TransportState

_NS_PER_MS = 1e6
_MESSAGE_LENGTH = 300
_NAME_LENGTH = 64
# What a target can fill: codes and reasons that it makes up, switches without end.
_MOST_NAMES = 64
_OTHERS = "others"
_MOST_SWITCHES = 100_000
_MOST_CHANGES = 10_000  # of the encoding, of each stream

TRANSPORT_LOST = "transport "
RATE_LIMITED = "rate_limited"
# How a join fails without a word of the target: a load generator that is too slow looks the same.
_SILENT = frozenset(("join_timeout", "connect_timeout", "join_lost"))


@dataclass
class Attendance:
    """One bot's way in; instants are nanoseconds of the swarm's clock, None until it happens."""

    bot: Bot
    scheduled_ns: int
    signalled_ns: int | None = None
    connected_ns: int | None = None
    ice_ms: float | None = None
    dtls_ms: float | None = None
    failure: str | None = None
    lost: str | None = None
    left: bool = False
    refused_by_limit: int = 0
    held_back_s: float = 0.0
    waits: bool = False

    @property
    def settled(self) -> bool:
        """Whether nothing more is to be expected of this join."""
        return self.connected_ns is not None or self.failure is not None


@dataclass(frozen=True)
class Expected:
    """A track that a bot was told it will receive."""

    viewer: Bot
    publisher: Bot | None
    kind: str
    transport: int


@dataclass
class Ledger:
    """Everything that happened, in the order in which it became known."""

    plan: Plan
    attendance: dict[int, Attendance] = field(default_factory=dict)
    expected: dict[int, Expected] = field(default_factory=dict)
    first_frame_ns: dict[int, int] = field(default_factory=dict)
    profiles: Counter[str] = field(default_factory=Counter)
    changes: defaultdict[int, deque[int]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_MOST_CHANGES))
    )
    switches: Counter[str] = field(default_factory=Counter)
    encodings_published: int = 0
    inactive: dict[int, int] = field(default_factory=dict)
    switch_waits_ms: list[float] = field(default_factory=list)
    _losses: Counter[str] = field(default_factory=Counter)
    _arrived: set[tuple[int, int | None, str]] = field(default_factory=set)
    _faults: dict[str, Fault] = field(default_factory=dict)
    _transports: dict[int, tuple[int, bool]] = field(default_factory=dict)

    def scheduled(self, bot: Bot, at_ns: int) -> None:
        """Note when a bot is planned to join."""
        self.attendance[bot.index] = Attendance(bot, at_ns)

    def opened(self, transport: int, bot: Bot, *, decides: bool) -> None:
        """Note a bot's transport; one of them decides when the bot has joined."""
        self._transports[transport] = (bot.index, decides)

    def expects(self, stream: int, expected: Expected) -> None:
        """Note a track that is to arrive."""
        self.expected[stream] = expected

    def signalled(self, bot: Bot, at_ns: int) -> None:
        """Note that the target accepted a bot."""
        attendance = self.attendance[bot.index]
        attendance.signalled_ns = attendance.signalled_ns or at_ns

    def failed(self, bot: Bot, code: str, message: str) -> None:
        """Note that a bot will never join."""
        attendance = self.attendance[bot.index]
        if attendance.failure is None and attendance.connected_ns is None:
            attendance.failure = code[:_NAME_LENGTH]
            self.fault(code, message, bot)

    def held_back(self, bot: Bot, delay_s: float) -> None:
        """Note that the target's rate limit refused a request, and for how long the bot waits."""
        attendance = self.attendance[bot.index]
        attendance.refused_by_limit += 1
        attendance.held_back_s += delay_s
        attendance.waits = True

    def asks_again(self, bot: Bot) -> None:
        """Note that a bot's wait for the rate limit is over."""
        self.attendance[bot.index].waits = False

    def lost(self, bot: Bot, reason: str) -> None:
        """Note that a bot lost the target after it had joined; before, that is a failed join."""
        attendance = self.attendance[bot.index]
        if attendance.left or attendance.lost:
            return
        if attendance.connected_ns is None:
            self.failed(bot, "join_lost", reason)
            return
        attendance.lost = reason[:_MESSAGE_LENGTH]
        self._losses[_known_or_other(attendance.lost, self._losses)] += 1
        self.fault("connection_lost", reason, bot)

    def switched(self, switch: LayerSwitch) -> None:
        """Note that the target changed an encoding, and why."""
        if switch.wait_ms is not None:
            self.switches[_known_or_other(switch.reason[:_NAME_LENGTH], self.switches)] += 1
            if len(self.switch_waits_ms) < _MOST_SWITCHES:
                self.switch_waits_ms.append(switch.wait_ms)

    def rested(self, stream: int, encodings: int) -> None:
        """Note how many encodings of a track rest now, since the target says nobody watches."""
        self.inactive[stream] = encodings

    def fault(self, code: str, message: str, bot: Bot | None = None) -> None:
        """Count something that went wrong, keeping the first of its kind."""
        code = _known_or_other(code[:_NAME_LENGTH], self._faults)
        known = self._faults.get(code)
        if known is None:
            first = self.label(bot) if bot else ""
            self._faults[code] = Fault(
                code=code, message=message[:_MESSAGE_LENGTH], count=1, first=first
            )
        else:
            self._faults[code] = Fault(
                code=code, message=known.message, count=known.count + 1, first=known.first
            )

    def hear(self, event: Event) -> None:
        """Take in an event of the swarm."""
        match event:
            case TransportState():
                self._transport_state(event)
            case FirstFrame(stream=stream, at_ns=at_ns):
                self._first_frame(stream, at_ns)
            case EncodingChanged(stream=stream, at_ns=at_ns):
                self.changes[stream].append(at_ns)

    @property
    def faults(self) -> list[Fault]:
        """What went wrong, the most frequent first."""
        return sorted(self._faults.values(), key=lambda fault: -fault.count)

    @property
    def joined(self) -> int:
        """How many bots have joined."""
        return sum(one.connected_ns is not None for one in self.attendance.values())

    @property
    def failures(self) -> int:
        """How many bots will never join."""
        return sum(one.failure is not None for one in self.attendance.values())

    @property
    def refused(self) -> int:
        """How many bots the target turned away, or cut off, in so many words."""
        return sum(
            one.failure is not None and one.failure not in _SILENT
            for one in self.attendance.values()
        )

    @property
    def rate_limited(self) -> RateLimited:
        """What the target refused by its rate limit: its policy, and no loss."""
        held = [one for one in self.attendance.values() if one.refused_by_limit]
        return RateLimited(
            requests=sum(one.refused_by_limit for one in held),
            clients=len(held),
            waited_s=sum(one.held_back_s for one in held),
            clients_refused=sum(one.failure == RATE_LIMITED for one in held),
        )

    @property
    def still_there(self) -> int:
        """How many joined bots have not lost the target."""
        return sum(
            one.connected_ns is not None and one.lost is None for one in self.attendance.values()
        )

    @property
    def usual_loss(self) -> str:
        """Why most of those who lost the target did."""
        return self._losses.most_common(1)[0][0] if self._losses else ""

    @property
    def dropped(self) -> str | None:
        """Say how many the target dropped, and why."""
        gone = self.joined - self.still_there
        if gone == 0:
            return None
        return f"the target dropped {gone} of {self.joined} clients: {self.usual_loss}"

    @property
    def tracks(self) -> int:
        """How many of the planned tracks have arrived."""
        return len(self._arrived)

    def label(self, bot: Bot) -> str:
        """Name a bot for people."""
        return f"{self.plan.rooms[bot.room].label} {bot.name}"

    def join_ms(self) -> list[float]:
        """Times from the scheduled join to the connected transport."""
        return [
            (one.connected_ns - one.scheduled_ns) / _NS_PER_MS
            for one in self.attendance.values()
            if one.connected_ns is not None
        ]

    def signalling_ms(self) -> list[float]:
        """Times from the scheduled join to the target's answer."""
        return [
            (one.signalled_ns - one.scheduled_ns) / _NS_PER_MS
            for one in self.attendance.values()
            if one.signalled_ns is not None
        ]

    def ttff_ms(self) -> Iterator[float]:
        """Times to the first key frame, from when both ends of the track were due to be there."""
        for stream, at_ns in self.first_frame_ns.items():
            expected = self.expected.get(stream)
            if expected is None or expected.kind != "video":
                continue
            due = self.attendance[expected.viewer.index].scheduled_ns
            if expected.publisher is not None:
                due = max(due, self.attendance[expected.publisher.index].scheduled_ns)
            yield (at_ns - due) / _NS_PER_MS

    def changes_within(self, stream: int, start_ns: int, end_ns: int) -> int:
        """Count the changes of encoding that a viewer saw in a span of time."""
        return sum(start_ns <= at_ns < end_ns for at_ns in self.changes.get(stream, ()))

    def settled_ms(self, stream: int, before_ns: int) -> float | None:
        """Tell how long after its first frame a stream last changed its encoding before an instant.

        What changes after that instant is counted, not taken for a late settling.
        """
        first_ns = self.first_frame_ns.get(stream)
        if first_ns is None:
            return None
        earlier = [at_ns for at_ns in self.changes.get(stream, ()) if at_ns < before_ns]
        return (earlier[-1] - first_ns) / _NS_PER_MS if earlier else 0.0

    def _first_frame(self, stream: int, at_ns: int) -> None:
        self.first_frame_ns.setdefault(stream, at_ns)
        expected = self.expected.get(stream)
        if expected is not None:
            publisher = expected.publisher.index if expected.publisher else None
            self._arrived.add((expected.viewer.index, publisher, expected.kind))

    def _transport_state(self, event: TransportState) -> None:
        index, decides = self._transports.get(event.transport, (None, False))
        if index is None:
            return
        attendance = self.attendance[index]
        if event.state == "connected":
            self.profiles[event.srtp_profile or "unknown"] += 1
            if decides and attendance.connected_ns is None:
                attendance.connected_ns = event.at_ns
                attendance.ice_ms, attendance.dtls_ms = event.ice_ms, event.dtls_ms
            return
        reason = f"{TRANSPORT_LOST}{event.state}: {event.reason or 'no reason given'}"
        self.lost(attendance.bot, reason)


def _known_or_other(name: str, known: Collection[str]) -> str:
    """Keep a name while there are not too many; the rest go under one."""
    return name if name in known or len(known) < _MOST_NAMES else _OTHERS
