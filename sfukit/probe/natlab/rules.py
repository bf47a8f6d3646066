"""The nftables rules that make each kind of NAT; a kind is one row of ``KINDS``.

Every NAT also has an input chain that drops unsolicited packets: without it a peer's early packet
creates an entry of the NAT's own connection tracking, which occupies the mapping that a client
needs later.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

WAN, LAN = "wan", "lan"  # the interfaces of a NAT

_PORTS_FROM = 40_000


@dataclass(frozen=True)
class Place:
    """The external address and the internal network of a NAT."""

    wan_ip: str
    lan_network: str


@dataclass(frozen=True)
class Kind:
    """A kind of NAT by what a probe should find (RFC 4787 names), and the rules that make it.

    ``routed`` translates nothing: the network behind it is part of the public one.
    """

    mapping: str
    filtering: str
    allocation: str
    chains: Callable[[Place], str]
    forward: str = ""
    udp_blocked: bool = False
    hairpin: bool = False
    routed: bool = False


def ruleset(kind: Kind, place: Place, loss_percent: int) -> str:
    """Write the whole ruleset of one NAT; loss strikes each way by itself."""
    loss = f"meta l4proto udp numgen random mod 100 < {loss_percent} drop" if loss_percent else ""
    return "\n".join(
        [
            "table ip lab {",
            kind.chains(place),
            "chain through {",
            "type filter hook forward priority 0; policy drop;",
            loss,
            kind.forward,
            f"iifname {LAN} accept",
            f"oifname {LAN} ct state established,related accept",
            f"oifname {LAN} ct status dnat accept",
            "}",
            "chain itself {",
            "type filter hook input priority 0; policy drop;",
            "ct state established,related accept",
            f"iifname {LAN} reject with icmp port-unreachable",
            "}",
            "}",
        ]
    )


def _post(rule: str) -> str:
    return f"chain post {{\ntype nat hook postrouting priority 100;\n{rule}\n}}"


def _pre(rule: str) -> str:
    return f"chain pre {{\ntype nat hook prerouting priority -100;\n{rule}\n}}"


def _ports(count: int) -> str:
    """Spell the map: with a plain range the kernel would choose ports in its own steps."""
    return "{ " + ", ".join(f"{n} : {_PORTS_FROM + n}" for n in range(count)) + " }"


def _masquerade(place: Place) -> str:
    return _post(f"oifname {WAN} masquerade")


def _random(place: Place) -> str:
    return _post(f"oifname {WAN} masquerade fully-random")


def _sequential(place: Place) -> str:
    return _snat(place, f"numgen inc mod 1024 map {_ports(1024)}")


def _hashed(fields: str) -> Callable[[Place], str]:
    def chains(place: Place) -> str:
        return _snat(place, f"jhash {fields} mod 4096 seed 0x5eed map {_ports(4096)}")

    return chains


def _snat(place: Place, to_port: str) -> str:
    rest = f"oifname {WAN} masquerade"
    return _post(f"oifname {WAN} meta l4proto udp snat ip to {place.wan_ip} : {to_port}\n{rest}")


_BIND = "map bind {\ntype inet_service : ipv4_addr; flags dynamic,timeout; timeout 60s;\n}"
_PERM = "set perm {\ntype inet_service . ipv4_addr; flags dynamic,timeout; timeout 60s;\n}"


def _full_cone(place: Place) -> str:
    post = f"oifname {WAN} meta l4proto udp update @bind {{ udp sport : ip saddr }} masquerade"
    pre = f"iifname {WAN} meta l4proto udp dnat to udp dport map @bind"
    return "\n".join([_BIND, _post(f"{post}\noifname {WAN} masquerade"), _pre(pre)])


def _address_restricted(place: Place) -> str:
    post = f"oifname {WAN} meta l4proto udp update @bind {{ udp sport : ip saddr }} masquerade"
    pre = f"iifname {WAN} udp dport . ip saddr @perm dnat to udp dport map @bind"
    return "\n".join([_BIND, _PERM, _post(f"{post}\noifname {WAN} masquerade"), _pre(pre)])


def _hairpin(place: Place) -> str:
    inside = place.lan_network
    post = [
        f"ip saddr {inside} ip daddr {inside} snat to {place.wan_ip}",
        f"oifname {WAN} meta l4proto udp update @bind {{ udp sport : ip saddr }} masquerade",
        f"oifname {WAN} masquerade",
    ]
    pre = f"ip daddr {place.wan_ip} meta l4proto udp dnat to udp dport map @bind"
    return "\n".join([_BIND, _post("\n".join(post)), _pre(pre)])


def _none(place: Place) -> str:
    return ""


KINDS: Mapping[str, Kind] = {
    "open": Kind(
        "EIM", "EIF", "port_preservation", _none, forward=f"oifname {LAN} accept", routed=True
    ),
    "firewall": Kind("EIM", "APDF", "port_preservation", _none, routed=True),
    "full-cone": Kind("EIM", "EIF", "port_preservation", _full_cone),
    "address-restricted": Kind(
        "EIM",
        "ADF",
        "port_preservation",
        _address_restricted,
        forward=f"iifname {LAN} meta l4proto udp update @perm {{ udp sport . ip daddr }}",
    ),
    "port-restricted": Kind("EIM", "APDF", "port_preservation", _masquerade),
    "eim-not-preserving": Kind("EIM", "APDF", "block", _hashed("ip saddr . udp sport")),
    "adm": Kind("ADM", "APDF", "block", _hashed("ip saddr . udp sport . ip daddr")),
    "apdm": Kind("APDM", "APDF", "block", _hashed("ip saddr . udp sport . ip daddr . udp dport")),
    "symmetric-random": Kind("APDM", "APDF", "random", _random),
    "symmetric-sequential": Kind("APDM", "APDF", "sequential", _sequential),
    "hairpin": Kind("EIM", "EIF", "port_preservation", _hairpin, hairpin=True),
    "udp-blocked": Kind(
        "unknown",
        "unknown",
        "unknown",
        _masquerade,
        forward="meta l4proto udp drop",
        udp_blocked=True,
    ),
}
"""By name; a CGNAT is two of them in a row, built by the topology."""
