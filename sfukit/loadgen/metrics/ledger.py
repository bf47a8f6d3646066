"""The outcome of each bot and track: joins, first frames, disconnects, faults. No I/O."""

from collections import Counter, defaultdict, deque
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Set
from dataclasses import dataclass, field

from sfukit.loadgen.metrics.capture_times import CaptureTimes
from sfukit.loadgen.metrics.handovers import Handovers
from sfukit.loadgen.relays import PREFIX, Relays
from sfukit.loadgen.result.paths import MOST_ESTIMATES
from sfukit.loadgen.result.report import Fault, RateLimited, RetriedJoins
from sfukit.loadgen.scenario import Bot, Plan, PlannedTrack
from sfukit.swarm.messages import (
    AddressChanged,
    Allocated,
    EncodingChanged,
    Event,
    FirstFrame,
    TransportState,
)

_NS_PER_MS = 1e6
_NS_PER_S = 1e9
_MESSAGE_LENGTH = 300
_NAME_LENGTH = 64
# Bounds on what a target can fill: codes, reasons, switches.
_MAX_NAMES = 64
_OTHERS = "others"
_UNPLANNED = -1  # a publisher that is not in the plan
_MAX_SWITCHES = 100_000
_MAX_CHANGES = 10_000  # of encodings, per stream

TRANSPORT_LOST = "transport "
RATE_LIMITED = "rate_limited"
# Failed joins without a response of the target: a saturated load generator looks the same.
_TIMEOUTS = frozenset(("join_timeout", "connect_timeout", "join_lost"))


@dataclass
class JoinRecord:
    """The join of one bot; instants are nanoseconds of the swarm's clock, None until reached.

    ``attempted_ns`` is the start of the last attempt; times count from ``scheduled_ns``. ``retry``
    takes code and message of a failure where the join is tried again (``--retries``).
    """

    bot: Bot
    scheduled_ns: int
    attempted_ns: int
    signalled_ns: int | None = None
    connected_ns: int | None = None
    ice_ms: float | None = None
    dtls_ms: float | None = None
    failure: str | None = None
    lost: str | None = None
    left: bool = False
    refused_by_limit: int = 0
    backoff_s: float = 0.0
    backing_off: bool = False
    retries: int = 0
    retry: Callable[[str, str], None] | None = None

    @property
    def settled(self) -> bool:
        """Whether the join succeeded or failed."""
        return self.connected_ns is not None or self.failure is not None

    @property
    def join_ms(self) -> float | None:
        """The time from the scheduled join to the connected transport."""
        return self._since_scheduled_ms(self.connected_ns)

    @property
    def signalling_ms(self) -> float | None:
        """The time from the scheduled join to the response of the target."""
        return self._since_scheduled_ms(self.signalled_ns)

    def _since_scheduled_ms(self, at_ns: int | None) -> float | None:
        return None if at_ns is None else (at_ns - self.scheduled_ns) / _NS_PER_MS


@dataclass(frozen=True)
class ExpectedTrack:
    """A track that the target announced to a bot."""

    subscriber: Bot
    publisher: Bot | None
    kind: str
    transport: int


