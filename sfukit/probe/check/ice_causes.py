"""Why no candidate of an answer responds, from what their results have in common. Pure."""

import ipaddress
from collections.abc import Sequence

from sfukit.probe.check.ice import CheckedCandidate
from sfukit.probe.steps import StepFailedError


def fault(checked: Sequence[CheckedCandidate], server_ip: str) -> StepFailedError:
    """Return the failure with its cause and fix."""
    if not checked:
        return StepFailedError(
            "no_candidates",
            "the answer has no candidate",
            "is the server's address configured, or does it trickle candidates?",
        )
    causes = {one.reason for one in checked}
    if causes == {"mdns_name"}:
        return StepFailedError(
            "mdns_only", "all candidates are mDNS names", "let the server offer its IP addresses"
        )
    if _hidden(checked, server_ip):
        hosts = ", ".join(dict.fromkeys(one.candidate.host for one in checked))
        return StepFailedError(
            "sfu_private_host_candidate",
            f"the server offers only {hosts}, but it was reached at {server_ip}",
            f"let it advertise {server_ip} (sfukit serve --advertise {server_ip})",
        )
    if "ice_refused" in causes:
        return StepFailedError(
            "ice_refused",
            "the media port refuses the answer's own ICE credentials",
            "see the server's log",
        )
    if "ice_malformed" in causes:
        return StepFailedError(
            "ice_malformed",
            f"the media port answers with malformed STUN ({_ports(checked)})",
            "is this the SFU's port?",
        )
    return _dropped(checked) or _turned_away(checked)


def _dropped(checked: Sequence[CheckedCandidate]) -> StepFailedError | None:
    """Return the failure of candidates without any answer, UDP first; None where all answered."""
    for transport in ("udp", "tcp"):
        silent = [one for one in checked if one.reason == "no_answer"]
        ports = _ports([one for one in silent if one.candidate.transport == transport])
        if ports:
            return StepFailedError(
                f"{transport}_blocked",
                f"no candidate answers ({ports}): a firewall on the path drops the packets",
                f"open the media port for {transport.upper()} in the server's firewall "
                f"({ports}), both ways",
            )
    return None


def _turned_away(checked: Sequence[CheckedCandidate]) -> StepFailedError:
    """Return the failure of candidates that were all refused, by the most specific cause."""
    causes = {one.reason for one in checked}
    if "connection_closed" in causes:
        return StepFailedError(
            "connection_closed",
            f"the media port accepts connections and closes them ({_ports(checked)})",
            "does another program use this port, or a proxy on the path?",
        )
    if "port_closed" in causes:
        return StepFailedError(
            "media_port_closed",
            f"the media port is closed ({_ports(checked)})",
            "is it the advertised media port, or is a port mapping missing?",
        )
    hosts = ", ".join(dict.fromkeys(one.candidate.host for one in checked))
    if causes == {"name_unknown"}:
        return StepFailedError(
            "name_unknown",
            f"the candidates are names without an address ({hosts})",
            "let the server advertise IP addresses, or names that this network resolves",
        )
    return StepFailedError(
        "unreachable",
        f"no route from this host to the candidates ({hosts})",
        "check what the server advertises, and this machine's network (IPv4, IPv6)",
    )


def _ports(checked: Sequence[CheckedCandidate]) -> str:
    return ", ".join(sorted({f"{t.candidate.transport} {t.candidate.port}" for t in checked}))


def _hidden(checked: Sequence[CheckedCandidate], server_ip: str) -> bool:
    """Return whether a server that was reached at another address offers private addresses only."""
    known = [one.candidate.address for one in checked]
    if any(address is None for address in known) or server_ip in {str(one) for one in known}:
        return False
    server = ipaddress.ip_address(server_ip.partition("%")[0])
    return (
        all(one is not None and (one.is_private or one.is_loopback) for one in known)
        or server.is_loopback
    )
