"""Names chosen by clients leave no state in the server, however many."""

import contextlib
import gc
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import pytest
import structlog

from sfukit.server.access import Rights
from sfukit.server.mock_engine import MockEngine
from sfukit.server.native_messages import Command, RoomStats
from sfukit.server.server_context import ServerContext
from sfukit.server.settings import Timing
from sfukit.server.whep_viewer import choose_publisher
from sfukit.signaling.jsonrpc import RpcError
from sfukit.signaling.refusal import Refusal
from tests.unit.server.stage import UNLIMITED
from tests.unit.server.virtual import Peer, Timers, offer, virtual_context
from tests.unit.signaling.descriptions import audio, offer_of, video

pytestmark = pytest.mark.computes

CALLS = 100_000
ROOMS = 1_000  # the limit of empty rooms, each with three entries: name, number, idle timer
ROOM_CALLS = 5 * ROOMS  # a leak of one entry per call would exceed the entries of the rooms
SDP_CALLS = 2_000  # a leak of one entry per call would exceed the bound
SMALLEST = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
_PASSED = (type, ModuleType, FunctionType, BuiltinFunctionType, Timers)


class Forgetful(MockEngine):
    """A mock engine that does not record commands."""

    def _execute(self, command: Command) -> Any:
        outcome = super()._execute(command)
        self.commands.clear()
        return outcome


def entries(*roots: object) -> int:
    """Return the number of entries of all containers reachable from ``roots``."""
    seen: set[int] = set()
    waiting, total = list(roots), 0
    while waiting:
        entry = waiting.pop()
        if id(entry) in seen or isinstance(entry, _PASSED):
            continue
        seen.add(id(entry))
        if isinstance(entry, dict | list | set | deque | OrderedDict):
            total += len(entry)
        waiting += gc.get_referents(entry)
    return total


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    yield
    structlog.reset_defaults()


def context_and_peer() -> tuple[ServerContext, Timers, Peer]:
    engine = Forgetful()
    engine.results[RoomStats] = b"{}"
    patient = Timing(negotiation_s=1e9)
    context, timers = virtual_context(engine, limits=UNLIMITED, timing=patient)
    return context, timers, Peer(context)


async def grown(
    context: ServerContext,
    timers: Timers,
    call: Callable[[int], Awaitable[object]],
    count: int,
    *roots: object,
) -> int:
    """Return the number of entries that calls added after a warm-up of a hundred."""

    def settle() -> None:
        timers.advance(0.1)
        for root in roots:
            if isinstance(root, Peer):
                root.channel.messages.clear()

    before = 0
    for number in range(count):
        with contextlib.suppress(Refusal, RpcError):
            await call(number)
        if number % 100 == 0:
            settle()
        if number == 100:
            before = entries(context, *roots)
    settle()
    return entries(context, *roots) - before


PARAMETERS: dict[str, Callable[[int], dict[str, Any]]] = {
    "answer": lambda n: {"desc": {"type": "answer", "sdp": SMALLEST}, "version": n},
    "trickle": lambda n: {
        "target": 0,
        "candidate": {"candidate": f"candidate:{n} 1 udp 1 192.0.2.1 {n % 65535} typ host"},
    },
    "subscribe": lambda n: {"publications": [10**9 + n], "layer": f"layer{n}"},
    "unsubscribe": lambda n: {"publications": [10**9 + n, -n]},
    "layers": lambda n: {"publication": 10**9 + n, "layer": f"layer{n}"},
    "mute": lambda n: {"publication": 10**9 + n, "muted": bool(n % 2)},
    "message": lambda n: {"data": n, "to": f"uid{n}", "topic": f"topic{n}"},
    "stats": lambda n: {"what": n},
    "leave": lambda n: {"why": f"reason{n}"},
    "join": lambda n: {"sid": f"room{n}", "uid": f"uid{n}", "name": f"name{n}"},
    "offer": lambda n: {"desc": {"type": "offer", "sdp": SMALLEST}, "sources": {f"{n}": f"s{n}"}},
}


