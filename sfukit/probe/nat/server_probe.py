"""Test I of RFC 5780 at every server: which answer, from how many addresses, and their quirks."""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field

from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.resolve import Address, Endpoint, is_host, is_private
from sfukit.probe.stun.attributes import OLD_XOR_MAPPED
from sfukit.probe.stun.transaction import Transaction
from sfukit.probe.stun.udp import StunSocket


@dataclass
class ProbedServer:
    """One server address after test I; ``full`` where it has a second address (RFC 5780)."""

    endpoint: Endpoint
    address: Address
    transaction: Transaction
    quirks: list[str] = field(default_factory=list)
    full: FullServer | None = None

    @property
    def answered(self) -> bool:
        """Return whether the response has a mapped address."""
        return self.transaction.mapped is not None


async def probe_servers(
    context: Context, socket: StunSocket, servers: Sequence[tuple[Endpoint, Address]]
) -> list[ProbedServer]:
    """Run test I (RFC 5780 4.3) at all servers concurrently, from one socket."""
    transactions = await asyncio.gather(
        *(
            context.send_request(
                socket, address, f"reach.{endpoint}", evidence=context.options.level != "quick"
            )
            for endpoint, address in servers
        )
    )
    return [
        evaluate(ProbedServer(endpoint, address, transaction))
        for (endpoint, address), transaction in zip(servers, transactions, strict=True)
    ]


def evaluate(server: ProbedServer) -> ProbedServer:
    """Evaluate test I; OTHER-ADDRESS is read here only, and only where it is usable."""
    transaction = server.transaction
    server.quirks = quirks(transaction, server.address)
    other = transaction.other
    if (
        server.answered
        and other is not None
        and not any("other_address" in q for q in server.quirks)
    ):
        server.full = FullServer(server.address, other)
    return server


def quirks(transaction: Transaction, address: Address) -> list[str]:
    """List the quirks of a response."""
    found: list[str] = []
    if transaction.unexpected:
        found.append(f"answer_from_elsewhere:{transaction.unexpected[0].source}")
    if transaction.error_code is not None:
        found.append(f"error_{transaction.error_code}")
    elif transaction.response is not None and transaction.mapped is None:
        found.append(_why_unmapped(transaction.response.parsed.reported_address, address))
    elif transaction.malformed is not None and transaction.response is None:
        found.append("malformed")
    if transaction.mapped is None or transaction.response is None:
        return found
    if transaction.mapped.family != address.family:
        found.append("mapped_to_ipv4")  # NAT64 on the path
    plain = transaction.response.parsed.address("MAPPED-ADDRESS")
    xored = transaction.response.parsed.address("XOR-MAPPED-ADDRESS")
    if transaction.response.parsed.repeated:
        found.append("repeated_attributes")
    if xored is None:
        old = transaction.response.parsed.address(OLD_XOR_MAPPED)
        found.append("no_xor_mapped_address" if old is None else "old_xor_mapped_address")
    elif plain is not None and plain != xored:
        found.append("mapped_address_rewritten")  # an ALG rewrites addresses
    other = transaction.other
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


def _why_unmapped(reported: Address | None, address: Address) -> str:
    if reported is None:
        return "no_mapped_address"
    other_family = reported.family != address.family
    return "mapped_address_of_another_family" if other_family else "mapped_address_impossible"
