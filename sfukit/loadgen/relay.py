"""Clients behind a TURN server (``--relay-only``): which server, and the account of each client."""

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from sfukit.errors import TargetError
from sfukit.swarm.messages import Relay
from sfukit.targets import load_permission, tls_context
from sfukit.targets.access import Access
from sfukit.targets.origin import plain_host
from sfukit.turn.credentials import Login
from sfukit.turn.uri import TurnUri, Variant

_SPARE_S = 3600
_MOST_HOSTS = 64


@dataclass(frozen=True, kw_only=True)
class RelayOptions:
    """The TURN server of all clients; ``address`` is known once its name was looked up.

    It may name another server (RFC 8489 section 10) at one of the addresses ``alternates``, or any.
    """

    uri: TurnUri
    login: Login
    address: str | None = None
    ca_file: str | None = None
    alternates: tuple[str, ...] = ()
    any_alternate: bool = False
    now_s: Callable[[], float] = time.time

    @property
    def variant(self) -> Variant:
        """The protocol to the server; UDP for a ``turn`` URI without one."""
        return self.uri.variants[0]

    def account(self, number: int, run_s: float) -> Relay:
        """Return the server for one client; with a secret each has a credential of its own."""
        login = replace(self.login, ttl_s=round(run_s) + _SPARE_S)
        if login.secret is not None:
            login = replace(login, user=f"{login.user or 'sfukit'}-{number}")
        found = login.credentials(self.now_s())
        return Relay(
            ip=self.address or "",
            port=self.uri.endpoint(self.variant).port,
            protocol=self.variant,
            username=found.username if found else "",
            password=found.password if found else "",
            server_name=self.uri.host,
            ca_file=self.ca_file,
            alternates=list(self.alternates),
            any_alternate=self.any_alternate,
        )


async def resolved(
    options: RelayOptions, clients: int, access: Access, command: tuple[str, ...]
) -> RelayOptions:
    """Return the options with the address of the server and the certificates to trust.

    Raises ``UsageError`` for a server that may not be loaded, ``TargetError`` for an unknown name.
    """
    host, free = options.uri.host, load_permission.FREE_CLIENTS
    if clients > free:
        what = f"the allocations of {clients} clients need permission (up to {free} do not)"
        await load_permission.require(host, what, access.allow_hosts, command)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, None, type=socket.SOCK_DGRAM)
    except (OSError, UnicodeError) as error:
        raise TargetError(
            f"--turn: the name {host!r} cannot be looked up: {getattr(error, 'strerror', error)}",
            hint="check the spelling, or give the address",
        ) from error
    trusted = None
    if options.variant == "tls" and not access.insecure:
        trusted = tls_context.ca_bundle(access.ca_file, where="--cacert")
    return replace(
        options,
        address=str(found[0][4][0]).partition("%")[0],
        ca_file=trusted,
        alternates=await _addresses(access.allow_hosts),
        any_alternate=clients <= free,
    )


async def _addresses(hosts: Collection[str]) -> tuple[str, ...]:
    """Return the addresses of allowed hosts; a name that cannot be looked up has none."""
    found: set[str] = set()
    for host in sorted(hosts)[:_MOST_HOSTS]:
        with contextlib.suppress(TargetError):
            found.update(await load_permission.resolve(plain_host(host)))
    return tuple(sorted(found))
