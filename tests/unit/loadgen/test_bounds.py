"""What a target can fill has a bound: each public method is fed 100,000 fresh names."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from sfukit.loadgen.bots.connections import BotTransports, PublishTransport, ReceiveTransport
from sfukit.loadgen.bots.session import BotSession
from sfukit.loadgen.metrics.ledger import ExpectedTrack, Ledger
from sfukit.loadgen.targets.room_client import RoomClient
from sfukit.signaling.descriptions import MediaLine, RemoteTransport
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import Command, EncodingChanged, FirstFrame, TransportState

from .test_room_client import Room

pytestmark = pytest.mark.computes

NAMES = 100_000
MOST_HELD = 2_000
LONG = "x" * 1_000


class Forgetful(FakeSwarm):
    """A swarm that keeps no commands."""

    def send(self, commands: Sequence[Command]) -> None:
        return None


def held(*roots: object) -> int:
    """Count what lies in the containers of these objects, and the length of its texts."""
    total, seen, waiting = 0, set(), list(roots)
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str | bytes):
            total += len(one) // 100
        elif isinstance(one, dict):
            total += len(one)
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list | tuple | set | frozenset) or hasattr(one, "maxlen"):
            total += len(one)
            waiting += one
        elif isinstance(one, HELD):
            kept = {name: part for name, part in vars(one).items() if name not in OUTSIDE}
            waiting += kept.values()
    return total


OUTSIDE = ("plan", "swarm", "media", "_offered", "_planned")
HELD = RoomClient | BotSession | Ledger | BotTransports | PublishTransport | ReceiveTransport


@pytest.fixture
async def room() -> Room:
    """Make a bot that has joined, and whose swarm keeps nothing."""
    made = Room()
    await made.join()
    made.bot_session._transports.swarm = Forgetful()
    made.ledger.backed_off(made.plan.bots[0], 1.0)
    return made


def notification(method: str, **params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": params}).encode()


FRAMES: dict[str, Callable[[int], bytes]] = {
    "publications of a participant": lambda n: notification(
        "publication-added", uid="p2", publication=100 + n, kind="audio"
    ),
    "participants": lambda n: notification(
        "publication-added", uid=f"u{n}", publication=n, kind="audio"
    ),
    "reasons of switches": lambda n: notification(
        "layer-switch", publication=n, reason=f"{n}{LONG}", wait_ms=1.0, **{"from": "q", "to": "h"}
    ),
    "encodings": lambda n: notification("encodings", publication=n, rids=[f"r{n}"]),
    "methods": lambda n: notification(f"method-{n}", name=n),
    "offers that cannot be read": lambda n: notification(
        "offer", type="offer", sdp=f"{n}", version=n, tracks=[]
    ),
    "answers to nothing": lambda n: json.dumps({"id": 10**6 + n, "result": {}}).encode(),
    "refusals of nothing": lambda n: json.dumps(
        {"id": 10**6 + n, "error": {"code": n, "message": LONG, "data": {"reason": f"r{n}"}}}
    ).encode(),
}


@pytest.mark.parametrize("names", FRAMES)
async def test_frames_of_a_room(room: Room, names: str) -> None:
    switches = room.ledger.switch_waits_ms
    for number in range(NAMES):
        await room.client.receive(FRAMES[names](number))
    room.client.take_rate_limited()
    assert held(room.client, room.bot_session, room.ledger) - len(switches) < MOST_HELD
    assert len(switches) <= NAMES


async def test_publications_that_end_make_room_for_others(room: Room) -> None:
    for number in range(1_000):
        params = {"uid": "p2", "publication": number}
        assert await room.client.receive(notification("publication-added", kind="audio", **params))
        await room.client.receive(notification("publication-removed", reason="x", **params))
    assert room.ledger.faults == []


async def test_requests_that_the_rate_limit_refuses_again_and_again(room: Room) -> None:
    requests = [await room.client.join_request()]
    for number in range(10_000):
        request = json.loads(requests.pop())
        error = {"code": -32008, "message": "", "data": {"reason": "rate_limited"}}
        await room.client.receive(json.dumps({"id": request["id"], "error": error}).encode())
        room.client.take_rate_limited()
        added = notification("publication-added", uid="p2", publication=number, kind="audio")
        await room.client.receive(
            notification("publication-removed", uid="p2", publication=number - 1)
        )
        requests.append(await room.client.receive(added) or b"")
    assert held(room.client) < MOST_HELD


def line(number: int) -> MediaLine:
    return MediaLine(
        mid=f"m{number}",
        kind="audio",
        codec="opus",
        clock_rate=48_000,
        payload_type=111,
        rtx_payload_type=None,
        extensions={},
        ssrc=number + 1,
        rtx_ssrc=None,
        feedback=(),
    )


async def test_tracks_that_are_offered_without_end(room: Room) -> None:
    connection = room.bot_session.subscriber()
    peer = RemoteTransport("u", "p", ["sha-256 AB"], [("192.0.2.1", 1)], True)
    for first in range(0, NAMES, 64):
        lines = [line(first + each) for each in range(64)]
        connection.receive(peer, lines, {})
    assert held(connection, room.bot_session, room.ledger) < MOST_HELD
    assert [fault.code for fault in room.ledger.faults] == ["too_many_tracks"]


LEDGER: dict[str, Callable[[Room, int], None]] = {
    "fault": lambda room, n: room.ledger.fault(f"c{n}{LONG}", f"m{n}", room.plan.bots[0]),
    "failed": lambda room, n: room.ledger.failed(room.plan.bots[1], f"c{n}{LONG}", LONG),
    "lost": lambda room, n: room.ledger.lost(room.plan.bots[n % 3], f"r{n}{LONG}"),
    "held_back": lambda room, n: room.ledger.backed_off(room.plan.bots[0], float(n)),
    "signalled": lambda room, n: room.ledger.signalled(room.plan.bots[0], n),
    "switched": lambda room, n: room.ledger.switched(f"r{n}", 1.0),
    "transport": lambda room, n: room.ledger.on_event(
        TransportState(
            transport=10**6 + n,
            state="failed",
            reason=f"r{n}",
            srtp_profile=None,
            ice_ms=None,
            dtls_ms=None,
            at_ns=n,
        )
    ),
}


@pytest.mark.parametrize("method", LEDGER)
async def test_methods_of_the_ledger(room: Room, method: str) -> None:
    for bot in room.plan.bots[1:]:
        room.ledger.scheduled(bot, 0)
    for number in range(NAMES):
        LEDGER[method](room, number)
    assert held(room.ledger) - len(room.ledger.switch_waits_ms) < MOST_HELD


async def test_switches_of_one_stream(room: Room) -> None:
    room.ledger.track_expected(7, ExpectedTrack(room.plan.bots[0], None, "video", 1))
    room.ledger.on_event(FirstFrame(stream=7, at_ns=0))
    for number in range(NAMES):
        room.ledger.on_event(EncodingChanged(stream=7, encoding_index=number % 3, at_ns=number))
    assert len(room.ledger.changes[7]) == 10_000
    assert room.ledger.changes_within(7, NAMES - 50, NAMES) == 50
