"""The state shared by all tests of a run: local address, server, recorded transactions."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field

from aioice.stun import Message

from sfukit.errors import MachineError
from sfukit.probe.nat.options import Options
from sfukit.probe.resolve import Address
from sfukit.probe.stun import schedule
from sfukit.probe.stun.schedule import Schedule
from sfukit.probe.stun.transaction import Transaction
from sfukit.probe.stun.udp import StunSocket

_FRESH_SOCKETS = 2
_PORT_DRAWS = 8


@dataclass(frozen=True)
class FullServer:
    """A server with a second address: A and B, p and p' (RFC 5780 4)."""

    primary: Address  # A:p
    alternate: Address  # B:p'

    @property
    def other_ip(self) -> Address:
        """Return B:p."""
        return Address(self.alternate.ip, self.primary.port)

    @property
    def other_port(self) -> Address:
        """Return A:p'."""
        return Address(self.primary.ip, self.alternate.port)


@dataclass
class Context:
    """One address family of a probe."""

    options: Options
    local_ip: str
    records: list[Transaction] = field(default_factory=list)
    _ports: set[int] = field(default_factory=set)

    def socket(self, port: int = 0) -> StunSocket:
        """Open a fresh socket on the local address.

        Its port was not used before in this run: a NAT keeps the filter state of a port for
        minutes, so packets of earlier destinations would still pass.
        """
        socket = StunSocket(self.local_ip, port)
        for _ in range(_PORT_DRAWS):
            if port or socket.local.port not in self._ports:
                break
            socket.close()
            socket = StunSocket(self.local_ip, port)
        self._ports.add(socket.local.port)
        return socket

    @contextlib.contextmanager
    def sockets(self, count: int) -> Iterator[list[StunSocket]]:
        """Open several new sockets; fewer where the machine's limits are reached."""
        with contextlib.ExitStack() as stack:
            opened: list[StunSocket] = []
            with contextlib.suppress(MachineError, OSError):
                for _ in range(count):
                    opened.append(stack.enter_context(self.socket()))  # noqa: PERF401
            yield opened

    @contextlib.asynccontextmanager
    async def mapped(self, to: Address, id: str) -> AsyncIterator[tuple[StunSocket, Transaction]]:
        """Open a new socket and send a request from it, which creates its mapping.

        Without an answer a second socket is tried: a NAT may have no external port for one internal
        port, since it is in use, which proves nothing of its behaviour.
        """
        with contextlib.ExitStack() as stack:
            for _ in range(_FRESH_SOCKETS):
                socket = stack.enter_context(self.socket())
                transaction = await self.send_request(socket, to, id, evidence=True)
                if transaction.answered:
                    break
            yield socket, transaction

    async def send_request(
        self,
        socket: StunSocket,
        to: Address,
        id: str,
        *,
        request: Message | None = None,
        accept: Iterable[Address] | None = None,
        evidence: bool = False,
    ) -> Transaction:
        """Send a request and record the transaction; ``evidence``: a missing answer is a result."""
        transaction = await socket.send_request(
            to, request, self.schedule_for(evidence), accept=accept, id=id
        )
        self.records.append(transaction)
        return transaction

    def schedule_for(self, evidence: bool) -> Schedule:
        """Return the retransmission schedule."""
        if evidence:
            return schedule.for_silence(self.options.timeout_s)
        return schedule.for_answer(self.options.retries, self.options.timeout_s)
