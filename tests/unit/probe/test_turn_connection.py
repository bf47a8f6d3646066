"""The way to a TURN server over UDP, where some addresses fail and some packets are lost."""

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import cast

import pytest
from aioice import stun

from sfukit.probe.resolve import Address
from sfukit.probe.steps import StepFailedError, StepRecorder
from sfukit.probe.turn import connection
from sfukit.probe.turn.client import send_request

NO_WAY = Address("255.255.255.255", 9)  # not to be sent to without asking the system first


class Server(asyncio.DatagramProtocol):
    """Answers Binding requests, except those of the given numbers."""

    def __init__(self, lost: Collection[int] = ()) -> None:
        self.incoming = 0
        self._lost = lost
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.incoming += 1
        if self.incoming in self._lost:
            return
        request = stun.parse_message(data)
        kind = stun.Class.RESPONSE
        answer = stun.Message(stun.Method.BINDING, kind, request.transaction_id)
        answer.attributes["XOR-MAPPED-ADDRESS"] = addr
        assert self._transport is not None
        self._transport.sendto(bytes(answer), addr)


@asynccontextmanager
async def serving(lost: Collection[int] = ()) -> AsyncIterator[Address]:
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(lost), local_addr=("127.0.0.1", 0)
    )
    yield Address(*transport.get_extra_info("sockname"))
    transport.close()


async def test_an_address_that_cannot_be_sent_to_leaves_the_others() -> None:
    recorder = StepRecorder()
    async with serving() as server:
        connected = await connection._over_udp(recorder, [NO_WAY, server])
        connected.client.transport.close()
    assert connected.server == server
    assert [step.state for step in recorder.steps] == ["ok"]


@pytest.mark.parametrize(("lost", "measured"), [({3}, True), ({2, 5}, True), (range(99), False)])
async def test_one_lost_packet_does_not_hide_the_way(
    lost: Collection[int], measured: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_BINDING_S", 0.1)
    async with serving(lost) as server:
        client = await connection._udp_client(server)
        rtt_ms = await connection._direct_rtt_ms(client)
        client.transport.close()
    assert (rtt_ms is not None) == measured


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(errno.EHOSTUNREACH, "No route to host"), "unreachable"),
        (OSError(errno.ENETUNREACH, "Network is unreachable"), "unreachable"),
        (OSError(errno.EPERM, "Operation not permitted"), "connect_failed"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"), "port_closed"),
        (ConnectionResetError("closed"), "connection_closed"),
        (ssl.SSLError(1, "bad record mac"), "connection_closed"),
    ],
)
async def test_the_system_error_is_the_cause(error: OSError, cause: str) -> None:
    async with serving(range(99)) as server:
        client = await connection._udp_client(server)
        asyncio.get_running_loop().call_soon(client.error_received, error)
        with pytest.raises(StepFailedError) as failed:
            await send_request(client, stun.Method.BINDING, {}, 5.0)
        client.transport.close()
    assert failed.value.cause == cause


async def test_nowhere_to_send_is_a_cause() -> None:
    recorder = StepRecorder()
    with pytest.raises(StepFailedError):
        await connection._over_udp(recorder, [NO_WAY])
    assert recorder.steps[-1].cause == "connect_failed"
