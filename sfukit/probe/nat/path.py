"""The routers on the path: a traceroute of datagrams with increasing TTL (Linux: IP_RECVERR)."""

import asyncio
import socket
from typing import Literal

import msgspec

from sfukit.probe import system
from sfukit.probe.nat.context import Context
from sfukit.probe.resolve import Address, is_private, is_shared
from sfukit.probe.stun.transaction import Transaction

TriState = Literal["yes", "no", "unknown"]

_HOPS = 8
_HOPS_TO_SELF = 4
_DISCARD = 9  # RFC 863, a port without a server


class Path(msgspec.Struct, frozen=True, kw_only=True):
    """The NATs between this host and the public network, with the evidence for each statement."""

    cgnat: TriState = "unknown"
    double_nat: TriState = "unknown"
    hops: list[str | None] = []
    hops_to_public_address: int | None = None
    evidence: list[str] = []
    reason: str | None = None


async def trace(context: Context, to: Address) -> list[str | None] | None:
    """List the routers towards an address, at most eight hops; None without Linux."""
    if not system.linux():
        return None
    transactions = await asyncio.gather(*(_hop(context, to, ttl) for ttl in range(1, _HOPS + 1)))
    hops: list[str | None] = []
    for transaction in transactions:
        offender = _expired(transaction)
        if transaction.response is not None or (
            offender is None and transaction.failure == "refused"
        ):
            break
        hops.append(offender)
    while hops and hops[-1] is None:
        hops.pop()
    return hops


async def hops_to(context: Context, public_ip: str) -> int | None:
    """Count the hops to this host's own mapped address; None without an answer."""
    to = Address(public_ip, _DISCARD)
    if not system.linux() or to.family != Address(context.local_ip, 0).family:
        return None
    transactions = await asyncio.gather(
        *(_hop(context, to, ttl) for ttl in range(1, _HOPS_TO_SELF + 1))
    )
    for ttl, transaction in enumerate(transactions, 1):
        if any(error.offender == public_ip for error in transaction.icmp):
            return ttl
    return None


async def _hop(context: Context, to: Address, ttl: int) -> Transaction:
    with context.socket() as sock:
        if to.family == socket.AF_INET6:
            sock.raw.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, ttl)
        else:
            sock.raw.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
        sock.ends_at_any_icmp = True
        return await context.send_request(sock, to, f"path.{ttl}")


def _expired(transaction: Transaction) -> str | None:
    expired = [e.offender for e in transaction.icmp if e.kind == "time_exceeded"]
    return expired[0] if expired else None


def judge(
    *,
    local_ip: str,
    public_ip: str | None,
    router_external: str | None,
    hops: list[str | None] | None,
    to_self: int | None,
) -> Path:
    """Detect CGNAT and double NAT by evidence only: a router's report, RFC 6598, or hops."""
    evidence: list[str] = []
    cgnat: TriState = "unknown"
    double: TriState = "unknown"
    known = [hop for hop in hops or () if hop is not None]
    if public_ip is not None and public_ip == local_ip:
        return Path(cgnat="no", double_nat="no", hops=hops or [], evidence=["no NAT at all"])
    if to_self == 1:
        cgnat = double = "no"
        evidence.append("the first router owns this address")
    if router_external is not None:
        claimed, double, said = _by_router(router_external, public_ip)
        contradicts = {cgnat, claimed} == {"yes", "no"}
        cgnat, double = ("unknown", "unknown") if contradicts else (claimed, double)
        evidence.append(said)
    shared = [ip for ip in (*known, local_ip) if is_shared(ip)]
    if shared:
        cgnat = "yes"
        evidence.append(f"{shared[0]} on the way is a carrier's, RFC 6598")
        if not is_shared(local_ip):
            double = "yes"
    private = [ip for ip in known[1:] if is_private(ip) and not is_shared(ip)]
    if private and double == "unknown":
        evidence.append(f"a second private router {private[0]}, which may translate or not")
    return Path(
        cgnat=cgnat,
        double_nat=double,
        hops=hops or [],
        hops_to_public_address=to_self,
        evidence=evidence,
        reason=_why(cgnat, hops, evidence),
    )


def _by_router(external: str, public_ip: str | None) -> tuple[TriState, TriState, str]:
    if external == public_ip:
        return "no", "no", f"the router's outer address {external} is the public one"
    if is_shared(external):
        return "yes", "yes", f"the router's outer address {external} is a carrier's, RFC 6598"
    if is_private(external):
        return "unknown", "yes", f"the router's outer address {external} is private"
    return "yes", "yes", f"the router's outer address {external} is not the public {public_ip}"


def _why(cgnat: TriState, hops: list[str | None] | None, evidence: list[str]) -> str | None:
    if cgnat != "unknown":
        return None
    if evidence:
        return f"not proven by: {'; '.join(evidence)}"
    if hops is None:
        return f"no port-mapping protocol answered; hops {system.NEEDS_LINUX}"
    return "no port-mapping protocol answered, and no hop is of a carrier's range"
