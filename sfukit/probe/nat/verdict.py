"""Conclusions from the measured behaviour: peer to peer, an SFU, TURN. Pure; no guesses."""

from collections.abc import Iterable, Sequence

from sfukit.probe.nat.lifetime import Lifetime
from sfukit.probe.nat.ports import HIGH_PORT
from sfukit.probe.nat.report import Classic, Level, Nat, PeerAnswer, PortResult, Works

_CLASSIC: dict[str, Classic] = {
    "EIF": "full cone",
    "ADF": "address-restricted cone",
    "APDF": "port-restricted cone",
}
_OPEN_INTERNET: dict[str, Classic] = {"EIF": "open internet", "ADF": "firewall", "APDF": "firewall"}
_TO_SYMMETRIC: dict[str, PeerAnswer] = {"EIF": "yes", "ADF": "yes", "APDF": "no"}
_LONGEST_KEEPALIVE_S = 25
_PEERS = ("open", "full_cone", "address_restricted", "port_restricted", "symmetric")


def classic(present: bool | None, mapping: str, filtering: str, dependent: bool | None) -> Classic:
    """Return the NAT type of RFC 3489 where mapping and filtering are known."""
    if dependent:
        return "symmetric"
    if present is False:
        return _OPEN_INTERNET.get(filtering, "no NAT")
    if mapping != "EIM":
        return "unknown"
    return _CLASSIC.get(filtering, "cone")


def peers(nat: Nat, udp: str) -> dict[str, PeerAnswer]:
    """Return for each NAT type of a peer whether hole punching can work with ICE (RFC 8445).

    The port of a symmetric NAT is known to the peer only from the packet itself (peer-reflexive
    candidate), which passes EIF and ADF filtering. ICE pairs candidates, so no port prediction.
    """
    if udp == "blocked":
        return dict.fromkeys(_PEERS, "no")
    return {peer: _peer(nat, peer) for peer in _PEERS}


def _peer(nat: Nat, peer: str) -> PeerAnswer:
    dependent, filtering = nat.endpoint_dependent, nat.filtering
    if dependent is None:
        return "unknown"
    if dependent:
        # our mapped port towards the peer is a new one: the peer must not filter by port
        return "yes" if peer in ("open", "full_cone", "address_restricted") else "no"
    if peer != "symmetric":
        return "yes"
    # the peer's mapped port towards us is a new one for our filtering
    return _TO_SYMMETRIC.get(filtering, "unknown")


def turn(answers: dict[str, PeerAnswer], udp: str) -> str:
    """Return for which peers a relay is needed."""
    if udp == "blocked":
        return "always"
    if all(answer == "unknown" for answer in answers.values()):
        return "unknown"
    needed = [peer for peer, answer in answers.items() if answer == "no"]
    if "port_restricted" in needed:
        return "most_peers"
    if needed == ["symmetric"]:
        return "symmetric_peers"
    return "no" if answers["symmetric"] == "yes" else "unknown"


def sfu(ports: Sequence[PortResult], sfu_port: PortResult | None, udp: str) -> tuple[str, str]:
    """Return whether UDP reaches an SFU: by its media port, else ``likely`` by several ports."""
    if sfu_port is not None:
        where = f"{sfu_port.host}:{sfu_port.port}"
        if sfu_port.state == "open":
            return "yes", f"the media port {where} answers"
        if sfu_port.state == "reached":
            return "unknown", f"no server listens on {where}, though UDP reaches the host"
        return "unknown", f"no answer from {where}: UDP blocked, or no STUN there (serve --stun)"
    if udp == "blocked":
        return "no", "UDP is blocked"
    passing = {p.port for p in ports if p.transport == "udp" and p.state in ("open", "reached")}
    if {3478, 443, HIGH_PORT} <= passing:
        return (
            "likely",
            f"UDP reaches 3478, 443 and {HIGH_PORT}; your SFU's port not tested (--sfu)",
        )
    return "unknown", "your SFU's port not tested (--sfu)"


def keepalive_s(lifetime: Lifetime | None) -> int | None:
    """Return the keepalive interval for UDP without other traffic; None without a measurement."""
    bounds = lifetime.oneshot if lifetime else None
    if bounds is None or bounds.at_least_s is None:
        return None
    return max(1, min(_LONGEST_KEEPALIVE_S, int(bounds.at_least_s / 2)))


def weakest(found: Iterable[Level]) -> Level:
    """Return the lowest confidence of the findings; "none" without findings."""
    return min(found, key=("none", "low", "medium", "high").index, default="none")


def works(
    nat: Nat,
    *,
    udp: str,
    ports: Sequence[PortResult],
    sfu_port: PortResult | None,
    lifetime: Lifetime | None,
) -> Works:
    """Combine the conclusions and list the advice."""
    answers = peers(nat, udp)
    sfu_udp, sfu_reason = sfu(ports, sfu_port, udp)
    needed = turn(answers, udp)
    return Works(
        udp=udp,  # type: ignore[arg-type]
        p2p_by_peer_type=answers,
        sfu_udp=sfu_udp,  # type: ignore[arg-type]
        sfu_reason=sfu_reason,
        turn_needed=needed,  # type: ignore[arg-type]
        open_ports=sorted({p.port for p in ports if p.transport == "udp" and p.state == "open"}),
        keepalive_s=keepalive_s(lifetime),
        advice=list(_advice(nat, udp, needed, ports, lifetime)),
    )


def _advice(
    nat: Nat, udp: str, needed: str, ports: Sequence[PortResult], lifetime: Lifetime | None
) -> Iterable[str]:
    if udp == "blocked":
        open_tcp = any(p.transport == "tcp" and p.port == 443 and p.state == "open" for p in ports)
        yield "allow outbound UDP 3478 and your SFU's media range" + (
            "; until then TURN over TLS on 443 works"
            if open_tcp
            else ", or offer TURN over TLS on 443"
        )
        return
    if needed == "most_peers":
        yield "give browsers a TURN server; ICE cannot traverse this mapping directly"
    elif needed == "symmetric_peers":
        yield "keep a TURN server for peers behind symmetric NATs; a public SFU needs none"
    if nat.pooling == "arbitrary":
        yield "mapped addresses change between sockets: only TURN is certain between peers"
    short = lifetime.oneshot.below_s if lifetime and lifetime.oneshot else None
    if short is not None and short <= 10:
        yield f"mappings expire within {short:g} s: lower keepalives even for WebRTC media"
