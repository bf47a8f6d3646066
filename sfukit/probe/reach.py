"""The steps to connect to a server: DNS, then TCP, and the causes of their failures."""

import asyncio
import errno
import socket
from collections.abc import Sequence

from sfukit.probe.resolve import Address, Endpoint, Family, UnresolvedError, resolve
from sfukit.probe.steps import StepFailedError, StepRecorder

_UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL)


async def dns(
    recorder: StepRecorder, target: Endpoint, family: Family, timeout_s: float
) -> list[Address]:
    """Run the step ``dns``: list A and AAAA of a host."""
    with recorder.step("dns") as note:
        try:
            async with asyncio.timeout(timeout_s):
                found = await resolve(target, family)
        except UnresolvedError as error:
            raise StepFailedError("name_unknown", error.what, error.hint) from error
        except TimeoutError as error:
            raise StepFailedError(
                "dns_silent",
                f"no name server answered within {timeout_s:.3g} s",
                "check this machine's name server (/etc/resolv.conf)",
            ) from error
        note.found = _listed(target, found)
    return found


async def tcp(
    recorder: StepRecorder, name: str, addresses: Sequence[Address], timeout_s: float
) -> tuple[socket.socket, Address]:
    """Run a step that connects to the first address that accepts, trying each in turn."""
    with recorder.step(name) as note:
        failures: list[StepFailedError] = []
        for address in addresses:
            try:
                opened = await _connect(address, timeout_s / len(addresses))
            except OSError as error:
                failures.append(tcp_fault(error, address, timeout_s / len(addresses)))
                continue
            note.found = str(address)
            if failures:
                note.found += f"   (but {failures[0].found})"
            return opened, address
        raise failures[0]


def tcp_fault(error: OSError, address: Address, timeout_s: float) -> StepFailedError:
    """Return the failure of a TCP connection."""
    if isinstance(error, ConnectionRefusedError):
        return StepFailedError(
            "port_closed",
            f"{address} refuses the connection: the port is closed",
            "is the server running, and on this port?",
        )
    if isinstance(error, TimeoutError):
        return StepFailedError(
            "no_answer",
            f"{address} did not answer within {timeout_s:.3g} s",
            "a firewall drops the packets, or the host is down: open this TCP port",
        )
    if error.errno in _UNREACHABLE:
        return StepFailedError(
            "unreachable",
            f"{address}: {error.strerror}",
            "no route from this host: check the address and this machine's network",
        )
    return StepFailedError("connect_failed", f"{address}: {error.strerror or error}", None)


async def _connect(address: Address, timeout_s: float) -> socket.socket:
    made = socket.socket(address.family, socket.SOCK_STREAM)
    made.setblocking(False)
    try:
        async with asyncio.timeout(timeout_s):
            await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:
        made.close()
        raise
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def _listed(target: Endpoint, found: Sequence[Address]) -> str:
    """Describe the A and AAAA records, or an address without a lookup."""
    if [address.ip for address in found] == [target.host]:
        return f"{target.host} is an address"
    four = [address.ip for address in found if address.family == socket.AF_INET]
    six = [address.ip for address in found if address.family == socket.AF_INET6]
    return f"A {', '.join(four) or 'none'}   AAAA {', '.join(six) or 'none'}"
