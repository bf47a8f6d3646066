"""The allocations of a run on its TURN server, and why others failed. No I/O."""

from collections import Counter
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, field

from sfukit.swarm.messages import Allocated

PREFIX = "turn_"
_MAX_CODES = 32
_OTHER = "turn_error"
_MAX_ALLOCATIONS = 100_000
_CAUSES: Mapping[str, str] = {
    "turn_timeout": "the TURN server does not respond",
    "turn_connection_refused": "the TURN server refused the TCP connection",
    "turn_connection_closed": "the TURN server closed the connection",
    "turn_tls_failed": "TLS with the TURN server failed: --cacert names a certificate to trust",
    "turn_unauthorized": (
        "401: the TURN server refused the credential: check --turn-user and --turn-password, or "
        "--turn-secret and the clocks of both machines"
    ),
    "turn_wrong_credentials": "441: the TURN server has the allocation under another user name",
    "turn_forbidden": (
        "403: the TURN server does not relay to the addresses of the target; coturn: "
        "--allowed-peer-ip, or --allow-loopback-peers for a target on this machine"
    ),
    "turn_allocation_quota_reached": (
        "486: the TURN server allows this user no further allocation; coturn: --user-quota, "
        "--total-quota"
    ),
    "turn_insufficient_capacity": (
        "508: the TURN server has no free relay port; coturn: --min-port, --max-port"
    ),
    "turn_address_family_not_supported": "440: the TURN server relays no IPv6 addresses",
    "turn_unsupported_transport": "442: the TURN server relays no UDP",
    "turn_allocation_mismatch": "437: the TURN server no longer has the allocation",
    "turn_stale_nonce": "438: the TURN server refused each nonce that it gave as stale",
    "turn_try_alternate": (
        "300: the TURN server names another server without a usable address: give it by --turn"
    ),
    "turn_alternate_not_allowed": (
        "300: the TURN server names another server; if that is yours, allow it by --allow-host"
    ),
    "turn_alternate_loop": (
        "300: the TURN servers name each other, or more than three in a row; give another by --turn"
    ),
}


@dataclass
class Relays:
    """The allocations by transport: the bot, when it was made, and how long that took."""

    made: list[tuple[int, float]] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def allocated(self, bot: int, event: Allocated) -> None:
        """Record an allocation."""
        if len(self.made) < _MAX_ALLOCATIONS:
            self.made.append((bot, event.allocate_ms))

    def failed(self, reason: str) -> tuple[str, str]:
        """Record a failure by the reason of the swarm; return its code and a sentence."""
        code, _, detail = reason.partition(":")
        if code not in self.failures and len(self.failures) >= _MAX_CODES:
            code = _OTHER
        self.failures[code] += 1
        cause = _CAUSES.get(code, "the TURN server could not be used")
        return code, f"{cause}:{detail}" if detail else cause

    def allocate_ms(self, members: Container[int] | None = None) -> Iterator[float]:
        """Return how long the allocations took, of all bots or of some."""
        return (ms for bot, ms in self.made if members is None or bot in members)
