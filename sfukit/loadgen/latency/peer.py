"""The other end of the path, where it runs in another process: what it waits for, what it knows."""

import asyncio
import time
from typing import Protocol

from sfukit.loadgen.latency import clock_exchange, clock_messages, clock_offset
from sfukit.loadgen.latency.clock_exchange import Requester, Responder
from sfukit.loadgen.latency.clock_messages import Message, State
from sfukit.loadgen.latency.clock_offset import ClockOffset, Exchange
from sfukit.loadgen.latency.options import LatencyOptions
from sfukit.loadgen.latency.peer_address import PeerAddress
from sfukit.loadgen.latency.result import Clock
from sfukit.loadgen.verdict.decision import TargetFault
from sfukit.swarm.messages import FrameClock
from sfukit.swarm.native import Swarm

_NS_PER_S, _NS_PER_MS, _US_PER_MS = 1e9, 1e6, 1e3
_EVERY_S = 0.25
_MAX_SILENCE_S = 10.0
_FAREWELLS = 3


class Peer(Protocol):
    """The other end, as the measurement sees it."""

    @property
    def may_join(self) -> bool:
        """Whether this end may join."""

    @property
    def may_measure(self) -> bool:
        """Whether the window may start."""

    @property
    def finished(self) -> bool:
        """Whether the other end has finished, so that this end is to stop."""

    @property
    def fault(self) -> TargetFault | None:
        """Why no measurement is possible with the other end."""

    @property
    def rtt_pub_ms(self) -> float | None:
        """The latest round trip of a publisher elsewhere."""

    @property
    def uncertainty_ms(self) -> float | None:
        """The bound of the error of frame delays now, None where both ends have one clock."""

    def tell(self, state: State, rtt_pub_ms: float | None = None) -> None:
        """Tell the other end the state of this end."""

    def clock(self, uncertainty_ms: float, frames_early: int) -> Clock | None:
        """Return the clocks of both ends, with the largest uncertainty of the window."""

    async def close(self) -> None:
        """Tell the other end that this end has ended, and close."""


class OneProcess:
    """Both ends in this process: nothing to wait for, one clock."""

    may_join = may_measure = True
    finished = False
    fault = rtt_pub_ms = uncertainty_ms = None

    def tell(self, state: State, rtt_pub_ms: float | None = None) -> None:
        """Ignore the state."""

    def clock(self, uncertainty_ms: float, frames_early: int) -> Clock | None:
        """Return no clock."""
        return None

    async def close(self) -> None:
        """Do nothing."""


async def open_peer(options: LatencyOptions, swarm: Swarm) -> Peer:
    """Open the exchange of this end with the other one, if there is one."""
    if options.peer is None:
        return OneProcess()
    key = clock_messages.key_of(options.peer_token)
    if options.ends == "publish":
        responder = Responder(key, swarm.now_ns, time.time_ns)
        transport = await clock_exchange.listen(options.peer, responder)
        return SubscriberElsewhere(options, swarm, responder, transport)
    publisher = PublisherElsewhere(options, swarm)
    requester = Requester(key, swarm.now_ns, publisher.on_response)
    await publisher.start(requester, await clock_exchange.connect(options.peer, requester))
    return publisher


class SubscriberElsewhere:
    """This end publishes until the subscriber's end has measured."""

    may_join = True
    rtt_pub_ms = uncertainty_ms = None

    def __init__(
        self,
        options: LatencyOptions,
        swarm: Swarm,
        responder: Responder,
        transport: asyncio.DatagramTransport,
    ) -> None:
        self._limit_s = options.peer_timeout_s
        self._swarm = swarm
        self._responder = responder
        self._transport = transport
        self._started_ns = swarm.now_ns()
        host, port = transport.get_extra_info("sockname")[:2]
        self.address = PeerAddress(host, port)

    @property
    def may_measure(self) -> bool:
        """Whether the subscriber measures."""
        return self._responder.seen in (State.MEDIA, State.ENDED)

    @property
    def finished(self) -> bool:
        """Whether the subscriber has measured, or is silent."""
        seen = self._responder.seen
        silent_s = (self._swarm.now_ns() - self._responder.seen_at_ns) / _NS_PER_S
        return seen is State.ENDED or (seen is not None and silent_s > _MAX_SILENCE_S)

    @property
    def fault(self) -> TargetFault | None:
        """The fault of a subscriber that did not come."""
        waited_s = (self._swarm.now_ns() - self._started_ns) / _NS_PER_S
        if self._responder.seen is not None or waited_s < self._limit_s:
            return None
        return _absent("subscriber", self.address, self._limit_s)

    def tell(self, state: State, rtt_pub_ms: float | None = None) -> None:
        """Set what responses say."""
        self._responder.state = state
        self._responder.rtt_us = None if rtt_pub_ms is None else round(rtt_pub_ms * _US_PER_MS)

    def clock(self, uncertainty_ms: float, frames_early: int) -> Clock | None:
        """Return no clock: the subscriber's report has it."""
        return None

    async def close(self) -> None:
        """Close the socket; the silence tells the subscriber."""
        self._transport.close()


