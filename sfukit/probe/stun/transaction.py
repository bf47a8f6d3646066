"""One STUN transaction (RFC 8489 6.2): sends, response, unexpected responses, ICMP errors."""

import time
from dataclasses import dataclass, field
from typing import Literal

from aioice.stun import Class

from sfukit.probe.printable import printable
from sfukit.probe.resolve import Address
from sfukit.probe.stun.icmp import IcmpError
from sfukit.probe.stun.message import Parsed

Failure = Literal["refused", "prohibited_here", "no_route", "too_big", "icmp_prohibited"]

MOST_UNEXPECTED = 8
MOST_ICMP = 32


@dataclass(frozen=True)
class ReceivedResponse:
    """One response with its source address; ``rtt_ms`` is None after a retransmission."""

    source: Address
    parsed: Parsed
    rtt_ms: float | None


@dataclass
class Transaction:
    """A transaction: a response counts only from an accepted address."""

    to: Address
    accept: frozenset[Address]
    id: str = ""
    sent: int = 0
    unexpected: list[ReceivedResponse] = field(default_factory=list)
    response: ReceivedResponse | None = None
    icmp: list[IcmpError] = field(default_factory=list)
    failure: Failure | None = None
    malformed: str | None = None
    first_sent_s: float = 0.0

    def note_sent(self, now_s: float | None = None) -> None:
        """Count one send."""
        if self.sent == 0:
            self.first_sent_s = time.monotonic() if now_s is None else now_s
        self.sent += 1

    def add_response(self, source: Address, parsed: Parsed, now_s: float) -> bool:
        """Add a response; True where it is from an accepted address.

        One from another address is kept as unexpected: a forged one has to match 96 bits and the
        source address, and a server that ignores CHANGE-REQUEST is detected by it.
        """
        rtt_ms = round((now_s - self.first_sent_s) * 1e3, 2) if self.sent == 1 else None
        heard = ReceivedResponse(source, parsed, rtt_ms)
        if source not in self.accept:
            if len(self.unexpected) < MOST_UNEXPECTED:
                self.unexpected.append(heard)
            return False
        self.response = self.response or heard
        return True

    def add_icmp(self, error: IcmpError) -> None:
        """Add an ICMP error about the transaction, up to ``MOST_ICMP``."""
        if len(self.icmp) < MOST_ICMP:
            self.icmp.append(error)

    def add_malformed(self, source: Address, reason: str) -> None:
        """Note an invalid message from an accepted address; the first is kept."""
        if source in self.accept:
            self.malformed = self.malformed or reason

    @property
    def refused(self) -> bool:
        """Return whether an accepted address sent an error response."""
        return (
            self.response is not None and self.response.parsed.message.message_class == Class.ERROR
        )

    @property
    def has_reply(self) -> bool:
        """Return whether any datagram came from an accepted address."""
        return self.response is not None or self.malformed is not None

    @property
    def anomaly(self) -> str | None:
        """Return what was received instead of a mapped address; None for nothing."""
        if self.mapped is not None:
            return None
        if self.response is None:
            if self.malformed is not None:
                return f"answers, malformed: {self.malformed}"
            return (
                f"answers from {self.unexpected[0].source}, which was not requested"
                if self.unexpected
                else None
            )
        if self.refused:
            code, reason = self.response.parsed.message.attributes.get(
                "ERROR-CODE", ("without a code", "")
            )
            return f"answers with error {code} {printable(reason, 80)}".strip()
        reported = self.response.parsed.reported_address
        if reported is None:
            return "answers, malformed: a success without a mapped address"
        return f"answers with an impossible mapped address: {reported}"

    @property
    def answered(self) -> bool:
        """Return whether an accepted address sent a success response."""
        return (
            self.response is not None
            and self.response.parsed.message.message_class == Class.RESPONSE
        )

    @property
    def error_code(self) -> int | None:
        """Return the code of an error response from an accepted address, or None."""
        return self.response.parsed.message.error_code if self.response else None

    @property
    def mapped(self) -> Address | None:
        """Return the mapped address of the success response."""
        if not self.answered or self.response is None:
            return None
        return self.response.parsed.mapped(self.to)

    @property
    def other(self) -> Address | None:
        """Return the server's other address (RFC 5780 7.4; RFC 3489 11.2.3)."""
        if not self.answered or self.response is None:
            return None
        return self.response.parsed.address("OTHER-ADDRESS", "CHANGED-ADDRESS")

    @property
    def rtt_ms(self) -> float | None:
        """Return the RTT, None where a retransmission makes it ambiguous. Unit: ms."""
        return self.response.rtt_ms if self.response else None
