"""The process that listens at the address of a target on this machine, from /proc (Linux)."""

import asyncio
import os
import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from sfukit.errors import TargetError
from sfukit.targets.load_permission import resolve

_LISTEN = "0A"
_ANY = {"0" * 8, "0" * 32}
_DEFAULT_PORTS = {"http": 80, "ws": 80, "https": 443, "wss": 443}


class LocalServer(NamedTuple):
    """A process of this machine, with the name of its program."""

    pid: int
    name: str


async def find(url: str) -> LocalServer | None:
    """Return the process that listens at a URL; None for another machine, or if it is hidden.

    A server in a network namespace of its own is hidden, and so is one in this process.
    """
    parts = urlsplit(url)
    port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
    try:
        addresses = await resolve(parts.hostname or "")
    except TargetError:
        return None
    here = [address for address in addresses if _is_here(address)]
    if port is None or not here:
        return None
    return await asyncio.to_thread(_listening, here, port)


def _is_here(address: str) -> bool:
    """Return whether an address is of this machine: only then can a socket be bound to it."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True


def _listening(addresses: Iterable[str], port: int) -> LocalServer | None:
    listening = {inode for path in ("tcp", "tcp6") for inode in _inodes(path, addresses, port)}
    for process in _processes() if listening else ():
        with suppress(OSError):
            for file in (process / "fd").iterdir():
                target = str(file.readlink())
                if target.startswith("socket:[") and target[8:-1] in listening:
                    return LocalServer(int(process.name), (process / "comm").read_text().strip())
    return None


def _inodes(path: str, addresses: Iterable[str], port: int) -> Iterator[str]:
    """Return the inodes of the sockets that listen on a port of these addresses."""
    wanted = _ANY | {written for address in addresses for written in _as_written(address)}
    try:
        lines = Path(f"/proc/net/{path}").read_text().splitlines()[1:]
    except OSError:
        return
    for line in lines:
        fields = line.split()
        address, _, number = fields[1].partition(":")
        if fields[3] == _LISTEN and int(number, 16) == port and address in wanted:
            yield fields[9]


def _as_written(address: str) -> Iterator[str]:
    """Return an address as /proc/net has it: hexadecimal, in words of the host's byte order."""
    for family in (socket.AF_INET, socket.AF_INET6):
        with suppress(OSError):
            packed = socket.inet_pton(family, address)
            words = (packed[at : at + 4] for at in range(0, len(packed), 4))
            yield "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _processes() -> Iterator[Path]:
    with suppress(OSError):
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                yield entry