class PublisherElsewhere:
    """This end subscribes once the publisher's end sends, and corrects frame delays."""

    may_measure = True
    finished = False

    def __init__(self, options: LatencyOptions, swarm: Swarm) -> None:
        assert options.peer is not None
        self._address = options.peer
        self._limit_s = options.peer_timeout_s
        self._swarm = swarm
        self._offset = ClockOffset()
        self._state = State.JOINING
        self._latest: Message | None = None
        self._latest_ns = swarm.now_ns()
        self._wall_offset_ns = 0.0

    async def start(self, requester: Requester, transport: asyncio.DatagramTransport) -> None:
        """Start to send requests."""
        self._requester, self._transport = requester, transport
        self._requesting = asyncio.create_task(self._request())

    @property
    def may_join(self) -> bool:
        """Whether the publisher sends, and its clock is known."""
        return self._latest is not None and self._latest.state is State.MEDIA

    @property
    def fault(self) -> TargetFault | None:
        """The fault of a publisher that did not come, or has gone."""
        silent_s = (self._swarm.now_ns() - self._latest_ns) / _NS_PER_S
        if self._latest is None:
            if silent_s >= self._limit_s:
                return _absent("publisher", self._address, self._limit_s)
        elif self._latest.state is State.ENDED:
            return TargetFault("the publisher's end has ended", stated_by_target=True)
        elif silent_s > _MAX_SILENCE_S:
            text = f"the publisher's end does not answer any more: {self._address}"
            return TargetFault(text, stated_by_target=False)
        return None

    @property
    def rtt_pub_ms(self) -> float | None:
        """The round trip that the publisher's end measured."""
        rtt_us = None if self._latest is None else self._latest.rtt_us
        return None if rtt_us is None else rtt_us / _US_PER_MS

    @property
    def uncertainty_ms(self) -> float | None:
        """The bound of the error of the offset now."""
        estimate = self._offset.estimate(self._swarm.now_ns())
        return None if estimate is None else estimate.uncertainty_ns / _NS_PER_MS

    def on_response(self, exchange: Exchange, response: Message) -> None:
        """Add an exchange, and correct the clock of received frames."""
        self._offset.add(exchange)
        now_ns = self._swarm.now_ns()
        estimate = self._offset.estimate(now_ns)
        if estimate is None:
            return
        self._latest, self._latest_ns = response, now_ns
        own_wall_ns = clock_offset.between(self._swarm.now_ns, time.time_ns)
        self._wall_offset_ns = estimate.offset_ns + response.wall_minus_clock_ns - own_wall_ns
        self._swarm.send([FrameClock(offset_ns=round(estimate.offset_ns))])

    def tell(self, state: State, rtt_pub_ms: float | None = None) -> None:
        """Set the state of further requests."""
        self._state = state

    def clock(self, uncertainty_ms: float, frames_early: int) -> Clock | None:
        """Return the offset; None without an exchange."""
        min_rtt_ns = self._offset.min_rtt_ns
        if min_rtt_ns is None:
            return None
        return Clock(
            offset_ms=self._wall_offset_ns / _NS_PER_MS,
            uncertainty_ms=uncertainty_ms,
            min_rtt_ms=min_rtt_ns / _NS_PER_MS,
            drift_ppm=self._offset.drift_ppm,
            exchanges=self._offset.exchanges,
            frames_early=frames_early,
        )

    async def close(self) -> None:
        """Tell the publisher's end that this end has measured."""
        self._requesting.cancel()
        for _ in range(_FAREWELLS):
            self._requester.request(State.ENDED)
        self._transport.close()

    async def _request(self) -> None:
        while True:
            self._requester.request(self._state)
            await asyncio.sleep(_EVERY_S)


def _absent(end: str, address: PeerAddress, waited_s: float) -> TargetFault:
    text = (
        f"the {end}'s end did not come to {address} within {waited_s:.0f} s: start it with the "
        "same --peer-token, and let UDP pass between both hosts"
    )
    return TargetFault(text, stated_by_target=True)
