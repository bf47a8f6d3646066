"""Each candidate of the answer: does it answer a connectivity check from here (RFC 8445 section 7)?

A check by hand tells per address what an ICE agent only sums up. It nominates nothing, so it leaves
the server's choice of a path alone.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aioice import stun

from sfukit.probe.check import framing
from sfukit.probe.check.report import CandidateReport
from sfukit.probe.course import StepFailedError
from sfukit.probe.finding import Step, Stopwatch
from sfukit.probe.resolve import Address, Endpoint, UnresolvedError, resolve
from sfukit.signaling import candidates
from sfukit.signaling.candidates import Candidate
from sfukit.signaling.descriptions import Described
from sfukit.signaling.transport import Credentials

_PAUSES_S = (0.15, 0.25, 0.4, 0.6, 0.8)  # after each send
_PRFLX_PRIORITY = (110 << 24) | (65535 << 8) | 255  # RFC 8445 section 7.1.1
_TIE_BREAKER = 0x5F17_5F17_5F17_5F17
_MOST = 20

Write = Callable[[], stun.Message]


@dataclass(frozen=True)
class Tried:
    """What became of one candidate; ``reason`` is a cause, None where it answered.

    ``place`` is where it answered; its host may be a name.
    """

    candidate: Candidate
    rtt_ms: float | None
    reason: str | None
    place: Address | None = None

    @property
    def address(self) -> Address:
        """Where it is."""
        return self.place or Address(self.candidate.host, self.candidate.port)

    def report(self) -> CandidateReport:
        """Write it for the report."""
        one = self.candidate
        return CandidateReport(
            transport=one.transport,
            host=one.host,
            port=one.port,
            type=one.kind,
            answers=self.reason is None,
            rtt_ms=self.rtt_ms,
            reason=self.reason,
        )


def listed(answer: Described) -> list[Candidate]:
    """List the candidates of the media component, each once, the best first."""
    found: dict[tuple[str, str, int], Candidate] = {}
    for section in answer.sections:
        for text in section.candidates:
            try:
                one = candidates.parse(text)
            except ValueError:
                continue
            active = "tcptype active" in text or "tcptype so" in text
            if one.component == 1 and one.port and not active:
                found.setdefault((one.transport, one.host, one.port), one)
    return sorted(found.values(), key=lambda one: -one.priority)[:_MOST]


def step_of(tried: Tried) -> Step:
    """Write one candidate as a step."""
    one = tried.candidate
    what = f"{one.transport} {tried.address} {one.kind}"
    if tried.reason is None:
        return Step(name="ice", state="ok", ms=round(tried.rtt_ms or 0.0, 2), found=what)
    return Step(name="ice", state="failed", found=what, cause=tried.reason)


async def try_all(
    remotes: Sequence[Candidate], local: Credentials, answer: Described, limit_s: float
) -> list[Tried]:
    """Check all candidates at the same time."""
    peer = answer.peer
    username = f"{peer.ufrag}:{local.ufrag}"

    async def one(candidate: Candidate) -> Tried:
        try:
            place = await _place(candidate, limit_s)
            over = _over_tcp if candidate.transport == "tcp" else _over_udp
            async with asyncio.timeout(limit_s):
                rtt_ms = await over(place, partial(_check, username, peer.pwd))
        except TimeoutError:
            return Tried(candidate, None, "no_answer")
        except StepFailedError as failed:
            return Tried(candidate, None, failed.cause)
        except UnresolvedError:
            return Tried(candidate, None, "name_unknown")
        except ConnectionRefusedError:
            return Tried(candidate, None, "port_closed")
        except ConnectionError:
            return Tried(candidate, None, "connection_closed")
        except OSError:
            return Tried(candidate, None, "unreachable")
        return Tried(candidate, rtt_ms, None, place)

    return list(await asyncio.gather(*map(one, remotes)))


async def _place(candidate: Candidate, limit_s: float) -> Address:
    """Look up a candidate that is a name (RFC 8839 section 5.1); mDNS names are of their link."""
    host, port = candidate.host, candidate.port
    if candidate.address is not None:
        return Address(host, port)
    if host.lower().rstrip(".").endswith(".local"):
        raise StepFailedError("mdns_name", host)
    try:
        async with asyncio.timeout(limit_s):
            return (await resolve(Endpoint(host, port)))[0]
    except TimeoutError as error:
        raise UnresolvedError(f"{host}: no name server answers") from error


async def _over_udp(place: Address, write: Write) -> float:
    """Send checks until one is answered, each a new one: an answer tells which it is to."""
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_datagram_endpoint(_Ear, remote_addr=place)
    try:
        for pause_s in _PAUSES_S:
            transport.sendto(ear.expect(write()))
            await asyncio.wait([ear.rtt_ms], timeout=pause_s)
            if ear.rtt_ms.done():
                return ear.rtt_ms.result()
        raise TimeoutError
    finally:
        transport.close()


class _Ear(asyncio.DatagramProtocol):
    """Waits for the first answer to one of several checks; ``rtt_ms`` counts from that one."""

    def __init__(self) -> None:
        self.rtt_ms: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._sent: list[tuple[stun.Message, Stopwatch]] = []

    def expect(self, request: stun.Message) -> bytes:
        """Wait for the answer to one more check, which is sent now."""
        packed = bytes(request)
        self._sent.append((request, Stopwatch()))
        return packed

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take the answer; anything else is not for us."""
        if self.rtt_ms.done():
            return
        try:
            watch = next((watch for one, watch in self._sent if _is_answer(data, one)), None)
        except StepFailedError as failed:
            self.rtt_ms.set_exception(failed)
            return
        if watch is not None:
            self.rtt_ms.set_result(watch.ms)

    def error_received(self, exc: Exception) -> None:
        """Learn from ICMP that nobody is there."""
        if not self.rtt_ms.done():
            self.rtt_ms.set_exception(exc)


async def _over_tcp(place: Address, write: Write) -> float:
    request = write()
    reader, writer = await asyncio.open_connection(*place)
    try:
        watch = Stopwatch()
        writer.write(framing.packed(bytes(request)))
        while True:
            data = await framing.read(reader)
            if data is None:
                raise StepFailedError("connection_closed", "closed")
            if _is_answer(data, request):
                return watch.ms
    finally:
        writer.close()


def _check(username: str, pwd: str) -> stun.Message:
    """Write a connectivity check (RFC 8445 section 7.2.2), without USE-CANDIDATE."""
    request = stun.Message(stun.Method.BINDING, stun.Class.REQUEST)
    request.attributes["USERNAME"] = username
    request.attributes["PRIORITY"] = _PRFLX_PRIORITY
    request.attributes["ICE-CONTROLLING"] = _TIE_BREAKER
    request.add_message_integrity(pwd.encode())
    return request


def _is_answer(data: bytes, request: stun.Message) -> bool:
    """Tell the answer to a check; raises where the server refuses it."""
    if data[8:20] != request.transaction_id:
        return False
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error, IndexError) as error:
        raise StepFailedError("ice_malformed", f"malformed: {error}") from error
    if message.message_class == stun.Class.ERROR and message.error_code != 487:
        raise StepFailedError("ice_refused", f"refused with {message.error_code}")
    return message.message_class in (stun.Class.RESPONSE, stun.Class.ERROR)
