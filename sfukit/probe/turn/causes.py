"""What a TURN server's error codes mean at each stage, and what to do (RFC 8656 section 19)."""

import ipaddress
from collections.abc import Sequence

from sfukit.probe.course import StepFailedError
from sfukit.probe.turn import attributes
from sfukit.probe.turn.client import RefusedError
from sfukit.probe.turn.credentials import Credentials, expired_cause

_FORBIDDEN = 403
_UNKNOWN_ATTRIBUTE = 420
_CODES = {
    300: ("try_alternate_300", "the server sends its clients elsewhere", "probe that server"),
    401: (
        "credentials_denied_401",
        "the server refuses the credentials that it took before",
        "is it behind a balancer, or did the credential end meanwhile?",
    ),
    400: ("bad_request_400", "the server takes the request for malformed", "look into its log"),
    403: ("forbidden_403", "the server forbids it", "look into the server's rules"),
    420: (
        "unknown_attribute_420",
        "the server does not know what every TURN client sends",
        "is it a TURN server, or one for STUN alone? is TURN switched on?",
    ),
    437: ("allocation_mismatch_437", "the server lost the allocation", "is it behind a balancer?"),
    438: (
        "nonce_refused_438",
        "the server refuses the nonce that it has just given, so the password was never looked at",
        "do several servers behind one name or balancer take turns, each with nonces of its own? "
        "keep a client on one server (source address, or one address per server); "
        "else look at the lifetime of nonces (coturn: stale-nonce)",
    ),
    440: ("family_unsupported_440", "the server relays no such addresses", "try the other family"),
    442: ("transport_unsupported_442", "the server relays no UDP", "let it relay UDP"),
    441: (
        "wrong_credentials_441",
        "the allocation belongs to other credentials",
        "is it behind a balancer, or is this port used by another client?",
    ),
    486: (
        "quota_486",
        "this user has as many allocations as the quota allows",
        "raise the quota (coturn: user-quota, total-quota), or end old allocations",
    ),
    500: ("server_error_500", "the server failed", "look into its log, and ask again later"),
    508: (
        "no_capacity_508",
        "the server has no relay port left",
        "widen its range of relay ports (coturn: min-port, max-port)",
    ),
}


def of_refusal(refused: RefusedError) -> StepFailedError:
    """Name an error code, where it needs no more than the code to be understood."""
    code = refused.code
    fallback = (f"refused_{code}", "the server refuses", "see its log")
    cause, meaning, fix = _CODES.get(code, fallback)
    named = attributes.unknown(refused.attributes) if code == _UNKNOWN_ATTRIBUTE else []
    found = f"{meaning}: {refused}" + (f" ({', '.join(named)})" if named else "")
    return StepFailedError(cause, found + _unsigned(refused), fix)


def _unsigned(refused: RefusedError) -> str:
    if refused.signed:
        return ""
    return "; it is not signed with the password, so clients ignore it (RFC 8489 section 9.2.5)"


def silent_after_401(timeout_s: float) -> StepFailedError:
    """Say that only the request with credentials gets no answer."""
    return StepFailedError(
        "silent_after_401",
        f"the server answers 401, and then nothing to the request with credentials "
        f"within {timeout_s:.3g} s",
        "does it wait for its database of users, or send signed answers from another address? "
        "does a firewall drop what carries a user name?",
    )


def nonce_missing() -> StepFailedError:
    """Say that a 438 lacks the nonce that it is about."""
    return StepFailedError(
        "nonce_missing_438",
        "a 438 (stale nonce) without a new nonce, so no client can answer it "
        "(RFC 8489 section 9.2.4)",
        "the server is broken there: update it, or look at its lifetime of nonces",
    )


def realm_changes(first: str, second: str) -> StepFailedError:
    """Say that no password can be right, since each 401 is of another realm."""
    return StepFailedError(
        "realm_changes",
        f"the server names another realm with each 401 ({first!r}, then {second!r}), so the "
        "password, which is hashed with it, is never the one that is wanted",
        "do several servers behind one name or balancer differ in their realm? give them one",
    )


