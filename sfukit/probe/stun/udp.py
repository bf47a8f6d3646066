"""A UDP socket that puts questions to STUN servers, several at once, each with its own sends."""

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
from sfukit.probe.stun.exchange import Exchange, Trouble
from sfukit.probe.stun.icmp import IcmpError
from sfukit.probe.stun.message import Malformed, Parsed
from sfukit.probe.stun.schedule import Schedule

_TROUBLES: dict[int, Trouble] = {
    errno.EPERM: "prohibited_here",
    errno.EACCES: "prohibited_here",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EADDRNOTAVAIL: "no_route",
    errno.EAFNOSUPPORT: "no_route",
    errno.EINVAL: "no_route",  # bound to loopback, sent elsewhere
    errno.EMSGSIZE: "too_big",
}
_BATCH = 64
_REMEMBERED = 64  # transactions that ended, whose answers may still come

Requested = Callable[[Address, Parsed], None]


def local_ip(towards: Address) -> str | None:
    """Tell the address this machine sends from, towards another; None without a route."""
    try:
        with socket.socket(towards.family, socket.SOCK_DGRAM) as probe:
            probe.connect(towards)  # of UDP: looks up the route, sends nothing
            return str(probe.getsockname()[0])
    except OSError:
        return None


class StunSocket:
    """One local address; close it, or use it as a context."""

    def __init__(self, ip: str, port: int = 0) -> None:
        """Bind; raises ``MachineError`` where the address is not this machine's."""
        self.raw = _bound(ip, port)
        self.local = Address(*self.raw.getsockname()[:2])
        self.on_request: Requested | None = None
        self.ends_at_any_icmp = False
        self._watches_icmp = icmp.watch(self.raw)
        self._pending: dict[bytes, tuple[Exchange, asyncio.Future[None]]] = {}
        self._ended: deque[bytes] = deque(maxlen=_REMEMBERED)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.raw, self._readable)

    def __enter__(self) -> "StunSocket":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close; what is still asked ends without an answer."""
        if self.raw.fileno() >= 0:
            self._loop.remove_reader(self.raw)
            self.raw.close()

    async def ask(
        self,
        to: Address,
        request: Message | None = None,
        when: Schedule | None = None,
        *,
        accept: Iterable[Address] | None = None,
        id: str = "",
    ) -> Exchange:
        """Ask, and send again until an answer comes from an accepted address or time is up."""
        request = request or message.request()
        exchange = Exchange(to, frozenset(accept or (to,)), id)
        await self.ask_for(self, request, exchange, when or schedule.of_question())
        return exchange

    async def ask_for(
        self, awaiting: "StunSocket", request: Message, exchange: Exchange, when: Schedule
    ) -> None:
        """Ask from here for an answer that another socket awaits, or this one."""
        data = bytes(request)

        def send() -> Trouble | None:
            trouble = self.send(data, exchange.to)
            exchange.note_sent()
            exchange.trouble = trouble or exchange.trouble
            return trouble

        with awaiting.awaiting(request.transaction_id, exchange) as done:
            await schedule.send_along(when, done, send)

    @contextlib.contextmanager
    def awaiting(self, transaction_id: bytes, exchange: Exchange) -> Iterator[asyncio.Future[None]]:
        """Take answers to a transaction, which another socket may have begun, while open."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._pending[transaction_id] = (exchange, done)
        try:
            yield done
        finally:
            del self._pending[transaction_id]
            self._ended.append(transaction_id)
            done.cancel()

    def send(self, data: bytes, to: Address) -> Trouble | None:
        """Send once; an error counts where it comes twice.

        The kernel reports what ICMP said of an earlier datagram, to whomever, in the place of
        sending the next one; taking it away leaves this one's own.
        """
        trouble: Trouble | None = None
        for _attempt in range(2):
            try:
                self.raw.sendto(data, to)
            except BlockingIOError:
                return None
            except OSError as error:
                trouble = _TROUBLES.get(error.errno or 0)
                self._take_icmp()
                continue
            return None
        return trouble

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                data, source = self.raw.recvfrom(message.MAX_BYTES + 1)
            except BlockingIOError:
                break
            except OSError:  # an ICMP error, told in the place of a datagram
                if not self._take_icmp():
                    break
                continue
            self._take(data, Address(str(source[0]), int(source[1])))
        if self._watches_icmp:
            self._take_icmp()

    def _take(self, data: bytes, source: Address) -> None:
        try:
            parsed = message.parse(data)
        except Malformed as broken:
            self._take_malformed(source, data[8:20], str(broken))
            return
        if parsed.is_request and self.on_request is not None:
            self.on_request(source, parsed)
            return
        waiting = self._pending.get(parsed.transaction_id)
        if waiting is None or not parsed.is_response:
            self._take_malformed(source, parsed.transaction_id, _why_no_answer(parsed))
            return
        exchange, done = waiting
        if exchange.take(source, parsed, time.monotonic()) and not done.done():
            done.set_result(None)

    def _take_malformed(self, source: Address, transaction_id: bytes, reason: str) -> None:
        """Note what is no answer with what it was meant for, as far as that can be told."""
        if transaction_id in self._ended:  # too late, and it was counted
            return
        waiting = self._pending.get(transaction_id)
        meant = [waiting] if waiting is not None else self._pending.values()
        for exchange, _done in meant:
            exchange.take_malformed(source, reason)

    def _take_icmp(self) -> bool:
        """Give waiting ICMP errors to the exchanges they are about."""
        if not self._watches_icmp:
            return False
        errors = icmp.take(self.raw)
        for error in errors:
            for transaction_id, (exchange, done) in self._pending.items():
                if _is_about(error, exchange, transaction_id):
                    _note(error, exchange, done, ends=self.ends_at_any_icmp)
        return bool(errors)


def _why_no_answer(parsed: Parsed) -> str:
    if parsed.is_request:
        return "the request comes back as it was sent: a UDP echo server?"
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


def _is_about(error: IcmpError, exchange: Exchange, transaction_id: bytes) -> bool:
    """Match by transaction where the quote is long enough, else by destination (RFC 792)."""
    if error.to.ip != exchange.to.ip or error.to.port != exchange.to.port:
        return False
    return len(error.quoted) < 20 or error.quoted[8:20] == transaction_id


def _note(error: IcmpError, exchange: Exchange, done: asyncio.Future[None], *, ends: bool) -> None:
    exchange.take_icmp(error)
    if done.done():
        return
    if ends:
        done.set_result(None)
    if error.kind == "port_unreachable" and error.offender == exchange.to.ip:
        exchange.trouble = "refused"
        if not done.done():
            done.set_result(None)
    elif error.kind == "prohibited":
        exchange.trouble = "icmp_prohibited"
