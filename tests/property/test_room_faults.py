"""A room in which some members fail at every callback: the others go on, and it closes."""

import asyncio
from typing import Any

import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sfukit.server.access import Rights
from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import Command, TransportState
from sfukit.server.participant import Participant
from sfukit.server.settings import Timing, Turn
from sfukit.server.whep_counter_offer import REASONS
from sfukit.server.whep_viewer import WhepViewer, choose_publisher
from sfukit.signaling import sdp
from sfukit.signaling.refusal import Refusal
from tests.unit.server.virtual import Channel, Peer, offer, virtual_context
from tests.unit.signaling.descriptions import answer_to, audio, offer_of, text_of, video

MEMBERS = 5
FAULTY = (0, 1)
POINTS = ("notify", "send", "close", "engine", "offers", "timer", "viewer")
OFFERS = [
    offer_of(audio(), video()),
    offer_of(video("VP9/90000", "profile-id=0"), video("VP9/90000", "profile-id=2")),
    *[
        offer_of(*[video("H264/90000", f"profile-level-id=42{n:02x}{k:02x}") for k in range(8)])
        for n in (0, 0xE0)
    ],
    offer_of(audio(), ufrag="efgh"),
]
VIEWER = text_of("chromium-viewer-offer")
OTHER_VIEWER = offer_of(video("AV1/90000", direction="recvonly"))
TURN = Turn(("turn:turn.example",), "the secret of the TURN server", ttl_s=60)


class InjectedError(Exception):
    """A fault of ours, as one callback would have it."""


class FaultyChannel(Channel):
    """A channel that breaks where the test says."""

    def __init__(self, points: frozenset[str]) -> None:
        super().__init__()
        self.points = points

    def notify(self, method: str, params: Any) -> None:
        self._fail("notify")
        super().notify(method, params)

    def send(self, message: bytes) -> None:
        self._fail("send")
        super().send(message)

    def close(self, reason: str) -> None:
        self._fail("close")
        super().close(reason)

    def _fail(self, point: str) -> None:
        if point in self.points:
            raise InjectedError(point)


class FaultyEngine(MockEngine):
    """An engine that fails while it is handed the commands of a faulty transport."""

    def __init__(self) -> None:
        super().__init__()
        self.faulty: set[int] = set()

    def send(self, worker: int, commands: Any) -> None:
        if any(getattr(command, "transport", None) in self.faulty for command in commands):
            raise InjectedError("engine")
        super().send(worker, commands)

    def _execute(self, command: Command) -> Any:
        self.commands.clear()
        return super()._execute(command)


class World:
    """A server, its members and what they may expect."""

    def __init__(self, points: frozenset[str]) -> None:
        self.points = points
        self.engine = FaultyEngine()
        timing = Timing(room_idle_s=60, negotiation_s=30, debounce_s=0.05)
        self.context, self.timers = virtual_context(self.engine, timing=timing, turn=TURN)
        self.peers: dict[int, Peer] = {}
        self.viewers: list[WhepViewer] = []
        self.countered: list[tuple[WhepViewer, str]] = []

    def participant(self, member: int) -> Participant | None:
        peer = self.peers.get(member)
        found = peer.methods.participant if peer is not None else None
        return found if found is not None and found.leave_reason is None else None

    async def attempt(self, member: int, method: str, **params: Any) -> None:
        """Call; only those that fail themselves may see a failure."""
        try:
            await self.peers[member].call(method, **params)
        except Refusal as refusal:
            assert refusal.reason in (
                "not_joined",
                "not_live",
                "stale_offer",
                "no_offer_outstanding",
                "internal_error",
            ), refusal
        except InjectedError:
            assert member in FAULTY, f"member {member} suffered for another's fault"

    async def join(self, member: int, text: str | None) -> None:
        if self.participant(member) is not None:
            return
        faulty = member in FAULTY
        self.peers[member] = Peer(self.context, FaultyChannel(self.points) if faulty else Channel())
        params = {} if text is None else {"offer": offer(text)}
        await self.attempt(member, "join", sid="demo", uid=f"m{member}", **params)
        joined = self.participant(member)
        if faulty and joined is not None:
            self._break(joined)

    async def answer(self, member: int) -> None:
        peer = self.peers.get(member)
        if peer is None or not (offers := peer.channel.take("offer")):
            return
        text = answer_to(offers[-1]["sdp"])
        await self.attempt(
            member, "answer", desc={"type": "answer", "sdp": text}, version=offers[-1]["version"]
        )

    async def view(self, offered: str, *, faulty: bool) -> None:
        try:
            room, publisher = choose_publisher(self.context.rooms.find("demo"), None)
        except Refusal:
            return
        viewer = WhepViewer(self.context.core, room, publisher, None, Rights(), trace_id="")
        self.viewers.append(viewer)
        try:
            viewer.negotiate(sdp.parse(offered))
        except Refusal as refusal:
            assert refusal.reason in REASONS
            self.countered.append((viewer, viewer.counter_offer(refusal)))
            self.context.rooms.admit_viewer(room, viewer)
        else:
            self.context.rooms.admit_viewer(room, viewer)
            await viewer.start()
        if faulty and "viewer" in self.points:
            self._replace(viewer, "on_leaving", "on_unpublished")

    async def answer_counter_offers(self) -> None:
        countered, self.countered = self.countered, []
        for viewer, text in countered:
            try:
                await viewer.answer(sdp.parse(answer_to(text)))
            except Refusal as refusal:
                assert refusal.reason in ("not_live", "session_unknown")
            else:
                assert viewer.subscriptions

    def hear(self, member: int, state: Any) -> None:
        """An event of the engine about a member's subscribe transport."""
        joined = self.participant(member)
        if joined is not None and joined.subscribe_connection is not None:
            self.engine.emit(TransportState(joined.subscribe_connection.transport, state))

    def check(self) -> None:
        """Members without a fault receive, or were told that they do not, all that is there."""
        room = self.context.rooms.find("demo")
        if room is None:
            return
        for member in range(len(FAULTY), MEMBERS):
            joined = self.participant(member)
            if joined is None or joined.subscribe_connection is None:
                continue
            assert room.participants[joined.uid] is joined
            have = set(joined.subscribe_connection.subscriptions) | set(
                joined.subscribe_connection._waiting
            )
            others = {
                entry.number for entry in room.publications.values() if entry.owner is not joined
            }
            kinds = [entry.publication.kind for entry in joined.subscriptions]
            crowded = max(map(kinds.count, ("audio", "video"))) >= 25
            assert have <= others if crowded else have == others
        for publication in room.publications.values():
            assert room.participants.get(publication.owner.uid) is publication.owner

    def _break(self, joined: Participant) -> None:
        if "engine" in self.points and joined.subscribe_connection is not None:
            self.engine.faulty.add(joined.subscribe_connection.transport)
        if "offers" in self.points and joined.subscribe_connection is not None:
            self._replace(
                joined.subscribe_connection._offers, "add", "remove", "has_capacity", "offer"
            )
        if "timer" in self.points:
            self._replace(joined, "on_negotiation_timeout")

    @staticmethod
    def _replace(owner: object, *names: str) -> None:
        def fail(*_: object) -> None:
            raise InjectedError

        for name in names:
            setattr(owner, name, fail)