@dataclass
class Ledger:
    """The events of a run, in the order of their arrival."""

    plan: Plan
    join_records: dict[int, JoinRecord] = field(default_factory=dict)
    expected: dict[int, ExpectedTrack] = field(default_factory=dict)
    first_frame_ns: dict[int, int] = field(default_factory=dict)
    profiles: Counter[str] = field(default_factory=Counter)
    first_encoding: dict[int, int] = field(default_factory=dict)
    changes: defaultdict[int, deque[tuple[int, int]]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=_MAX_CHANGES))
    )
    estimates: dict[int, deque[tuple[int, float]]] = field(default_factory=dict)
    switches: Counter[str] = field(default_factory=Counter)
    sampled: list[int] = field(default_factory=list)
    logged: dict[int, int] = field(default_factory=dict)  # streams of publishers, by their indices
    encodings_published: int = 0
    inactive: dict[int, int] = field(default_factory=dict)
    switch_waits_ms: list[float] = field(default_factory=list)
    handovers: Handovers = field(default_factory=Handovers)
    relays: Relays = field(default_factory=Relays)
    capture_times: CaptureTimes = field(default_factory=CaptureTimes)
    _retries: Counter[str] = field(default_factory=Counter)
    _losses: Counter[str] = field(default_factory=Counter)
    _arrived: set[PlannedTrack] = field(default_factory=set)
    _faults: dict[str, Fault] = field(default_factory=dict)
    _transports: dict[int, tuple[int, bool]] = field(default_factory=dict)

    def scheduled(self, bot: Bot, at_ns: int) -> None:
        """Record the scheduled join of a bot."""
        self.join_records[bot.index] = JoinRecord(bot, at_ns, at_ns)

    def opened(self, transport: int, bot: Bot, *, decides: bool) -> None:
        """Record a transport; the one that ``decides`` completes the join of its bot."""
        self._transports[transport] = (bot.index, decides)

    def track_expected(self, stream: int, expected: ExpectedTrack) -> None:
        """Record a track that should arrive."""
        self.expected[stream] = expected

    def signalled(self, bot: Bot, at_ns: int) -> None:
        """Record that the target accepted the join of a bot."""
        record = self.join_records[bot.index]
        record.signalled_ns = record.signalled_ns or at_ns

    def failed(self, bot: Bot, code: str, message: str) -> None:
        """Record the failed join of a bot, unless it is tried again."""
        record = self.join_records[bot.index]
        if record.settled:
            return
        if record.retry is not None:
            record.retry(code, message)
            return
        record.failure = code[:_NAME_LENGTH]
        self.fault(code, message, bot)

    def backed_off(self, bot: Bot, delay_s: float) -> None:
        """Record a rate limited request, and the delay until its retry."""
        record = self.join_records[bot.index]
        record.refused_by_limit += 1
        record.backoff_s += delay_s
        record.backing_off = True

    def retried(self, bot: Bot) -> None:
        """Record that the bot retries."""
        self.join_records[bot.index].backing_off = False

    def join_retried(self, bot: Bot, code: str) -> None:
        """Record that a join failed and is tried again."""
        record = self.join_records[bot.index]
        record.retries += 1
        record.signalled_ns = None
        self._retries[_bounded_name(code[:_NAME_LENGTH], self._retries)] += 1

    def lost(self, bot: Bot, reason: str) -> None:
        """Record the disconnect of a bot; before the join has completed it is a failed join."""
        record = self.join_records[bot.index]
        if record.left or record.lost:
            return
        if record.connected_ns is None:
            self.failed(bot, "join_lost", reason)
            return
        record.lost = reason[:_MESSAGE_LENGTH]
        self._losses[_bounded_name(record.lost, self._losses)] += 1
        self.fault("connection_lost", reason, bot)

    def planned_leave(self, bot: Bot) -> None:
        """Record that a bot leaves as planned."""
        self.join_records[bot.index].left = True
        self.handovers.left(bot)

    def is_connected(self, bot: Bot) -> bool:
        """Return whether a bot has joined, and is there."""
        record = self.join_records.get(bot.index)
        if record is None or record.left:
            return False
        return record.connected_ns is not None and record.lost is None

    def window_ended(self, at_ns: int) -> None:
        """Record as faults what should be complete at the end of a window."""
        for failure in self.handovers.window_ended(at_ns):
            self.fault(failure.code, failure.message, failure.bot)

    def switched(self, reason: str, wait_ms: float | None) -> None:
        """Record that the target switched the encoding, why, and after which delay."""
        if wait_ms is not None:
            self.switches[_bounded_name(reason[:_NAME_LENGTH], self.switches)] += 1
            if len(self.switch_waits_ms) < _MAX_SWITCHES:
                self.switch_waits_ms.append(wait_ms)

    def estimated(self, bot: Bot, at_ns: int, estimate_bps: float) -> None:
        """Record what the target estimated that a bot can receive."""
        kept = self.estimates.setdefault(bot.index, deque(maxlen=MOST_ESTIMATES))
        kept.append((at_ns, estimate_bps))

    def deactivated(self, stream: int, encodings: int) -> None:
        """Record how many encodings of a track are inactive (dynacast)."""
        self.inactive[stream] = encodings

    def fault(self, code: str, message: str, bot: Bot | None = None) -> None:
        """Count a fault by its code, keeping the first message and bot."""
        code = _bounded_name(code[:_NAME_LENGTH], self._faults)
        counted = self._faults.get(code)
        if counted is None:
            first = self.label(bot) if bot else ""
            self._faults[code] = Fault(
                code=code, message=message[:_MESSAGE_LENGTH], count=1, first=first
            )
        else:
            self._faults[code] = Fault(
                code=code, message=counted.message, count=counted.count + 1, first=counted.first
            )

    def on_event(self, event: Event) -> None:
        """Record an event of the swarm."""
        match event:
            case TransportState():
                self._transport_state(event)
            case Allocated(transport=transport):
                if transport in self._transports:
                    self.relays.allocated(self._transports[transport][0], event)
            case AddressChanged():
                failure = self.handovers.ended(event)
                if failure is not None:
                    self.fault(failure.code, failure.message, failure.bot)
            case FirstFrame(stream=stream, at_ns=at_ns, encoding_index=encoding):
                if encoding is not None:
                    self.first_encoding.setdefault(stream, encoding)
                self._first_frame(stream, at_ns)
            case EncodingChanged(stream=stream, at_ns=at_ns, encoding_index=encoding):
                self.changes[stream].append((at_ns, encoding))

    @property
    def faults(self) -> list[Fault]:
        """The faults, the most frequent first."""
        return sorted(self._faults.values(), key=lambda fault: -fault.count)

    @property
    def joined(self) -> int:
        """Bots that have joined."""
        return sum(one.connected_ns is not None for one in self.join_records.values())

    @property
    def failures(self) -> int:
        """Bots whose join failed."""
        return sum(one.failure is not None for one in self.join_records.values())

    @property
    def refused(self) -> int:
        """Bots whose join the target refused or ended explicitly."""
        return sum(
            one.failure is not None and one.failure not in _TIMEOUTS
            for one in self.join_records.values()
        )

    @property
    def rate_limited(self) -> RateLimited:
        """Requests that the target refused by its rate limit."""
        limited = [one for one in self.join_records.values() if one.refused_by_limit]
        return RateLimited(
            requests=sum(one.refused_by_limit for one in limited),
            clients=len(limited),
            waited_s=sum(one.backoff_s for one in limited),
            clients_refused=sum(one.failure == RATE_LIMITED for one in limited),
        )

    @property
    def retried_joins(self) -> RetriedJoins:
        """Joins that failed and were tried again."""
        retried = [one for one in self.join_records.values() if one.retries]
        return RetriedJoins(
            attempts=sum(one.retries for one in retried),
            clients=len(retried),
            clients_joined=sum(one.connected_ns is not None for one in retried),
            codes=dict(self._retries),
        )

    @property
    def still_connected(self) -> int:
        """Joined bots that are still connected."""
        return sum(
            one.connected_ns is not None and one.lost is None for one in self.join_records.values()
        )

    @property
    def most_common_loss(self) -> str:
        """The most frequent reason of disconnects."""
        return self._losses.most_common(1)[0][0] if self._losses else ""

    @property
    def dropped(self) -> str | None:
        """The number of clients that the target disconnected, with the reason; None without any."""
        lost = self.joined - self.still_connected
        if lost == 0:
            return None
        return f"the target disconnected {lost} of {self.joined} clients: {self.most_common_loss}"

    @property
    def present(self) -> int:
        """Bots that are connected and have not left."""
        return sum(
            one.connected_ns is not None and one.lost is None and not one.left
            for one in self.join_records.values()
        )

    @property
    def arrived(self) -> Set[PlannedTrack]:
        """Tracks of which a frame or packet has arrived."""
        return self._arrived

    @property
    def tracks(self) -> int:
        """The number of tracks of which a frame or packet has arrived."""
        return len(self._arrived)

    def label(self, bot: Bot) -> str:
        """Return the name of a bot with that of its room."""
        return f"{self.plan.rooms[bot.room].label} {bot.name}"

    def records_of(self, bots: Iterable[Bot] | None = None) -> list[JoinRecord]:
        """Return the joins of some bots, or of all, as far as they were started."""
        if bots is None:
            return list(self.join_records.values())
        return [self.join_records[bot.index] for bot in bots if bot.index in self.join_records]

    def ttff_ms(self, subscribers: Container[int] | None = None) -> Iterator[float]:
        """Return the times to first frame of video tracks, of all subscribers or of some."""
        return (
            ttff_ms
            for track, ttff_ms in self.first_frames()
            if track.kind == "video"
            if subscribers is None or track.subscriber.index in subscribers
        )

    def first_frames(self) -> Iterator[tuple[ExpectedTrack, float]]:
        """Return the tracks that arrived, each with the time to its first frame, ms.

        The time counts from the later scheduled join of both ends.
        """
        for stream, at_ns in self.first_frame_ns.items():
            expected = self.expected.get(stream)
            if expected is None:
                continue
            due = self.join_records[expected.subscriber.index].scheduled_ns
            if expected.publisher is not None:
                due += max(0, self._due_later_ns(expected.publisher, expected.subscriber))
            yield expected, (at_ns - due) / _NS_PER_MS

    def _due_later_ns(self, publisher: Bot, subscriber: Bot) -> int:
        """Return how much later a publisher, maybe of another shard, joins than a subscriber."""
        record = self.join_records.get(publisher.index)
        if record is not None:
            return record.scheduled_ns - self.join_records[subscriber.index].scheduled_ns
        visit = self.plan.attendance.visit
        return round((visit(publisher).joins_s - visit(subscriber).joins_s) * _NS_PER_S)

    def changes_within(self, stream: int, start_ns: int, end_ns: int) -> int:
        """Return the number of encoding changes of a stream within an interval."""
        return sum(start_ns <= at_ns < end_ns for at_ns, _ in self.changes.get(stream, ()))

    def settled_ms(self, stream: int, before_ns: int) -> float | None:
        """Return the time from the first frame to the last encoding change before an instant.

        Later changes are counted by ``changes_within``.
        """
        first_ns = self.first_frame_ns.get(stream)
        if first_ns is None:
            return None
        earlier = [at_ns for at_ns, _ in self.changes.get(stream, ()) if at_ns < before_ns]
        return (earlier[-1] - first_ns) / _NS_PER_MS if earlier else 0.0

    def encodings(self, stream: int) -> list[tuple[int, int]]:
        """Return the encodings of a stream by index, each from an instant on, in ns."""
        changes = list(self.changes.get(stream, ()))
        first, first_ns = self.first_encoding.get(stream), self.first_frame_ns.get(stream)
        if first is None or first_ns is None or len(changes) == _MAX_CHANGES:
            return changes
        return [(first_ns, first), *changes]

    def _first_frame(self, stream: int, at_ns: int) -> None:
        self.first_frame_ns.setdefault(stream, at_ns)
        expected = self.expected.get(stream)
        if expected is not None:
            publisher = expected.publisher.index if expected.publisher else _UNPLANNED
            self._arrived.add(PlannedTrack(expected.subscriber.index, publisher, expected.kind))

    def _transport_state(self, event: TransportState) -> None:
        index, decides = self._transports.get(event.transport, (None, False))
        if index is None:
            return
        record = self.join_records[index]
        if event.state == "connected":
            self.profiles[event.srtp_profile or "unknown"] += 1
            if decides and record.connected_ns is None:
                record.connected_ns = event.at_ns
                record.ice_ms, record.dtls_ms = event.ice_ms, event.dtls_ms
            return
        if event.reason.startswith(PREFIX):
            code, message = self.relays.failed(event.reason)
            self.failed(record.bot, code, message)
            self.lost(record.bot, message)
            return
        reason = f"{TRANSPORT_LOST}{event.state}: {event.reason or 'no reason given'}"
        self.lost(record.bot, reason)


def _bounded_name(name: str, names: Collection[str]) -> str:
    """Return the name, or ``others`` where there are too many names."""
    return name if name in names or len(names) < _MAX_NAMES else _OTHERS
