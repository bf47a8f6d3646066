"""All port-mapping protocols, queried concurrently."""

import asyncio

import msgspec

from sfukit.probe.portmap import pmp, upnp
from sfukit.probe.portmap.pmp import SILENT, Answer


class Portmap(msgspec.Struct, frozen=True, kw_only=True):
    """The result of each protocol; ``reason`` where none was queried."""

    upnp: Answer = SILENT
    pmp: Answer = SILENT
    pcp: Answer = SILENT
    reason: str | None = None

    @property
    def external_ip(self) -> str | None:
        """Return the router's external address by the first protocol that has it."""
        answers = (self.upnp, self.pmp, self.pcp)
        return next((a.external_ip for a in answers if a.external_ip is not None), None)

    @property
    def answered(self) -> list[str]:
        """List the protocols that answered."""
        named = {"UPnP": self.upnp, "NAT-PMP": self.pmp, "PCP": self.pcp}
        return [name for name, answer in named.items() if answer.answered]


async def query(gateway: str | None, local_ip: str) -> Portmap:
    """Query UPnP on the local network, and NAT-PMP and PCP at the gateway where it is known."""
    if ":" in local_ip:
        return Portmap(reason="IPv6 needs no port mapping")
    if local_ip.startswith("127."):
        return Portmap(reason="no router on the loopback interface")

    async def by_gateway() -> tuple[Answer, Answer]:
        if gateway is None:
            return SILENT, SILENT
        older = await pmp.request_pmp(gateway, local_ip)
        return older, await pmp.request_pcp(
            gateway, local_ip
        ) if older.external_ip is None else SILENT

    by_upnp, (by_pmp, by_pcp) = await asyncio.gather(
        upnp.request_external_ip(local_ip), by_gateway()
    )
    reason = None if gateway is not None else "the gateway is unknown, so only UPnP was queried"
    return Portmap(upnp=by_upnp, pmp=by_pmp, pcp=by_pcp, reason=reason)
