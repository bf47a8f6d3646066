"""The two ends: what each waits for, and when the other one is given up. On virtual time."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from sfukit.loadgen.latency.clock_exchange import Responder
from sfukit.loadgen.latency.clock_messages import Kind, Message, State
from sfukit.loadgen.latency.clock_offset import Exchange
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.peer import PublisherElsewhere, SubscriberElsewhere
from sfukit.loadgen.latency.peer_address import PeerAddress
from sfukit.swarm.fake import FakeSwarm
from sfukit.swarm.messages import FrameClock
from tests.latency_run import options

S, MS = 1_000_000_000, 1_000_000
ADDRESS = PeerAddress("192.0.2.1", 7099)


class ClockedSwarm(FakeSwarm):
    """A swarm whose clock the test sets."""

    now = 1_000 * S

    def now_ns(self) -> int:
        return self.now


class Transport:
    """A socket that is bound."""

    def get_extra_info(self, _name: str) -> tuple[str, int]:
        return ADDRESS

    def close(self) -> None:
        """Close nothing."""


@pytest.fixture
def swarm() -> Iterator[ClockedSwarm]:
    yield ClockedSwarm()


def given() -> LatencyOptions:
    return replace(options(), peer=ADDRESS, peer_token="a common token", peer_timeout_s=60.0)


def response(state: State = State.MEDIA, **fields: Any) -> Message:
    return Message(kind=Kind.RESPONSE, state=state, nonce=bytes(16), t1_ns=0, **fields)


def test_a_subscriber_joins_once_the_publisher_sends(swarm: ClockedSwarm) -> None:
    peer = PublisherElsewhere(given(), swarm)
    assert not peer.may_join
    exchange = Exchange(swarm.now - 2 * MS, 5 * S, 5 * S, swarm.now)
    peer.on_response(exchange, response(State.JOINING))
    assert not peer.may_join
    peer.on_response(exchange, response(rtt_us=40_500))
    assert peer.may_join
    assert peer.rtt_pub_ms == 40.5
    assert peer.uncertainty_ms == 1.0


def test_frames_are_corrected_by_the_best_exchange(swarm: ClockedSwarm) -> None:
    peer = PublisherElsewhere(given(), swarm)
    peer.on_response(Exchange(swarm.now - 2 * MS, 5 * S, 5 * S, swarm.now), response())
    swarm.now += S
    peer.on_response(Exchange(swarm.now - 90 * MS, 6 * S, 6 * S, swarm.now), response())
    offset_ns = 5 * S - (1_000 * S - MS)
    assert swarm.of(FrameClock) == [FrameClock(offset_ns=offset_ns)] * 2
    clock = peer.clock(1.5, frames_early=0)
    assert clock is not None
    assert (clock.uncertainty_ms, clock.min_rtt_ms, clock.exchanges) == (1.5, 2.0, 2)
    assert clock.drift_ppm is None


def test_a_publisher_that_does_not_come_is_given_up(swarm: ClockedSwarm) -> None:
    peer = PublisherElsewhere(given(), swarm)
    swarm.now += 59 * S
    assert peer.fault is None
    assert peer.clock(0.0, frames_early=0) is None
    swarm.now += S
    fault = peer.fault
    assert fault is not None
    assert fault.text.startswith("the publisher's end did not come to 192.0.2.1:7099 within 60 s")
    assert "--peer-token" in fault.text


def test_a_publisher_that_goes_is_named(swarm: ClockedSwarm) -> None:
    peer = PublisherElsewhere(given(), swarm)
    exchange = Exchange(swarm.now - 2 * MS, 5 * S, 5 * S, swarm.now)
    peer.on_response(exchange, response())
    swarm.now += 10 * S
    assert peer.fault is None
    swarm.now += S
    assert peer.fault is not None and "does not answer any more" in peer.fault.text
    peer.on_response(exchange, response(State.ENDED))
    assert peer.fault is not None and peer.fault.text == "the publisher's end has ended"


class Publishing:
    """The publisher's end, and the states that the subscriber's end sends."""

    def __init__(self, swarm: ClockedSwarm) -> None:
        self.swarm = swarm
        self.responder = Responder(b"key", swarm.now_ns, swarm.now_ns)
        self.peer = SubscriberElsewhere(given(), swarm, self.responder, Transport())  # type: ignore[arg-type]

    def hears(self, state: State) -> None:
        self.responder.seen, self.responder.seen_at_ns = state, self.swarm.now


def test_a_publisher_measures_while_the_subscriber_does(swarm: ClockedSwarm) -> None:
    end = Publishing(swarm)
    end.hears(State.JOINING)
    assert (end.peer.may_measure, end.peer.finished) == (False, False)
    end.hears(State.MEDIA)
    assert (end.peer.may_measure, end.peer.finished) == (True, False)
    end.hears(State.ENDED)
    assert (end.peer.may_measure, end.peer.finished) == (True, True)


def test_a_subscriber_that_is_silent_or_never_comes_ends_the_publisher(
    swarm: ClockedSwarm,
) -> None:
    end = Publishing(swarm)
    swarm.now += 60 * S
    assert end.peer.fault is not None
    assert end.peer.fault.text.startswith("the subscriber's end did not come to 192.0.2.1:7099")
    assert not end.peer.finished
    end.hears(State.MEDIA)
    assert end.peer.fault is None
    swarm.now += 10 * S + 1
    assert end.peer.finished


def test_the_round_trip_of_the_publisher_is_told(swarm: ClockedSwarm) -> None:
    end = Publishing(swarm)
    end.peer.tell(State.MEDIA, 12.3456)
    assert (end.responder.state, end.responder.rtt_us) == (State.MEDIA, 12_346)
    end.peer.tell(State.MEDIA)
    assert end.responder.rtt_us is None