def password_algorithm(names: Sequence[str]) -> StepFailedError:
    """Say that the server takes only keys that neither browsers nor this probe make."""
    return StepFailedError(
        "password_algorithm_unsupported",
        f"the server takes keys by {', '.join(names) or 'no algorithm'} alone (RFC 8489 section "
        "14.11); browsers and this probe make them by MD5",
        "let the server take MD5 as well",
    )


def of_denied_credentials(
    credentials: Credentials | None, refused: RefusedError, now_s: float
) -> StepFailedError:
    """Tell apart why a server answers 401; it never says so itself."""
    if credentials is None:
        return StepFailedError(
            "credentials_missing",
            "the server wants credentials, and none were given",
            "give --user and --password, or --secret",
        )
    expired = expired_cause(credentials, now_s)
    if expired is not None:
        return StepFailedError(
            expired,
            f"the credential {credentials.username} was over before it was used",
            "ask for a new credential; is this machine's clock right?",
        )
    secret = credentials.made_from_secret
    return StepFailedError(
        "wrong_password_or_secret",
        f"the server refuses the credential of {credentials.username!r}: {refused}",
        "compare the secret with the server's (coturn: static-auth-secret)"
        if secret
        else "check user and password; for REST credentials, that both sides have one secret",
    )


def clock_skew(username: str) -> StepFailedError:
    """Say that the secret is right but the times are not."""
    return StepFailedError(
        "clock_skew",
        f"the secret is right, but the server takes {username} for expired: the clocks differ",
        "set both clocks (NTP), or use a longer --ttl",
    )


def realm_missing(absent: str) -> StepFailedError:
    """Say that a 401 lacks what a client needs to sign its next request."""
    return StepFailedError(
        "realm_missing",
        f"the 401 carries no {absent}, so no client can answer it (RFC 8489 section 9.2.4)",
        "set a realm (coturn: realm=example.org)",
    )


def of_refused_peer(peer: str, refused: RefusedError) -> StepFailedError:
    """Say that the server will not relay to a peer, or what else its code means."""
    if refused.code != _FORBIDDEN:
        return of_refusal(refused)
    return StepFailedError(
        "denied_peer_403",
        f"the server does not relay to {peer}: {refused}",
        "allow that range (coturn: allowed-peer-ip, allow-loopback-peers), or give another --peer",
    )


def relay_ports_blocked(relay: str, reached: int, sent: int) -> StepFailedError:
    """Say that the server allocates, but media does not come through its relay ports."""
    way = (
        f"towards the peer {reached} of {sent} packets arrived, back none"
        if reached
        else f"none of {sent} packets arrived"
    )
    return StepFailedError(
        "relay_ports_blocked",
        f"the relay {relay} was allocated, but {way}",
        "open the relay's UDP ports in the server's firewall, both ways (coturn: 49152-65535)",
    )


def peer_silent(peer: str, relay: str, sent: int) -> StepFailedError:
    """Say that nothing came back from a peer elsewhere; where it was lost is not known here."""
    return StepFailedError(
        "peer_silent",
        f"none of {sent} packets by the relay {relay} came back from {peer}",
        "is it a UDP echo server that the relay reaches? leave --peer out to test the relay alone",
    )


def relay_address_private(relay: str, server: str) -> StepFailedError:
    """Say that the relay's address can be reached by fewer than the server's."""
    return StepFailedError(
        "relay_address_private",
        f"the server is at {server}, but hands out the relay address {relay}",
        "tell the server its public address (coturn: external-ip=PUBLIC/PRIVATE)",
    )


def reach(ip: str) -> int:
    """Rank an address by who can send to it: 0 this machine, 1 this link, 2 this site, 3 all."""
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
