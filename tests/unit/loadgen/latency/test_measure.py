"""The phases of a measurement with scripted participants: join, media, samples, every early end."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, TypeVar

import msgspec
import pytest

from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.latency import ends, measure
from sfukit.loadgen.latency.clock_messages import State
from sfukit.loadgen.latency.measure import Measured, Measurement
from sfukit.loadgen.latency.peer import OneProcess
from sfukit.loadgen.metrics.figures import Figures
from sfukit.loadgen.metrics.ledger import ExpectedTrack
from sfukit.loadgen.result.report import Target
from sfukit.loadgen.target_setup import OpenedTarget
from sfukit.loadgen.targets.base import JoinRefusedError
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import Command, LoadClip, Window
from tests.latency_run import Watcher, options

from ..test_conductor import FakeTarget, connect
from .test_samples import received, snapshot

Result = TypeVar("Result")
STREAM = 20
PUBLISHER, SUBSCRIBER = 0, 1  # indices of the bots
PER_SNAPSHOT = 10  # packets


class ScriptedSwarm(FakeSwarm):
    """Each snapshot has 10 packets more, as long as there is media."""

    def __init__(self) -> None:
        super().__init__()
        self.snapshots = 0
        self.media_ends_after = 1_000_000

    async def request(self, command: Command, result: type[Result]) -> Result:
        self.snapshots += 1
        packets = PER_SNAPSHOT * min(self.snapshots, self.media_ends_after)
        figures = snapshot(self.now_ns() / 1e9, received(packets_expected=packets, frames=packets))
        totals = msgspec.structs.replace(figures.totals, packets_received=packets)
        return msgspec.convert(msgspec.structs.replace(figures, totals=totals), result)


class ScriptedPeer(OneProcess):
    """The other end, which notes what it is told."""

    def __init__(self) -> None:
        self.told: list[State] = []
        self.closed = False

    def tell(self, state: State, rtt_pub_ms: float | None = None) -> None:
        self.told.append(state)

    async def close(self) -> None:
        self.closed = True


async def joins(participant: BotSession) -> None:
    """Connect; the subscriber receives a track with its first frame."""
    connect(participant)
    if participant.bot.index == SUBSCRIBER:
        receive(participant, first_frame=True)


def receive(participant: BotSession, *, first_frame: bool) -> None:
    publisher = participant.ledger.plan.bots[PUBLISHER]
    track = ExpectedTrack(participant.bot, publisher, "video", transport=2)
    participant.ledger.track_expected(STREAM, track)
    if first_frame:
        participant.swarm.report_first_frame(STREAM)  # type: ignore[attr-defined]


@dataclass
class Run:
    """One measurement of 4 intervals of 30 ms, with everything around it scripted."""

    on_join: Any = joins
    interval_s: float = 0.03
    join_timeout_s: float = 5.0
    here: ends.Ends = "both"
    on_sample: Callable[["Run"], None] = lambda run: None
    swarm: ScriptedSwarm = field(default_factory=ScriptedSwarm)
    peer: Any = field(default_factory=ScriptedPeer)
    server: Any = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    async def measured(self) -> Measured:
        given = options(duration_s=4 * self.interval_s, join_timeout_s=self.join_timeout_s)
        given = replace(given, interval_s=self.interval_s, ends=self.here)
        self.target = FakeTarget(self.on_join)
        self.watcher = Watcher(lambda sample: self.on_sample(self))
        described = Target(kind="sfukit", url="http://127.0.0.1:7080")
        opened = OpenedTarget(self.target, described, client=None, server=self.server)  # type: ignore[arg-type]
        plan = ends.plan(given, None)
        measurement = Measurement(
            given, plan, opened, self.swarm, self.peer, self.watcher, self.stop
        )
        async with asyncio.timeout(20):
            return await measurement.run()


@pytest.fixture(autouse=True)
def short_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measure, "_SETTLE_S", 0.02)
    monkeypatch.setattr(measure, "_STEP_S", 0.002)
    monkeypatch.setattr(measure, "_MAX_SILENCE_S", 0.05)
    monkeypatch.setattr(measure, "_EXIT_S", 0.01)


async def test_a_sample_per_interval_until_the_end_of_the_window() -> None:
    run = Run()
    measured = await run.measured()
    assert (measured.fault, measured.interrupted) == (None, False)
    assert measured.samples == run.watcher.samples
    assert [one.packets_received for one in measured.samples] == [PER_SNAPSHOT] * 4
    ends_at = [one.at_s for one in measured.samples]
    assert ends_at == sorted(ends_at)
    assert isinstance(measured.first, Figures) and isinstance(measured.last, Figures)
    assert measured.last.at_ns > measured.first.at_ns


async def test_clips_are_loaded_first_and_both_ends_leave() -> None:
    run = Run()
    await run.measured()
    assert isinstance(run.swarm.commands[0], LoadClip)
    [window] = run.swarm.of(Window)
    assert window.end_ns - window.start_ns == pytest.approx(4 * run.interval_s * 1e9)
    assert run.target.left == ["p1", "s1"]
    assert run.peer.closed
    assert run.peer.told == [State.MEDIA] * 5  # media arrives, then each sample


async def test_a_refused_join_names_its_end_and_the_remedy() -> None:
    async def refuses(participant: BotSession) -> None:
        if participant.bot.index == SUBSCRIBER:
            raise JoinRefusedError("token_missing", "a token is required")
        await joins(participant)

    run = Run(on_join=refuses)
    measured = await run.measured()
    assert measured.fault == TargetFault(
        "the subscriber could not join: a token is required (token_missing); "
        "give --token, or --api-key and --api-secret",
        stated_by_target=True,
    )
    assert measured.samples == [] and measured.first is None
    assert run.peer.told == [State.ENDED]


async def test_another_refusal_names_the_command_that_finds_its_step() -> None:
    async def refuses(participant: BotSession) -> None:
        raise JoinRefusedError("max_rooms", "enough")

    fault = (await Run(on_join=refuses).measured()).fault
    assert fault is not None
    assert fault.text == (
        "the publisher could not join: enough (max_rooms); sfukit check names the step that fails"
    )


@pytest.mark.parametrize(
    ("offered", "reason"),
    [
        (True, "no keyframe of the subscribed track arrived"),
        (False, "the target offered no track to the subscriber"),
    ],
)
async def test_without_media_it_ends_after_the_join_timeout(offered: bool, reason: str) -> None:
    async def silent(participant: BotSession) -> None:
        connect(participant)
        if participant.bot.index == SUBSCRIBER and offered:
            receive(participant, first_frame=False)

    measured = await Run(on_join=silent, join_timeout_s=0.2).measured()
    text = f"no media: both ends are connected, but {reason} within 0.2 s"
    assert measured.fault == TargetFault(text, stated_by_target=False)


async def test_media_that_stops_ends_the_measurement() -> None:
    run = Run()
    run.swarm.media_ends_after = 2
    measured = await run.measured()
    assert measured.fault == TargetFault(
        "media stopped: no packet arrived for 0.06 s", stated_by_target=False
    )
    assert [one.packets_received for one in measured.samples] == [PER_SNAPSHOT, 0, 0]


async def test_a_disconnect_in_the_window_is_a_fault_with_the_samples_so_far() -> None:
    run = Run(on_sample=lambda run: run.target.ends.set())
    measured = await run.measured()
    assert measured.fault == TargetFault(
        "the target disconnected the publisher: the connection broke", stated_by_target=True
    )
    assert len(measured.samples) in (1, 2)  # an interval that is more than half over counts


async def test_the_end_of_a_private_server_is_named_before_its_disconnects() -> None:
    server = SimpleNamespace(ended=None)

    def crash(run: Run) -> None:
        server.ended = "the private server (pid 7) ended by SIGKILL"
        run.target.ends.set()

    measured = await Run(on_sample=crash, server=server).measured()
    assert measured.fault == TargetFault(server.ended, stated_by_target=True)


async def test_an_interruption_keeps_the_samples_so_far() -> None:
    def stop(run: Run) -> None:
        if len(run.watcher.samples) == 2:
            run.stop.set()

    run = Run(on_sample=stop)
    measured = await run.measured()
    assert measured.interrupted
    assert measured.fault is None
    assert len(measured.samples) == 2
    assert run.target.left == ["p1", "s1"]


async def test_an_interruption_before_media_has_no_sample() -> None:
    run = Run()

    async def interrupted(participant: BotSession) -> None:
        run.stop.set()
        connect(participant)

    run.on_join = interrupted
    measured = await run.measured()
    assert (measured.interrupted, measured.fault, measured.samples) == (True, None, [])


async def test_the_other_end_that_stops_before_the_window_is_a_fault() -> None:
    class Gone(ScriptedPeer):
        finished = True

    measured = await Run(peer=Gone()).measured()
    assert measured.fault == TargetFault("the other end stopped before the window", False)


async def test_the_other_end_that_is_not_reached_is_a_fault_before_any_join() -> None:
    class Absent(ScriptedPeer):
        may_join = False
        fault = TargetFault("no answer of the other end", False)  # type: ignore[assignment]

    run = Run(peer=Absent())
    measured = await run.measured()
    assert measured.fault == Absent.fault
    assert run.target.left == []


async def test_a_publisher_alone_waits_for_no_track() -> None:
    run = Run(here="publish", on_sample=lambda run: run.stop.set())
    measured = await run.measured()
    assert len(measured.samples) == 1
    assert measured.samples[0].bitrate_in is None
    assert run.target.left == ["p1"]
