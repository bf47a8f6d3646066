"""One question put to a STUN server: what was sent, what came back, from whom."""

import time
from dataclasses import dataclass, field
from typing import Literal

from aioice.stun import Class

from sfukit.probe.harmless import harmless
from sfukit.probe.resolve import Address
from sfukit.probe.stun.icmp import IcmpError
from sfukit.probe.stun.message import Parsed

Trouble = Literal["refused", "prohibited_here", "no_route", "too_big", "icmp_prohibited"]

MOST_STRAYS = 8
MOST_ICMP = 32


@dataclass(frozen=True)
class Heard:
    """One answer with its true source; ``rtt_ms`` is None where several sends could be meant."""

    source: Address
    parsed: Parsed
    rtt_ms: float | None


@dataclass
class Exchange:
    """A transaction: the answer counts only from an address that was asked to answer."""

    to: Address
    accept: frozenset[Address]
    id: str = ""
    sent: int = 0
    strays: list[Heard] = field(default_factory=list)
    heard: Heard | None = None
    icmp: list[IcmpError] = field(default_factory=list)
    trouble: Trouble | None = None
    malformed: str | None = None
    first_sent_s: float = 0.0

    def note_sent(self, now_s: float | None = None) -> None:
        """Count one send."""
        if self.sent == 0:
            self.first_sent_s = time.monotonic() if now_s is None else now_s
        self.sent += 1

    def take(self, source: Address, parsed: Parsed, now_s: float) -> bool:
        """Take an answer; True where it is the one that was asked for.

        An answer from elsewhere is kept as a stray: who forges one has to guess 96 bits and the
        source address, and a server that ignores CHANGE-REQUEST shows itself there.
        """
        rtt_ms = round((now_s - self.first_sent_s) * 1e3, 2) if self.sent == 1 else None
        heard = Heard(source, parsed, rtt_ms)
        if source not in self.accept:
            if len(self.strays) < MOST_STRAYS:
                self.strays.append(heard)
            return False
        self.heard = self.heard or heard
        return True

    def take_icmp(self, error: IcmpError) -> None:
        """Keep the first ICMP errors about it; routers may send any number."""
        if len(self.icmp) < MOST_ICMP:
            self.icmp.append(error)

    def take_malformed(self, source: Address, reason: str) -> None:
        """Note what came from an expected address and is no answer; the first is kept."""
        if source in self.accept:
            self.malformed = self.malformed or reason

    @property
    def refused(self) -> bool:
        """Tell whether an expected address answered with an error."""
        return self.heard is not None and self.heard.parsed.message.message_class == Class.ERROR

    @property
    def came_back(self) -> bool:
        """Tell whether anything came from an expected address."""
        return self.heard is not None or self.malformed is not None

    @property
    def oddity(self) -> str | None:
        """Say what came in place of an address of ours; None where nothing came, or all is well."""
        if self.mapped is not None:
            return None
        if self.heard is None:
            if self.malformed is not None:
                return f"answers, malformed: {self.malformed}"
            return f"answers from {self.strays[0].source}, not asked" if self.strays else None
        if self.refused:
            code, reason = self.heard.parsed.message.attributes.get(
                "ERROR-CODE", ("without a code", "")
            )
            return f"answers with error {code} {harmless(reason, 80)}".strip()
        told = self.heard.parsed.told
        if told is None:
            return "answers, malformed: a success without a mapped address"
        return f"answers, but the address it names cannot be ours: {told}"

    @property
    def answered(self) -> bool:
        """Tell whether a success came from an expected address."""
        return self.heard is not None and self.heard.parsed.message.message_class == Class.RESPONSE

    @property
    def error_code(self) -> int | None:
        """Tell the code of an error response from an expected address, or None."""
        return self.heard.parsed.message.error_code if self.heard else None

    @property
    def mapped(self) -> Address | None:
        """Tell the address that the server saw."""
        if not self.answered or self.heard is None:
            return None
        return self.heard.parsed.mapped(self.to)

    @property
    def other(self) -> Address | None:
        """Tell the server's other address (RFC 5780 7.4; RFC 3489 11.2.3)."""
        if not self.answered or self.heard is None:
            return None
        return self.heard.parsed.address("OTHER-ADDRESS", "CHANGED-ADDRESS")

    @property
    def rtt_ms(self) -> float | None:
        """Tell the round trip, where it is unambiguous. Unit: ms."""
        return self.heard.rtt_ms if self.heard else None
