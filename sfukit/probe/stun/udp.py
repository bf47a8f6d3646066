"""A UDP socket for concurrent STUN transactions, each with its own retransmissions."""

import asyncio
import contextlib
import errno
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from aioice.stun import Message

from sfukit.errors import MachineError
from sfukit.probe.resolve import Address
from sfukit.probe.stun import icmp, message, schedule
from sfukit.probe.stun.icmp import IcmpError
from sfukit.probe.stun.message import Malformed, Parsed
from sfukit.probe.stun.schedule import Schedule
from sfukit.probe.stun.transaction import Failure, Transaction

_FAILURES: dict[int, Failure] = {
    errno.EPERM: "prohibited_here",
    errno.EACCES: "prohibited_here",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EADDRNOTAVAIL: "no_route",
    errno.EAFNOSUPPORT: "no_route",
    errno.EINVAL: "no_route",  # bound to loopback, sent to another network
    errno.EMSGSIZE: "too_big",
}
_BATCH = 64
_REMEMBERED = 64  # ended transactions, whose responses may still arrive

Requested = Callable[[Address, Parsed], None]


def local_ip(towards: Address) -> str | None:
    """Return the local source address towards a destination; None without a route."""
    try:
        with socket.socket(towards.family, socket.SOCK_DGRAM) as probe:
            probe.connect(towards)  # of UDP: looks up the route, sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return None


class StunSocket:
    """A socket of one local address; close it, or use it as a context manager."""

    def __init__(self, ip: str, port: int = 0) -> None:
        """Bind; raises ``MachineError`` where the address is not this machine's."""
        self.raw = _bound(ip, port)
        self.local = Address(*self.raw.getsockname()[:2])
        self.on_request: Requested | None = None
        self.ends_at_any_icmp = False
        self._receives_icmp = icmp.enable(self.raw)
        self._pending: dict[bytes, tuple[Transaction, asyncio.Future[None]]] = {}
        self._ended: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.raw, self._readable)

    def __enter__(self) -> "StunSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close; pending transactions end without a response."""
        if self.raw.fileno() >= 0:
            self._loop.remove_reader(self.raw)
            self.raw.close()

    async def send_request(
        self,
        to: Address,
        request: Message | None = None,
        when: Schedule | None = None,
        *,
        accept: Iterable[Address] | None = None,
        id: str = "",
    ) -> Transaction:
        """Send a request with retransmissions until an accepted address responds, or a timeout."""
        request = request or message.request()
        transaction = Transaction(to, frozenset(accept or (to,)), id)
        await self.send_request_for(self, request, transaction, when or schedule.for_answer())
        return transaction

    async def send_request_for(
        self, awaiting: "StunSocket", request: Message, transaction: Transaction, when: Schedule
    ) -> None:
        """Send a request whose response ``awaiting`` receives, another socket or this one."""
        data = bytes(request)

        def send() -> Failure | None:
            failure = self.send(data, transaction.to)
            transaction.note_sent()
            transaction.failure = failure or transaction.failure
            return failure

        with awaiting.awaiting(request.transaction_id, transaction) as done:
            await schedule.send_along(when, done, send)

    @contextlib.contextmanager
    def awaiting(
        self, transaction_id: bytes, transaction: Transaction
    ) -> Iterator[asyncio.Future[None]]:
        """Accept responses to a transaction, which another socket may have started, while open."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._pending[transaction_id] = (transaction, done)
        try:
            yield done
        finally:
            del self._pending[transaction_id]
            self._ended.append(transaction_id)
            done.cancel()

    def send(self, data: bytes, to: Address) -> Failure | None:
        """Send once; return an error that occurs twice.

        The kernel reports an ICMP error of an earlier datagram, to any destination, instead of
        sending; after reading the error queue only this datagram's own error remains.
        """
        failure: Failure | None = None
        for _attempt in range(2):
            try:
                self.raw.sendto(data, to)
            except BlockingIOError:
                return None
            except OSError as error:
                failure = _FAILURES.get(error.errno or 0)
                self._receive_icmp()
                continue
            return None
        return failure

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                data, source = self.raw.recvfrom(message.MAX_BYTES + 1)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error of an earlier datagram
                if not self._receive_icmp():
                    break
                continue
            self._receive(data, Address(str(source[0]), int(source[1])))
        if self._receives_icmp:
            self._receive_icmp()

    def _receive(self, data: bytes, source: Address) -> None:
        try:
            parsed = message.parse(data)
        except Malformed as broken:
            self._receive_malformed(source, data[8:20], str(broken))
            return
        if parsed.is_request and self.on_request is not None:
            self.on_request(source, parsed)
            return
        waiting = self._pending.get(parsed.transaction_id)
        if waiting is None or not parsed.is_response:
            self._receive_malformed(source, parsed.transaction_id, _why_no_answer(parsed))
            return
        transaction, done = waiting
        if transaction.add_response(source, parsed, time.monotonic()) and not done.done():
            done.set_result(None)

    def _receive_malformed(self, source: Address, transaction_id: bytes, reason: str) -> None:
        """Note an invalid message at its transaction, or at all pending ones if that is unknown."""
        if transaction_id in self._ended:  # a late response
            return
        waiting = self._pending.get(transaction_id)
        meant = [waiting] if waiting is not None else self._pending.values()
        for transaction, _done in meant:
            transaction.add_malformed(source, reason)

    def _receive_icmp(self) -> bool:
        """Add queued ICMP errors to their transactions."""
        if not self._receives_icmp:
            return False
        errors = icmp.receive(self.raw)
        for error in errors:
            for transaction_id, (transaction, done) in self._pending.items():
                if _is_about(error, transaction, transaction_id):
                    _note(error, transaction, done, ends=self.ends_at_any_icmp)
        return bool(errors)


def _why_no_answer(parsed: Parsed) -> str:
    if parsed.is_request:
        return "the request is returned unchanged: a UDP echo server?"
    return "another transaction" if parsed.is_response else "an indication in place of a response"


def _bound(ip: str, port: int) -> socket.socket:
    try:
        sock = socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET, socket.SOCK_DGRAM)
    except OSError as error:
        raise MachineError(
            f"no more sockets: {error.strerror}", hint="sfukit doctor shows the limits"
        ) from error
    sock.setblocking(False)
    try:
        sock.bind((ip, port))
    except OSError as error:
        sock.close()
        raise MachineError(
            f"cannot bind {Address(ip, port)}: {error.strerror}",
            hint="--bind takes an address of this machine and a free port",
        ) from error
    return sock


def _is_about(error: IcmpError, transaction: Transaction, transaction_id: bytes) -> bool:
    """Match by transaction where the quote is long enough, else by destination (RFC 792)."""
    if error.to.ip != transaction.to.ip or error.to.port != transaction.to.port:
        return False
    return len(error.quoted) < 20 or error.quoted[8:20] == transaction_id


def _note(
    error: IcmpError, transaction: Transaction, done: asyncio.Future[None], *, ends: bool
) -> None:
    transaction.add_icmp(error)
    if done.done():
        return
    if ends:
        done.set_result(None)
    if error.kind == "port_unreachable" and error.offender == transaction.to.ip:
        transaction.failure = "refused"
        if not done.done():
            done.set_result(None)
    elif error.kind == "prohibited":
        transaction.failure = "icmp_prohibited"
