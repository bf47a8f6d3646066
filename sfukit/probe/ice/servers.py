"""Findings about STUN and TURN servers: silent ones, refused and expired credentials."""

import re
from collections.abc import Iterator, Sequence

from sfukit import units
from sfukit.probe.finding import Finding
from sfukit.probe.ice.case import Case, IceServer, ServerError
from sfukit.probe.ice.outcome import Outcome
from sfukit.probe.ice.pairs import Pair

_EXPIRY = re.compile(r"(\d{9,11})(?::|$)")  # the TURN REST convention: Unix time, then the user
_REFUSED = (400, 401, 403, 431, 437, 438, 441)
_FULL = (486, 508)
NO_ANSWER = 701
"""The code of an unreachable server (W3C webrtc-pc, icecandidateerror)."""


def credentials(case: Case, now_s: float) -> Iterator[Finding]:
    """Distinguish refused TURN credentials from expired ones by the expiry in the user name."""
    at_s = case.recorded_s or now_s
    expired = {
        server.url: at_s - expiry
        for server in case.servers or ()
        if (expiry := _expiry_s(server)) is not None and expiry < at_s
    }
    for url, ago_s in expired.items():
        refused = any(error.url == url and error.code in _REFUSED for error in case.errors)
        yield Finding(
            name="turn_credential_expired",
            state="bad",
            text=f"the credential for {url} had expired {units.show_duration(ago_s)} before",
            fix="issue credentials that outlive a call, and fetch new ones before each",
            evidence=["the server refused it (401)"] if refused else [],
        )
    for error in case.errors:
        if error.code in _REFUSED and error.url not in expired:
            yield _refused(case, error.url, error.code, error.text)
        elif error.code in _FULL:
            yield Finding(
                name="turn_full",
                state="bad",
                text=f"{error.url} refused the allocation: {error.code} {error.text}",
                fix="raise the server's quota or its range of relay ports",
            )


def no_srflx(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    """The local side has no server-reflexive candidate, and why."""
    hosts = [c for c in case.local.candidates if c.kind == "host" and c.transport == "udp"]
    reflexive = any(c.kind in ("srflx", "relay") for c in case.local.candidates)
    if reflexive or case.relay_only or not hosts or case.local.ice_lite:
        return
    if any(host.ip and not host.private for host in hosts):
        return
    silent = [error for error in case.errors if error.code == NO_ANSWER]
    if outcome == "connected" and not silent:
        return
    yield Finding(
        name="no_srflx",
        state="warning" if silent or outcome == "failed" else "note",
        text=f"the local side has no server-reflexive candidate: {_why(case)}",
        fix=_fix(case, silent),
    )


def _fix(case: Case, silent: Sequence[ServerError]) -> str:
    if not silent:
        return "give the client a STUN server that it can reach over UDP"
    if all(is_lookup(error) for error in silent):
        return "check the server's name, or configure another server"
    return "allow UDP to that server, or configure another one"


def lookups(case: Case, outcome: Outcome, pairs: list[Pair]) -> Iterator[Finding]:
    """Distinguish failed DNS lookups from silent servers; both are 701."""
    for error in case.errors:
        if is_lookup(error):
            yield Finding(
                name="server_name_unknown",
                state="warning",
                text=f"the name of {error.url} could not be resolved ({error.text})",
                fix="check the name, and this machine's name server",
            )


def udp_answered(case: Case) -> bool:
    """Whether a server answered over UDP, with an error or not: then UDP passes."""
    errors = any(error.code != NO_ANSWER and _over_udp(error.url) for error in case.errors)
    return errors or any(
        found.kind == "srflx" or (found.kind == "relay" and _over_udp(found.server or ""))
        for found in case.local.candidates
    )


def is_lookup(error: ServerError) -> bool:
    """Whether an error is about a name, and no packet was sent."""
    return error.code == NO_ANSWER and "lookup" in error.text.lower()


def _over_udp(url: str) -> bool:
    return not url.startswith(("turns:", "stuns:")) and "transport=tcp" not in url.lower()


def _why(case: Case) -> str:
    said = [_outcome(error) for error in case.errors]
    if said:
        return "; ".join(said[:3])
    if case.servers is None:
        return "the input does not contain the configured servers (--ice-server)"
    if not case.servers:
        return "no STUN or TURN server was configured"
    return f"{', '.join(server.url for server in case.servers[:3])} sent no response"


def _outcome(error: ServerError) -> str:
    if is_lookup(error):
        return f"{error.url} was not found ({error.text})"
    if error.code == NO_ANSWER:
        return f"{error.url} did not answer ({error.text})"
    return f"{error.url} answered {error.code} {error.text}".strip()


def _refused(case: Case, url: str, code: int, text: str) -> Finding:
    known = next((s for s in case.servers or () if s.url == url and s.username), None)
    said = f"{url} refused the credential: {code} {text}".strip()
    if known is None:
        fix = (
            f"expired or wrong: the record has no user name; add --ice-server '{url},USERNAME' "
            "to distinguish them"
        )
    elif _expiry_s(known) is None:
        fix = "compare user name, password and realm with the server's"
    else:
        fix = "the user name has not expired: the password or the server's secret is wrong"
    return Finding(name="turn_credential_refused", state="bad", text=said, fix=fix)


def _expiry_s(server: IceServer) -> int | None:
    match = _EXPIRY.match(server.username or "")
    return int(match[1]) if match and server.relays else None
