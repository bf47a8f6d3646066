"""Causes and fixes for the error codes of a TURN server at each step (RFC 8656 section 19)."""

import ipaddress
from collections.abc import Sequence

from sfukit.probe.steps import StepFailedError
from sfukit.probe.turn import attributes
from sfukit.probe.turn.client import RefusedError
from sfukit.turn.credentials import Credentials, expired_cause

_FORBIDDEN = 403
_UNKNOWN_ATTRIBUTE = 420
_CODES = {
    300: ("try_alternate_300", "the server redirects its clients", "probe that server"),
    401: (
        "credentials_denied_401",
        "the server refuses credentials that it accepted before",
        "is it behind a load balancer, or did the credential expire meanwhile?",
    ),
    400: ("bad_request_400", "the server rejects the request as malformed", "see the server's log"),
    403: ("forbidden_403", "the server forbids the request", "check the server's rules"),
    420: (
        "unknown_attribute_420",
        "the server does not support an attribute that every TURN client sends",
        "is it a TURN server, or STUN only? is TURN enabled?",
    ),
    437: (
        "allocation_mismatch_437",
        "the server lost the allocation",
        "is it behind a load balancer?",
    ),
    438: (
        "nonce_refused_438",
        "the server refuses the nonce that it has just sent, so the password was never checked",
        "do several servers share one name or load balancer, each with its own nonces? "
        "keep a client on one server (source address, or one address per server); "
        "else check the lifetime of nonces (coturn: stale-nonce)",
    ),
    440: (
        "family_unsupported_440",
        "the server does not relay this address family",
        "try the other family",
    ),
    442: ("transport_unsupported_442", "the server does not relay UDP", "enable UDP relaying"),
    441: (
        "wrong_credentials_441",
        "the allocation belongs to other credentials",
        "is it behind a load balancer, or is this port used by another client?",
    ),
    486: (
        "quota_486",
        "this user has as many allocations as the quota allows",
        "raise the quota (coturn: user-quota, total-quota), or delete old allocations",
    ),
    500: ("server_error_500", "the server failed", "see the server's log, and retry later"),
    508: (
        "no_capacity_508",
        "the server has no relay port left",
        "extend the range of relay ports (coturn: min-port, max-port)",
    ),
}


def of_refusal(refused: RefusedError) -> StepFailedError:
    """Return the failure for an error code that is independent of the step."""
    code = refused.code
    fallback = (f"refused_{code}", "the server refuses the request", "see the server's log")
    cause, meaning, fix = _CODES.get(code, fallback)
    named = attributes.unknown(refused.attributes) if code == _UNKNOWN_ATTRIBUTE else []
    found = f"{meaning}: {refused}" + (f" ({', '.join(named)})" if named else "")
    return StepFailedError(cause, found + _unsigned(refused), fix)


def _unsigned(refused: RefusedError) -> str:
    if refused.signed:
        return ""
    return "; without valid MESSAGE-INTEGRITY, so clients ignore it (RFC 8489 section 9.2.5)"


def silent_after_401(timeout_s: float) -> StepFailedError:
    """Return the failure of a server that does not answer the request with credentials."""
    return StepFailedError(
        "silent_after_401",
        f"the server answers 401, but not the request with credentials within {timeout_s:.3g} s",
        "does it wait for its user database, or send authenticated responses from another address? "
        "does a firewall drop packets with a user name?",
    )


def nonce_missing() -> StepFailedError:
    """Return the failure of a 438 without NONCE."""
    return StepFailedError(
        "nonce_missing_438",
        "a 438 (stale nonce) without a new nonce, so no client can authenticate "
        "(RFC 8489 section 9.2.4)",
        "a server bug: update it, or check its lifetime of nonces",
    )


def realm_changes(first: str, second: str) -> StepFailedError:
    """Return the failure of a server whose realm changes with each 401."""
    return StepFailedError(
        "realm_changes",
        f"the realm changes with each 401 ({first!r}, then {second!r}), so no key, which is "
        "hashed with the realm, is ever valid",
        "do several servers behind one name or load balancer have different realms? use one",
    )


