"""Why no candidate of an answer answers, from what is common to them. Pure."""

import ipaddress
from collections.abc import Sequence

from sfukit.probe.check.ice import Tried
from sfukit.probe.course import StepFailedError


def fault(tried: Sequence[Tried], server_ip: str) -> StepFailedError:
    """Name the cause and the remedy."""
    if not tried:
        return StepFailedError(
            "no_candidates",
            "the answer names no address for media",
            "does the server know its own address, or does it trickle candidates?",
        )
    causes = {one.reason for one in tried}
    if causes == {"mdns_name"}:
        return StepFailedError(
            "mdns_only", "all its candidates are mDNS names", "let the server name its addresses"
        )
    if _hidden(tried, server_ip):
        hosts = ", ".join(dict.fromkeys(one.candidate.host for one in tried))
        return StepFailedError(
            "sfu_private_host_candidate",
            f"the server offers only {hosts}, which is not where it was reached ({server_ip})",
            f"let it advertise {server_ip} (sfukit serve --advertise {server_ip})",
        )
    if "ice_refused" in causes:
        return StepFailedError(
            "ice_refused", "the media port refuses the answer's own credentials", "see its log"
        )
    if "ice_malformed" in causes:
        return StepFailedError(
            "ice_malformed",
            f"the media port answers, but what comes is malformed STUN ({_ports(tried)})",
            "is it the SFU that has this port?",
        )
    return _dropped(tried) or _turned_away(tried)


def _dropped(tried: Sequence[Tried]) -> StepFailedError | None:
    """Say that packets vanish, where a candidate was silent; UDP first, which is most media."""
    for transport in ("udp", "tcp"):
        silent = [one for one in tried if one.reason == "no_answer"]
        ports = _ports([one for one in silent if one.candidate.transport == transport])
        if ports:
            return StepFailedError(
                f"{transport}_blocked",
                f"no candidate answers ({ports}): something on the way drops the packets",
                f"open the media port for {transport.upper()} in the server's firewall "
                f"({ports}), both ways",
            )
    return None


def _turned_away(tried: Sequence[Tried]) -> StepFailedError:
    """Say what became of candidates of which none was silent: what was nearest to an answer."""
    causes = {one.reason for one in tried}
    if "connection_closed" in causes:
        return StepFailedError(
            "connection_closed",
            f"the media port takes connections and closes them ({_ports(tried)})",
            "does something else listen there, or a proxy in between?",
        )
    if "port_closed" in causes:
        return StepFailedError(
            "media_port_closed",
            f"nothing listens on the media port ({_ports(tried)})",
            "is the media port the one it advertises, or is a port mapping missing?",
        )
    hosts = ", ".join(dict.fromkeys(one.candidate.host for one in tried))
    if causes == {"name_unknown"}:
        return StepFailedError(
            "name_unknown",
            f"its candidates are names that have no address ({hosts})",
            "let the server advertise its addresses, or names that this network knows",
        )
    return StepFailedError(
        "unreachable",
        f"there is no way from here to its addresses ({hosts})",
        "check what the server advertises, and this machine's network (IPv4, IPv6)",
    )


def _ports(tried: Sequence[Tried]) -> str:
    return ", ".join(sorted({f"{t.candidate.transport} {t.candidate.port}" for t in tried}))


def _hidden(tried: Sequence[Tried], server_ip: str) -> bool:
    """Tell whether a server that was reached elsewhere offers nothing but inner addresses."""
    known = [one.candidate.address for one in tried]
    if any(address is None for address in known) or server_ip in {str(one) for one in known}:
        return False
    server = ipaddress.ip_address(server_ip.partition("%")[0])
    return (
        all(one is not None and (one.is_private or one.is_loopback) for one in known)
        or server.is_loopback
    )