ACTION = st.one_of(
    st.tuples(st.just("join"), st.integers(0, MEMBERS - 1), st.none() | st.sampled_from(OFFERS)),
    st.tuples(st.just("offer"), st.integers(0, MEMBERS - 1), st.sampled_from(OFFERS)),
    st.tuples(
        st.sampled_from(
            [
                *("answer", "answer", "leave", "lost", "message", "connected", "failed", "mute"),
                *("view", "view-other", "answer-view"),
            ]
        ),
        st.integers(0, MEMBERS - 1),
        st.none(),
    ),
    st.tuples(st.just("wait"), st.sampled_from([0.06, 1, 40]), st.none()),
)


async def act(world: World, action: str, member: Any, text: str | None) -> None:
    if action == "wait":
        world.timers.advance(member)
    elif action == "join":
        await world.join(member, text)
    elif action == "answer":
        await world.answer(member)
    elif action in ("view", "view-other"):
        offered = VIEWER if action == "view" else OTHER_VIEWER
        await world.view(offered, faulty=member in FAULTY)
    elif action == "answer-view":
        await world.answer_counter_offers()
    elif action in ("connected", "failed"):
        world.hear(member, action)
    elif member not in world.peers:
        return
    elif action == "offer":
        assert text is not None
        await world.attempt(member, "offer", desc=offer(text))
    elif action == "message":
        await world.attempt(member, "message", data=1)
    elif action == "leave":
        await world.attempt(member, "leave")
    elif action == "lost":
        world.peers[member].methods.on_disconnect("connection_lost")
    elif (joined := world.participant(member)) is not None:
        for number in list(joined.publications):
            await world.attempt(member, "mute", publication=number, muted=True)


async def run(points: frozenset[str], actions: list[tuple[str, Any, str | None]]) -> None:
    world = World(points)
    for action in actions:
        await act(world, *action)
        world.check()
    for peer in world.peers.values():
        peer.methods.on_disconnect("connection_lost")
    for viewer in world.viewers:
        viewer.leave("left")
    world.timers.advance(61)
    core = world.context.core
    assert not world.context.rooms.any
    assert not (core.transports or core.publications or core.subscriptions)
    assert len(world.timers) == 0
    assert all(isinstance(error, InjectedError) for error in world.timers.failures)


@example(
    points=frozenset(["notify"]),
    actions=[("join", 2, OFFERS[0]), ("view", 2, None), ("offer", 2, OFFERS[1])],
)
@example(
    points=frozenset(["viewer"]),
    actions=[("join", 2, OFFERS[0]), ("view-other", 2, None), ("answer-view", 2, None)],
)
@example(
    points=frozenset(["viewer"]),
    actions=[
        ("join", 2, OFFERS[0]),
        ("view-other", 2, None),
        ("wait", 40, None),
        ("answer-view", 2, None),
    ],
)
@settings(max_examples=300, deadline=None)
@given(
    points=st.frozensets(st.sampled_from(POINTS), min_size=1),
    actions=st.lists(ACTION, max_size=30),
)
def test_whichever_member_fails_the_others_go_on_and_an_emptied_room_closes(
    points: frozenset[str], actions: list[tuple[str, Any, str | None]]
) -> None:
    with structlog.testing.capture_logs():
        asyncio.run(run(points, actions))
