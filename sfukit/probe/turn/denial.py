"""Causes of a 401 other than the password, and quirks of its realm. Pure."""

from sfukit.probe.steps import StepFailedError
from sfukit.probe.turn import attributes, causes
from sfukit.probe.turn.client import RefusedError

CODES = (401, 438, 441)
_STALE_NONCE = 438


def describe(challenge: RefusedError) -> str:
    """Describe a 401: its realm and password algorithms."""
    realm = challenge.attributes["REALM"]
    algorithms = attributes.password_algorithms(challenge.attributes)
    keys = "" if algorithms is None else f"; password algorithms {', '.join(algorithms) or 'none'}"
    odd = _odd(realm)
    return f"401, realm {realm!r}{f' ({odd})' if odd else ''}{keys}"


def other_cause(
    challenge: RefusedError, signed_for: str, refused: RefusedError
) -> StepFailedError | None:
    """Return the failure that affects every password; None where the credentials may be wrong.

    ``signed_for`` is the realm of the refused request, of the last 401 before it.
    """
    if refused.code == _STALE_NONCE:
        fresh = refused.attributes.get("NONCE")
        return causes.of_refusal(refused) if fresh else causes.nonce_missing()
    realm = refused.attributes.get("REALM")
    if realm is not None and realm != signed_for:
        return causes.realm_changes(signed_for, str(realm))
    algorithms = attributes.password_algorithms(challenge.attributes)
    if algorithms is not None and attributes.MD5 not in algorithms:
        return causes.password_algorithm(algorithms)
    return None


def explained(denied: StepFailedError, challenge: RefusedError, signed_for: str) -> StepFailedError:
    """Add other possible causes: a realm that both sides may hash differently."""
    first = challenge.attributes.get("REALM") or ""
    algorithms = attributes.password_algorithms(challenge.attributes)
    more = ""
    if odd := _odd(first):
        more += f"; the realm {first!r} {odd}, and is hashed with the password: clients may differ"
    if first != signed_for:
        more += f"; the realm was {first!r} at first, then {signed_for!r}"
    if algorithms is not None:
        more += f"; of the password algorithms {', '.join(algorithms)} this was MD5"
    return StepFailedError(denied.cause, denied.found + more, denied.fix)


def _odd(realm: str) -> str:
    """Return why clients and servers may hash a realm differently, or an empty string."""
    if "\0" in realm:
        return "has a NUL in it"
    if realm[:1] == '"' or realm[-1:] == '"':
        return "is quoted (RFC 8489 section 14.9 has no quotes)"
    if "\ufffd" in realm:
        return "is no UTF-8"
    if not realm.isascii():
        return "is not ASCII"
    if realm != realm.strip():
        return "begins or ends with a space"
    return ""
