"""The socket under the questions: errors of the kernel belong to the datagram they are about."""

import errno
from typing import Any, cast

import pytest

from sfukit.probe.resolve import Address
from sfukit.probe.stun.udp import StunSocket
from tests.integration.nat_servers import crooked, success


class Failing:
    """A socket that refuses to send, so many times."""

    def __init__(self, real: Any, number: int, times: int) -> None:
        self._real, self._number, self._times = real, number, times

    def sendto(self, data: bytes, to: Address) -> None:
        if self._times > 0:
            self._times -= 1
            raise OSError(self._number, "refused")
        self._real.sendto(data, to)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def plain(data: bytes, source: Address) -> list[bytes]:
    return [success(data, XOR_MAPPED_ADDRESS=tuple(source))]


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.EMSGSIZE, errno.ECONNREFUSED])
async def test_an_error_of_an_earlier_datagram_does_not_end_the_next_question(number: int) -> None:
    async with crooked(plain) as server:
        with StunSocket("127.0.0.1") as asking:
            asking.raw = cast(Any, Failing(asking.raw, number, times=1))
            transaction = await asking.send_request(server)
    assert transaction.failure is None
    assert transaction.mapped == asking.local


@pytest.mark.parametrize(
    ("number", "failure"), [(errno.EPERM, "prohibited_here"), (errno.ENETUNREACH, "no_route")]
)
async def test_an_error_that_stays_is_the_question_s_own(number: int, failure: str) -> None:
    with StunSocket("127.0.0.1") as asking:
        asking.raw = cast(Any, Failing(asking.raw, number, times=2))
        transaction = await asking.send_request(Address("127.0.0.1", 9))
    assert (transaction.failure, transaction.sent) == (failure, 1)
