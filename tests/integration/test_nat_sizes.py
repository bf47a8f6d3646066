"""Path MTU and fragments with servers without PADDING, and paths that drop long datagrams."""

import pytest
from aioice.stun import Class, Message, Method

from sfukit.probe import system
from sfukit.probe.nat import sizes
from sfukit.probe.nat.sizes import Fragments
from sfukit.probe.resolve import Address
from sfukit.probe.stun import message
from tests.conftest import absent
from tests.integration.nat_servers import Answer, crooked, hasty, success


def plain(data: bytes, source: Address) -> list[bytes]:
    """A server that ignores PADDING."""
    return [success(data, XOR_MAPPED_ADDRESS=tuple(source))]


def refusing(data: bytes, source: Address) -> list[bytes]:
    """Knows no PADDING, which it must understand (RFC 8489 6.3.1)."""
    asked = message.parse(data)
    if asked.attribute("PADDING") is None:
        return plain(data, source)
    refusal = {"ERROR-CODE": (420, "Unknown Attribute"), "UNKNOWN-ATTRIBUTES": [0x26]}
    return [bytes(Message(Method.BINDING, Class.ERROR, asked.transaction_id, refusal))]


def dropping(data: bytes, source: Address) -> list[bytes]:
    """Throws away what has an attribute that it does not know."""
    asked = message.parse(data)
    known = asked.attribute("PADDING") is None and asked.attribute("X-FILLER") is None
    return plain(data, source) if known else []


def padding(data: bytes, source: Address) -> list[bytes]:
    """A server with PADDING, whose responses have four addresses."""
    asked = message.parse(data).attribute("PADDING")
    if asked is None:
        return plain(data, source)
    here = tuple(source)
    addresses = {"XOR_MAPPED_ADDRESS": here, "MAPPED_ADDRESS": here, "RESPONSE_ORIGIN": here}
    return [success(data, **addresses, OTHER_ADDRESS=here, PADDING=asked)]


def stopping(up: int, down: int) -> Answer:
    """A server that pads, behind a path that stops longer packets each way."""

    def answer(data: bytes, source: Address) -> list[bytes]:
        answers = padding(data, source) if len(data) + 28 <= up else []
        return [each for each in answers if len(each) + 28 <= down]

    return answer


@pytest.mark.parametrize(
    ("answer", "up", "down"),
    [
        (plain, "yes", "unknown"),
        (refusing, "yes", "unknown"),
        (dropping, "unknown", "unknown"),
        (padding, "yes", "yes"),
        (stopping(1500, 1500), "no", "no"),
        (stopping(1400, 1500), "no", "unknown"),  # the padded request itself did not pass
        (stopping(9000, 1500), "yes", "no"),
    ],
)
async def test_fragments_are_called_stopped_where_small_ones_pass(
    answer: Answer, up: str, down: str
) -> None:
    async with crooked(answer) as server:
        assert await sizes.fragments(hasty(server), server) == Fragments(up=up, down=down)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "down"),
    [(plain, None), (refusing, None), (padding, 1500), (stopping(1500, 1500), 1500)],
)
async def test_an_answer_without_padding_measures_nothing(answer: Answer, down: int | None) -> None:
    if not system.linux():
        absent("Linux", "only Linux sends with DF")
    async with crooked(answer) as server:
        found = await sizes.mtu(hasty(server), server)
    assert (found.up, found.down) == (1500, down)


async def test_the_largest_size_each_way_is_found() -> None:
    if not system.linux():
        absent("Linux", "only Linux sends with DF")
    async with crooked(stopping(1400, 1300)) as server:
        found = await sizes.mtu(hasty(server), server)
    assert (found.up, found.down) == (1400, 1300)
