"""What all tests of one run share: the local address, the server, the record of exchanges."""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field

from aioice.stun import Message

from sfukit.errors import MachineError
from sfukit.probe.nat.options import Options
from sfukit.probe.resolve import Address
from sfukit.probe.stun import schedule
from sfukit.probe.stun.exchange import Exchange
from sfukit.probe.stun.schedule import Schedule
from sfukit.probe.stun.udp import StunSocket

_FRESH_SOCKETS = 2
_PORT_DRAWS = 8


@dataclass(frozen=True)
class FullServer:
    """A server that answers from a second address: A and B, p and p' (RFC 5780 4)."""

    primary: Address  # A:p
    alternate: Address  # B:p'

    @property
    def other_ip(self) -> Address:
        """Tell B:p."""
        return Address(self.alternate.ip, self.primary.port)

    @property
    def other_port(self) -> Address:
        """Tell A:p'."""
        return Address(self.primary.ip, self.alternate.port)


@dataclass
class Context:
    """One family of addresses under probe."""

    options: Options
    local_ip: str
    records: list[Exchange] = field(default_factory=list)
    _ports: set[int] = field(default_factory=set)

    def socket(self, port: int = 0) -> StunSocket:
        """Open a fresh socket on the local address.

        Its port is one that this run has not had: a NAT remembers for minutes whom an inner port
        sent to, and lets them answer whoever has that port now.
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
        """Open several fresh sockets; fewer where this machine has no more to give."""
        with contextlib.ExitStack() as stack:
            opened: list[StunSocket] = []
            with contextlib.suppress(MachineError, OSError):
                for _ in range(count):
                    opened.append(stack.enter_context(self.socket()))  # noqa: PERF401
            yield opened

    @contextlib.asynccontextmanager
    async def mapped(self, to: Address, id: str) -> AsyncIterator[tuple[StunSocket, Exchange]]:
        """Open a fresh socket and ask from it, which makes its mapping.

        Where nothing comes back another one is tried: a NAT may have no port for one inner port,
        since another one has it, and that says nothing of how it treats the rest.
        """
        with contextlib.ExitStack() as stack:
            for _ in range(_FRESH_SOCKETS):
                socket = stack.enter_context(self.socket())
                exchange = await self.ask(socket, to, id, evidence=True)
                if exchange.answered:
                    break
            yield socket, exchange

    async def ask(
        self,
        socket: StunSocket,
        to: Address,
        id: str,
        *,
        request: Message | None = None,
        accept: Iterable[Address] | None = None,
        evidence: bool = False,
    ) -> Exchange:
        """Ask and record; ``evidence`` where silence will be read as a result."""
        exchange = await socket.ask(to, request, self.patience(evidence), accept=accept, id=id)
        self.records.append(exchange)
        return exchange

    def patience(self, evidence: bool) -> Schedule:
        """Choose how long to ask."""
        if evidence:
            return schedule.of_evidence(self.options.timeout_s)
        return schedule.of_question(self.options.retries, self.options.timeout_s)
