"""Which servers answer, what each can teach, and what is odd about it."""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.resolve import Address, Endpoint, is_host, is_private
from sfukit.probe.stun.attributes import OLD_XOR_MAPPED
from sfukit.probe.stun.exchange import Exchange
from sfukit.probe.stun.udp import StunSocket


@dataclass
class Surveyed:
    """One address of one server after test I; ``full`` where it can answer from elsewhere."""

    endpoint: Endpoint
    address: Address
    exchange: Exchange
    quirks: list[str] = field(default_factory=list)
    full: FullServer | None = None

    @property
    def answered(self) -> bool:
        """Tell whether it told an address."""
        return self.exchange.mapped is not None


async def survey(
    context: Context, socket: StunSocket, servers: Sequence[tuple[Endpoint, Address]]
) -> list[Surveyed]:
    """Put test I to all servers at once, from one socket."""
    exchanges = await asyncio.gather(
        *(
            context.ask(
                socket, address, f"reach.{endpoint}", evidence=context.options.level != "quick"
            )
            for endpoint, address in servers
        )
    )
    return [
        judge(Surveyed(endpoint, address, exchange))
        for (endpoint, address), exchange in zip(servers, exchanges, strict=True)
    ]


def judge(server: Surveyed) -> Surveyed:
    """Read what test I told: OTHER-ADDRESS is taken from here alone, and only where it is one."""
    exchange = server.exchange
    server.quirks = quirks(exchange, server.address)
    other = exchange.other
    if (
        server.answered
        and other is not None
        and not any("other_address" in q for q in server.quirks)
    ):
        server.full = FullServer(server.address, other)
    return server


def quirks(exchange: Exchange, address: Address) -> list[str]:
    """List what is odd about an answer."""
    found: list[str] = []
    if exchange.strays:
        found.append(f"answer_from_elsewhere:{exchange.strays[0].source}")
    if exchange.error_code is not None:
        found.append(f"error_{exchange.error_code}")
    elif exchange.heard is not None and exchange.mapped is None:
        found.append(_why_unmapped(exchange.heard.parsed.told, address))
    elif exchange.malformed is not None and exchange.heard is None:
        found.append("malformed")
    if exchange.mapped is None or exchange.heard is None:
        return found
    if exchange.mapped.family != address.family:
        found.append("mapped_to_ipv4")  # NAT64 on the way
    plain = exchange.heard.parsed.address("MAPPED-ADDRESS")
    xored = exchange.heard.parsed.address("XOR-MAPPED-ADDRESS")
    if exchange.heard.parsed.repeated:
        found.append("repeated_attributes")
    if xored is None:
        old = exchange.heard.parsed.address(OLD_XOR_MAPPED)
        found.append("no_xor_mapped_address" if old is None else "old_xor_mapped_address")
    elif plain is not None and plain != xored:
        found.append("mapped_address_rewritten")  # an application gateway edits what it sees
    other = exchange.other
    if other is not None:
        found += _quirks_of_other(other, address)
    return found


def _quirks_of_other(other: Address, address: Address) -> list[str]:
    if other.family != address.family:
        return ["other_address_of_another_family"]
    if other.ip == address.ip:
        return ["other_address_is_its_own"]
    if other.port == address.port:
        return ["other_address_has_the_same_port"]
    if other.port == 0:
        return ["other_address_without_port"]
    if not is_host(other.ip):
        return ["other_address_is_no_host"]
    other_ip, own_ip = (ipaddress.ip_address(one.ip.partition("%")[0]) for one in (other, address))
    of_this_machine = other_ip.is_loopback != own_ip.is_loopback
    if is_private(other.ip) and (not is_private(address.ip) or of_this_machine):
        return ["other_address_is_private"]
    return []


def _why_unmapped(told: Address | None, address: Address) -> str:
    if told is None:
        return "no_mapped_address"
    other_family = told.family != address.family
    return "mapped_address_of_another_family" if other_family else "mapped_address_impossible"
