"""The parts of RFC 8445 priorities, and the score of the articles."""

from collections.abc import Mapping

import msgspec

from sfukit.probe.ice.candidate import IceCandidate

# RFC 8445 section 5.1.2.2 recommends these
_RECOMMENDED: Mapping[str, int] = {"host": 126, "prflx": 110, "srflx": 100, "relay": 0}

_TYPE_SCORE: Mapping[str, float] = {"host": 100, "srflx": 85, "prflx": 85, "relay": 60}
_NETWORK_SCORE: Mapping[str, float] = {"eth": 15, "wlan": 5, "tun": -10}
_RTT_LIMIT_MS = 200.0


class Priority(msgspec.Struct, frozen=True):
    """The parts of a candidate's priority (RFC 8445 section 5.1.2.1)."""

    type_preference: int
    local_preference: int
    component: int

    @classmethod
    def of(cls, number: int) -> "Priority":
        """Split a 32-bit priority."""
        return cls(number >> 24, number >> 8 & 0xFFFF, 256 - (number & 0xFF))

    def usual_for(self, kind: str, transport: str) -> bool:
        """Whether the type preference is the recommended one; TCP is put lower (RFC 6544 4.2)."""
        return transport != "udp" or self.type_preference == _RECOMMENDED.get(kind)


def of_pair(controlling: int, controlled: int) -> int:
    """Compute the priority of a pair (RFC 8445 section 6.1.2.3)."""
    low, high = sorted((controlling, controlled))
    return (low << 32) + 2 * high + (controlling > controlled)


def score(candidate: IceCandidate, rtt_ms: float | None) -> float:
    """Return a candidate's score by the articles that sfukit's diagnostics started from.

    It has type, RTT and network. Their "penalty" for the RTT is a bonus of up to 100; an unknown
    RTT counts 0 here.
    """
    quick = 0.0 if rtt_ms is None else max(0.0, 100 * (1 - min(rtt_ms / _RTT_LIMIT_MS, 1.0)))
    network = _NETWORK_SCORE.get(candidate.network or "", 0.0)
    return _TYPE_SCORE.get(candidate.kind, 0.0) + quick + network
