"""One client of a signaling load, with a clock of the test."""

import json
from typing import Any

import pytest

from sfukit.loadgen.signaling_load.client import Client
from sfukit.loadgen.signaling_load.recorder import Recorder
from sfukit.loadgen.signaling_load.schedule import Kind, Operation
from sfukit.signaling import sdp

START_S = 100.0


class World:
    """A client, what it sent, and the time."""

    def __init__(self, window_s: float = 0.0) -> None:
        self.now_s = START_S
        self.sent: list[dict[str, Any]] = []
        self.recorder = Recorder(window_s)
        self.recorder.window_begins_s = START_S + window_s
        self.client = Client(3, "r", self.recorder, lambda: self.now_s)
        self.client.send = lambda frame: self.sent.append(json.loads(frame))
        self.client.start_s = START_S
        self.client.prepare()

    def perform(self, kind: Kind, due_s: float, number: int = 1) -> None:
        """Let an operation become due, when it is due or later."""
        self.now_s = max(self.now_s, START_S + due_s)
        operation = Operation(number, due_s, kind, 3)
        self.recorder.started(operation, self.now_s - START_S - due_s)
        self.client.perform(operation)

    def respond(self, result: Any = None, after_s: float = 0.0, request: int = -1) -> None:
        """Answer a request, by default the last one."""
        self.now_s += after_s
        self.receive({"id": self.sent[request]["id"], "result": result or {}})

    def receive(self, message: Any) -> None:
        """Let a message of the server arrive."""
        self.client.receive(json.dumps(message).encode())

    def join(self) -> None:
        """Join beside a publisher."""
        self.perform("join", 0.0, 0)
        video = {"publication": 8, "kind": "video"}
        self.respond({"participants": [{"publications": [video]}]})

    @property
    def methods(self) -> list[str]:
        """The methods of the requests so far."""
        return [one["method"] for one in self.sent]


@pytest.fixture
def world() -> World:
    return World()


def test_a_late_operation_counts_from_its_planned_time(world: World) -> None:
    world.perform("join", 0.0, 0)
    world.perform("message", 1.0)  # the join has no response yet
    assert world.methods == ["join"]
    world.now_s = START_S + 5.0
    world.respond({"participants": []}, request=0)
    assert world.methods == ["join", "message"]
    world.respond({"delivered": 0}, after_s=0.25)
    (latency_ms,) = world.recorder.latencies_ms["message_ms"]
    assert latency_ms == pytest.approx(4_250)  # a timer that starts at the request says 250


def test_a_late_load_generator_is_not_hidden(world: World) -> None:
    world.now_s = START_S + 0.5
    world.perform("join", 0.0, 0)
    world.respond({"participants": []}, after_s=0.1)
    assert list(world.recorder.latencies_ms["join_ms"]) == [pytest.approx(600)]
    assert list(world.recorder.lag_ms) == [pytest.approx(500)]


def test_deliveries_count_from_the_planned_time_of_their_message(world: World) -> None:
    world.join()
    world.perform("message", 1.0, 7)
    world.now_s = START_S + 1.25
    for _ in range(3):
        params = {"from": "c3", "topic": "chat", "data": {"number": 7}}
        world.receive([{"method": "message", "params": params}])
    world.respond({"delivered": 4})
    assert world.recorder.outstanding_deliveries == 1
    assert list(world.recorder.latencies_ms["delivery_ms"]) == [pytest.approx(250)] * 3
    world.receive({"method": "message", "params": {"data": {"number": 7}}})
    world.receive({"method": "message", "params": {"data": {"number": 7}}})  # one too many
    world.receive({"method": "message", "params": {"data": {"number": 99}}})
    assert (world.recorder.deliveries, world.recorder.outstanding_deliveries) == (4, 0)


def test_a_layer_request_waits_for_a_publication(world: World) -> None:
    world.perform("join", 0.0, 0)
    world.respond({"participants": []})
    world.perform("layer", 1.0)
    assert world.methods == ["join"]
    added = {"uid": "c4", "publication": 9, "kind": "video"}
    world.receive({"method": "publication-added", "params": added})
    assert world.sent[-1]["method"] == "layers"
    assert world.sent[-1]["params"] == {"publication": 9, "layer": 0}


def test_offers_are_sdp_and_every_second_stops_the_audio(world: World) -> None:
    world.join()
    world.perform("reoffer", 1.0)
    offers = [sdp.parse(world.sent[0]["params"]["offer"]["sdp"])]
    offers.append(sdp.parse(world.sent[1]["params"]["desc"]["sdp"]))
    directions = [[media.direction for media in offer.media] for offer in offers]
    assert directions == [["sendonly", "sendonly"], ["inactive", "sendonly"]]
    assert offers[0].media[1].simulcast == {"send": ["q", "h", "f"]}


def test_operations_after_a_refused_join_are_not_lost(world: World) -> None:
    world.perform("join", 0.0, 0)
    world.perform("message", 1.0)
    error = {"code": -32008, "message": "too many", "data": {"reason": "rate_limited"}}
    world.receive({"id": world.sent[0]["id"], "error": error})
    world.perform("leave", 2.0)
    assert world.methods == ["join"]
    assert {fault.code: fault.count for fault in world.recorder.faults} == {
        "rate_limited": 1,
        "not_joined": 2,
    }
    assert world.recorder.rate_limited == 1
    assert (world.recorder.planned, world.recorder.answered) == (3, 0)
    world.perform("join", 3.0)
    assert world.methods == ["join", "join"]


def test_the_end_of_the_connection_fails_what_is_outstanding(world: World) -> None:
    world.perform("join", 0.0, 0)
    world.perform("message", 1.0)
    world.receive({"method": "bye", "params": {"reason": "server_stopped"}})
    world.client.end("connection lost")
    world.perform("layer", 2.0)
    (fault,) = world.recorder.faults
    assert (fault.code, fault.message, fault.count) == ("connection_lost", "server_stopped", 3)


def test_warm_up_is_in_no_figure() -> None:
    world = World(window_s=10.0)
    world.join()
    assert world.recorder.planned == world.recorder.answered == 0
    assert not world.recorder.latencies_ms["join_ms"]


def test_memory_is_bounded_when_the_server_never_answers(world: World) -> None:
    for number in range(3_000):
        world.perform("message" if number else "join", number / 1000, number)
    assert world.client.unanswered <= 1_001
    assert world.recorder.faults[0].code == "overdue"