def password_algorithm(names: Sequence[str]) -> StepFailedError:
    """Return the failure of a server that does not support MD5 keys."""
    return StepFailedError(
        "password_algorithm_unsupported",
        f"the server supports password algorithms {', '.join(names) or 'none'} only (RFC 8489 "
        "section 14.11); browsers and this probe use MD5",
        "enable MD5 on the server as well",
    )


def of_denied_credentials(
    credentials: Credentials | None, refused: RefusedError, now_s: float
) -> StepFailedError:
    """Return the cause of a 401, which does not name its cause itself."""
    if credentials is None:
        return StepFailedError(
            "credentials_missing",
            "the server requires credentials, and none were given",
            "give --user and --password, or --secret",
        )
    expired = expired_cause(credentials, now_s)
    if expired is not None:
        return StepFailedError(
            expired,
            f"the credential {credentials.username} had expired before its use",
            "request a new credential; is this machine's clock right?",
        )
    secret = credentials.made_from_secret
    return StepFailedError(
        "wrong_password_or_secret",
        f"the server refuses the credential of {credentials.username!r}: {refused}",
        "compare the secret with the server's (coturn: static-auth-secret)"
        if secret
        else "check user and password; for REST credentials, that both sides share one secret",
    )


def clock_skew(username: str) -> StepFailedError:
    """Return the failure of a right secret with differing clocks."""
    return StepFailedError(
        "clock_skew",
        f"the secret is right, but the server treats {username} as expired: the clocks differ",
        "set both clocks (NTP), or use a longer --ttl",
    )


def realm_missing(absent: str) -> StepFailedError:
    """Return the failure of a 401 without REALM or NONCE."""
    return StepFailedError(
        "realm_missing",
        f"the 401 has no {absent}, so no client can authenticate (RFC 8489 section 9.2.4)",
        "set a realm (coturn: realm=example.org)",
    )


def of_refused_peer(peer: str, refused: RefusedError) -> StepFailedError:
    """Return the failure of a refused permission."""
    if refused.code != _FORBIDDEN:
        return of_refusal(refused)
    return StepFailedError(
        "denied_peer_403",
        f"the server does not relay to {peer}: {refused}",
        "allow that range (coturn: allowed-peer-ip, allow-loopback-peers), or give another --peer",
    )


def relay_ports_blocked(relay: str, reached: int, sent: int) -> StepFailedError:
    """Return the failure of an allocation whose relay ports drop packets."""
    way = (
        f"{reached} of {sent} packets arrived at the peer, none returned"
        if reached
        else f"none of {sent} packets arrived"
    )
    return StepFailedError(
        "relay_ports_blocked",
        f"the relay {relay} was allocated, but {way}",
        "open the relay's UDP ports in the server's firewall, both ways (coturn: 49152-65535)",
    )


def peer_silent(peer: str, relay: str, sent: int) -> StepFailedError:
    """Return the failure of a remote peer that echoes no packet."""
    return StepFailedError(
        "peer_silent",
        f"none of {sent} packets through the relay {relay} returned from {peer}",
        "is it a UDP echo server that the relay reaches? omit --peer to test the relay alone",
    )


def relay_address_private(relay: str, server: str) -> StepFailedError:
    """Return the failure of a relayed address of a narrower scope than the server's."""
    return StepFailedError(
        "relay_address_private",
        f"the server is at {server}, but allocates the relayed address {relay}",
        "configure the server's public address (coturn: external-ip=PUBLIC/PRIVATE)",
    )


def reach(ip: str) -> int:
    """Rank the scope of an address: 0 this machine, 1 the link, 2 the site, 3 global."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    if address.is_unspecified or address.is_loopback:
        return 0
    if address.is_link_local:
        return 1
    private = any(address in network for network in _SITE if network.version == address.version)
    return 2 if private else 3


_SITE = tuple(
    ipaddress.ip_network(text)
    for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
