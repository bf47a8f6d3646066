"""One complete variant, at a server that refuses or is silent at given requests."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest
from aioice import stun
from aioice.stun import Method

from sfukit.probe.resolve import Endpoint
from sfukit.probe.steps import StepFailedError
from sfukit.probe.turn import allocate, causes, relaying, report
from sfukit.probe.turn.client import Client, RefusedError
from sfukit.probe.turn.options import TurnOptions
from sfukit.probe.turn.probe import probe
from sfukit.probe.turn.report import ServerReport
from sfukit.turn import uri
from sfukit.turn.credentials import Login

RELAY = ("127.0.0.2", 50_000)
OK = 0
SILENCE = -1

Manner = Callable[[Method, int], int]
"""The response to the n-th request of a method: an error code, ``OK`` or ``SILENCE``."""


class Turn(asyncio.DatagramProtocol):
    """A TURN server that asks for no credentials, and relays nothing."""

    def __init__(self, manner: Manner) -> None:
        self.requests: list[stun.Message] = []
        self.incoming: asyncio.Queue[Method] = asyncio.Queue()
        self._manner = manner
        self._counts: Counter[Method] = Counter()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if data[0] & 0xC0:  # channel data
            return
        request = stun.parse_message(data)
        method = Method(request.message_method)
        if all(one.transaction_id != request.transaction_id for one in self.requests):
            self.requests.append(request)
            self._counts[method] += 1
        code = self._manner(method, self._counts[method])
        self.incoming.put_nowait(method)
        if code != SILENCE:
            assert self._transport is not None
            self._transport.sendto(bytes(_answer(request, addr, code)), addr)


def _answer(request: stun.Message, addr: tuple[str, int], code: int) -> stun.Message:
    kind = stun.Class.ERROR if code else stun.Class.RESPONSE
    answer = stun.Message(Method(request.message_method), kind, request.transaction_id)
    if code:
        answer.attributes["ERROR-CODE"] = (code, "no")
        return answer
    answer.attributes["XOR-MAPPED-ADDRESS"] = addr
    if request.message_method == Method.ALLOCATE:
        answer.attributes["XOR-RELAYED-ADDRESS"] = RELAY
    answer.attributes["LIFETIME"] = request.attributes.get("LIFETIME", 600)
    return answer


@asynccontextmanager
async def serving(manner: Manner) -> AsyncIterator[tuple[Turn, uri.TurnUri]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Turn(manner), local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    yield server, uri.parse(f"turn:127.0.0.1:{port}?transport=udp")
    transport.close()


def silent_at(wanted: Method) -> Manner:
    return lambda method, _: SILENCE if method == wanted else OK


def failures(told: ServerReport) -> list[tuple[str, str | None]]:
    [variant] = told.variants
    return [(step.name, step.cause) for step in variant.steps if step.state == "failed"]


async def test_a_silent_peer_proves_nothing_of_the_relay_ports() -> None:
    wanted = TurnOptions(peer=Endpoint("127.0.0.1", 7), timeout_s=0.3)
    async with serving(lambda _method, _n: OK) as (_, where):
        told = await probe(where, wanted)
    assert failures(told) == [("echo", "peer_silent")]


async def no_socket(*_: object) -> None:
    """Stand in for a peer beside the probe where UDP does not leave the network."""


@pytest.mark.parametrize(
    ("method", "code", "failed"),
    [
        (Method.ALLOCATE, 486, ("peer", "quota_486")),
        (Method.CREATE_PERMISSION, 403, ("echo", "denied_peer_403")),
        (Method.CHANNEL_BIND, 508, ("echo", "no_capacity_508")),
    ],
)
async def test_a_second_relay_that_is_refused_is_a_failure(
    method: Method, code: int, failed: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relaying, "own_peer", no_socket)

    def manner(asked: Method, number: int) -> int:
        return code if (asked, number) == (method, 2) else OK

    async with serving(manner) as (server, where):
        told = await probe(where, TurnOptions(timeout_s=1.0))
    assert failures(told) == [failed]
    assert not told.variants[0].relays
    assert server.requests[-1].message_method == Method.REFRESH


async def test_a_denied_secret_keeps_its_cause_where_no_second_look_is_possible() -> None:
    async def hangs_up() -> Client:
        raise StepFailedError("connection_closed", "closed")

    wanted = TurnOptions(login=Login(secret="north"))
    known = wanted.login.credentials(wanted.now_s())
    assert known is not None
    refused = RefusedError(401, "Unauthorized", {"REALM": "lab"})
    failed = await allocate._why_denied(
        allocate._Denied(known, refused, "lab", refused), wanted, hangs_up
    )
    assert failed.cause == "wrong_password_or_secret"


async def test_who_is_interrupted_after_a_failure_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(causes, "reach", lambda ip: 0 if ip == RELAY[0] else 3)
    async with serving(silent_at(Method.CREATE_PERMISSION)) as (server, where):
        probing = asyncio.create_task(probe(where, TurnOptions()))
        while await server.incoming.get() != Method.CREATE_PERMISSION:
            continue
        probing.cancel()
        told = await probing
    assert failures(told) == [
        ("allocate", "relay_address_private"),
        ("interrupted", "interrupted"),
    ]
    assert told.variants[0].cause == "relay_address_private"
    assert [step.name for step in told.variants[0].steps].count("allocate") == 1
    assert report.build([told], []).exit_code == 130
    last = server.requests[-1]
    assert (last.message_method, last.attributes["LIFETIME"]) == (Method.REFRESH, 0)
