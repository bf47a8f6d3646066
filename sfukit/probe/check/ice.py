"""Connectivity checks of each candidate of the answer (RFC 8445 section 7).

They report a result per address, which an ICE agent does not. No pair is nominated, so the
server's selected pair does not change.
"""

import asyncio
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from aioice import stun

from sfukit.probe.check import framing
from sfukit.probe.check.report import CandidateReport
from sfukit.probe.finding import Step, Stopwatch
from sfukit.probe.resolve import Address, Endpoint, UnresolvedError, resolve
from sfukit.probe.steps import StepFailedError
from sfukit.signaling import candidates
from sfukit.signaling.candidates import Candidate
from sfukit.signaling.descriptions import RemoteDescription
from sfukit.signaling.transport import Credentials

_PAUSES_S = (0.15, 0.25, 0.4, 0.6, 0.8)  # after each send
_PRFLX_PRIORITY = (110 << 24) | (65535 << 8) | 255  # RFC 8445 section 7.1.1
_TIE_BREAKER = 0x5F17_5F17_5F17_5F17
_MOST = 20

Write = Callable[[], stun.Message]


@dataclass(frozen=True)
class CheckedCandidate:
    """The result of one candidate; ``reason`` is a cause, None where it answered.

    ``place`` is its resolved address; ``candidate.host`` may be a name.
    """

    candidate: Candidate
    rtt_ms: float | None
    reason: str | None
    place: Address | None = None

    @property
    def address(self) -> Address:
        """The resolved address, else that of the candidate."""
        return self.place or Address(self.candidate.host, self.candidate.port)

    def report(self) -> CandidateReport:
        """Return the entry of the report."""
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


def sorted_candidates(answer: RemoteDescription) -> list[Candidate]:
    """List the candidates of component 1, each once, by descending priority."""
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


def step_of(checked: CheckedCandidate) -> Step:
    """Return the step of one candidate."""
    one = checked.candidate
    what = f"{one.transport} {checked.address} {one.kind}"
    if checked.reason is None:
        return Step(name="ice", state="ok", ms=round(checked.rtt_ms or 0.0, 2), found=what)
    return Step(name="ice", state="failed", found=what, cause=checked.reason)


async def check_all(
    remotes: Sequence[Candidate], local: Credentials, answer: RemoteDescription, limit_s: float
) -> list[CheckedCandidate]:
    """Check all candidates concurrently."""
    peer = answer.peer
    username = f"{peer.ufrag}:{local.ufrag}"

    async def one(candidate: Candidate) -> CheckedCandidate:
        try:
            place = await _place(candidate, limit_s)
            over = _over_tcp if candidate.transport == "tcp" else _over_udp
            async with asyncio.timeout(limit_s):
                rtt_ms = await over(place, partial(_check, username, peer.pwd))
        except TimeoutError:
            return CheckedCandidate(candidate, None, "no_answer")
        except StepFailedError as failed:
            return CheckedCandidate(candidate, None, failed.cause)
        except UnresolvedError:
            return CheckedCandidate(candidate, None, "name_unknown")
        except ConnectionRefusedError:
            return CheckedCandidate(candidate, None, "port_closed")
        except ConnectionError:
            return CheckedCandidate(candidate, None, "connection_closed")
        except OSError:
            return CheckedCandidate(candidate, None, "unreachable")
        return CheckedCandidate(candidate, rtt_ms, None, place)

    return list(await asyncio.gather(*map(one, remotes)))


async def _place(candidate: Candidate, limit_s: float) -> Address:
    """Resolve a candidate that is a name (RFC 8839 section 5.1), except mDNS names."""
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
    """Send checks until one is answered, each a new transaction, so that the RTT is unambiguous."""
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(_CheckProtocol, remote_addr=place)
    try:
        for pause_s in _PAUSES_S:
            transport.sendto(protocol.expect(write()))
            await asyncio.wait([protocol.rtt_ms], timeout=pause_s)
            if protocol.rtt_ms.done():
                return protocol.rtt_ms.result()
        raise TimeoutError
    finally:
        transport.close()


class _CheckProtocol(asyncio.DatagramProtocol):
    """Waits for the first response to one of several checks; ``rtt_ms`` is from that check."""

    def __init__(self) -> None:
        self.rtt_ms: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._sent: list[tuple[stun.Message, Stopwatch]] = []

    def expect(self, request: stun.Message) -> bytes:
        """Add a check that is sent now; return its bytes."""
        packed = bytes(request)
        self._sent.append((request, Stopwatch()))
        return packed

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Receive a response; other datagrams are ignored."""
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
        """Note an ICMP error, such as port unreachable."""
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
    """Return the answer to a check; raises where the server refuses it."""
    if data[8:20] != request.transaction_id:
        return False
    try:
        message = stun.parse_message(data)
    except (ValueError, struct.error, IndexError) as error:
        raise StepFailedError("ice_malformed", f"malformed: {error}") from error
    if message.message_class == stun.Class.ERROR and message.error_code != 487:
        raise StepFailedError("ice_refused", f"refused with {message.error_code}")
    return message.message_class in (stun.Class.RESPONSE, stun.Class.ERROR)