@pytest.mark.parametrize("method", sorted(PARAMETERS))
async def test_fresh_names_in_every_method_leave_no_state(method: str) -> None:
    context, timers, peer = context_and_peer()
    other = Peer(context)
    speaker = Peer(context)
    await speaker.call("join", sid="demo", uid="ann", offer=offer(offer_of(audio(), video())))
    await other.call("join", sid="demo", uid="bob")
    await peer.call("join", sid="demo", uid="eve")

    async def call(number: int) -> None:
        if method == "join":
            await peer.call("leave")
        await peer.call(method, **PARAMETERS[method](number))

    idle_rooms = 3 * ROOMS if method == "join" else 0
    count = ROOM_CALLS if method == "join" else CALLS
    assert await grown(context, timers, call, count, peer, other, speaker) <= idle_rooms + 50
    here = context.rooms.find("demo")
    assert here is not None
    assert {"ann", "bob"} <= set(here.participants)
    assert ("eve" in here.participants) is (method not in ("join", "leave"))


async def test_an_unknown_method_leaves_no_state() -> None:
    context, timers, peer = context_and_peer()
    growth = await grown(context, timers, lambda n: peer.call(f"method{n}"), CALLS, peer)
    assert growth <= 50


async def test_repeated_mutes_leave_a_bounded_number_of_announcements() -> None:
    context, timers, peer = context_and_peer()
    joined = await peer.call("join", sid="demo", offer=offer(offer_of(audio())))
    number = joined.publications[0].publication

    async def call(n: int) -> None:
        await peer.call("mute", publication=number, muted=bool(n % 2))

    assert await grown(context, timers, call, CALLS, peer) <= 50
    room = context.rooms.find("demo")
    assert room is not None
    for number_of_calls in range(2_000):
        await call(number_of_calls + 1)
        assert len(room._announcements) <= 500


async def test_renegotiations_with_fresh_names_leave_no_state() -> None:
    context, timers, peer = context_and_peer()
    other = Peer(context)
    await other.call("join", sid="demo", uid="bob")
    await peer.call("join", sid="demo", uid="eve")

    async def call(n: int) -> None:
        fingerprint = "sha-256 " + ":".join([f"{n % 256:02X}", f"{n // 256:02X}"] * 16)
        lines = video("H264/90000", f"profile-level-id=42{n % 256:02x}{n // 256:02x}")
        text = offer_of(
            f"{lines}a=msid:stream{n} track{n}\r\na=ssrc:{n + 1} cname:c{n}\r\n",
            fingerprint=fingerprint if n % 2 else "sha-256 " + ":".join(["AB"] * 32),
            ufrag=f"uf{n:06d}",
        ).replace("a=mid:0", f"a=mid:m{n}")
        await peer.call("offer", desc=offer(text.replace("BUNDLE 0", f"BUNDLE m{n}")))

    assert await grown(context, timers, call, SDP_CALLS, peer, other) <= 50


async def test_rooms_and_sessions_with_fresh_names_are_bounded() -> None:
    context, timers, _ = context_and_peer()

    async def enter(n: int) -> None:
        participant, _ = context.rooms.join(f"room{n}", Rights(identity=f"u{n}"), protocol="whip")
        participant.leave("left")

    assert await grown(context, timers, enter, ROOM_CALLS) <= 3 * ROOMS
    assert len(list(context.rooms)) == ROOMS
    timers.advance(61)
    assert not context.rooms.any

    async def look(n: int) -> None:
        choose_publisher(context.rooms.find(f"other{n}"), f"uid{n}")

    async def find(n: int) -> None:
        context.sessions.delete(f"session{n}")

    for call in (look, find):
        assert await grown(context, timers, call, CALLS) <= 50


async def test_a_full_command_backlog_refuses_joins() -> None:
    context, _, peer = context_and_peer()
    joined = await peer.call("join", sid="demo", offer=offer(offer_of(audio())))
    context.engine.backlog = 1_001  # type: ignore[misc]
    number = joined.publications[0].publication
    for method, params in (
        ("mute", {"publication": number, "muted": True}),
        ("layers", {"publication": number, "layer": 0}),
    ):
        with pytest.raises(Refusal, match="overloaded"):
            await peer.call(method, **params)
    with pytest.raises(Refusal, match="overloaded"):
        await Peer(context).call("join", sid="other")
    with pytest.raises(Refusal, match="overloaded"):
        context.rooms.join("other", Rights(), protocol="whip")
    assert len(list(context.rooms)) == 1
    await peer.call("leave")
