"""Hairpinning and lifetime behind NATs that a server simulates by its mapped addresses."""

from aioice.stun import Class, Message, Method

from sfukit.probe.nat import hairpin, lifetime
from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from tests.integration.nat_servers import HASTY_SENDS, crooked, hasty, success


async def test_a_foreign_transaction_is_no_hairpin_and_the_retransmission_schedule_is_kept() -> (
    None
):
    came: list[bytes] = []

    def foreign_request(data: bytes, _source: Address) -> list[bytes]:
        came.append(data)
        return [bytes(Message(Method.BINDING, Class.REQUEST, transaction_id=bytes(12)))]

    async with crooked(foreign_request) as outer:

        def outside(data: bytes, _source: Address) -> list[bytes]:
            return [success(data, XOR_MAPPED_ADDRESS=tuple(outer))]

        async with crooked(outside) as server:
            assert await hairpin.probe(hasty(server), server) == "not_observed"
    assert len(came) == 2 * HASTY_SENDS


async def test_a_request_back_from_the_external_address_is_a_hairpin() -> None:
    def loop_back(data: bytes, _source: Address) -> list[bytes]:
        return [data]

    async with crooked(loop_back) as outer:

        def outside(data: bytes, _source: Address) -> list[bytes]:
            return [success(data, XOR_MAPPED_ADDRESS=tuple(outer))]

        async with crooked(outside) as server:
            assert await hairpin.probe(hasty(server), server) == "yes"


class Pool:
    """A server that ignores RESPONSE-PORT, seen through a NAT with some outer addresses."""

    def __init__(self, *ips: str) -> None:
        self._ips = ips
        self._given: dict[int, str] = {}

    def answer(self, data: bytes, source: Address) -> list[bytes]:
        if message.parse(data).attribute("RESPONSE-PORT") is not None:
            return []
        ip = self._given.setdefault(source.port, self._ips[len(self._given) % len(self._ips)])
        return [success(data, XOR_MAPPED_ADDRESS=(ip, source.port))]


async def test_the_lifetime_is_unknown_with_different_mapped_addresses() -> None:
    async with crooked(Pool("198.51.100.1", "198.51.100.2").answer) as server:
        found = await lifetime.probe(hasty(server), server, lambda _passed, _whole: None)
    assert found.oneshot is None
    assert found.reason is not None and "different mapped addresses" in found.reason


async def test_a_server_that_ignores_response_port_is_detected() -> None:
    async with crooked(Pool("198.51.100.1").answer) as server:
        found = await lifetime.probe(hasty(server), server, lambda _passed, _whole: None)
    assert found.reason is not None and "RESPONSE-PORT" in found.reason


async def _reached(context: Context, server: Address) -> bool | None:
    with context.socket() as x, context.socket() as y:
        outer = (await context.send_request(x, server, "bind")).mapped
        assert outer is not None
        return await lifetime._reached(context, x, y, server, outer, "x")


async def test_a_missing_answer_proves_expiry_only_from_the_same_mapped_address() -> None:
    async with crooked(Pool("198.51.100.1").answer) as server:
        assert await _reached(hasty(server), server) is False
    async with crooked(Pool("198.51.100.1", "198.51.100.2").answer) as server:
        assert await _reached(hasty(server), server) is None
