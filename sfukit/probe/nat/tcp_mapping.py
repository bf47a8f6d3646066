"""Mapping of TCP connections: one local port to several destinations (RFC 5382 4.1)."""

import asyncio

from sfukit.probe.environment.proxy import Proxy
from sfukit.probe.nat import mapping
from sfukit.probe.nat.context import Context, FullServer
from sfukit.probe.nat.mapping import Seen
from sfukit.probe.nat.report import Tcp
from sfukit.probe.resolve import Address
from sfukit.probe.stun import tcp


async def probe(context: Context, to: Address, full: FullServer | None, proxy: Proxy | None) -> Tcp:
    """Test STUN over TCP; through a proxy only for an answer, since the mapping is the proxy's."""
    if proxy is not None:
        answer = await tcp.send_request(to, proxy=proxy)
        return Tcp(
            answered=answer.mapped is not None,
            mapped=str(answer.mapped) if answer.mapped else None,
            via_proxy=str(proxy),
            reason=answer.error,
        )
    first = await tcp.send_request(to, local=(context.local_ip, 0))
    if first.mapped is None or first.local is None:
        return Tcp(answered=False, reason=first.error)
    if full is None:
        reason = "the TCP mapping needs a server with two addresses"
        return Tcp(answered=True, mapped=str(first.mapped), reason=reason)
    return await _mapped(context, full)


async def _mapped(context: Context, full: FullServer) -> Tcp:
    """Connect from one fresh local port to A:p, B:p and B:p' (a server need not listen on all)."""
    with context.socket() as free:  # a port that is free for UDP is likely free for TCP
        port = free.local.port
    places = (full.primary, full.other_ip, full.alternate, full.other_port)
    answers = await asyncio.gather(
        *(tcp.send_request(place, local=(context.local_ip, port)) for place in places)
    )
    outer = [answer.mapped for answer in answers]
    result = mapping.classify(Seen(Address(context.local_ip, port), *outer))
    return Tcp(
        answered=True,
        mapped=str(outer[0]) if outer[0] else None,
        mapping=result.value,
        reason=result.reason,
    )
